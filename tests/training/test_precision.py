"""fp16: gradients are those of the unscaled loss, steps that overflow are left out and counted, and clipping comes last."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from pytest_mlspec.errors import TrainingError
from pytest_mlspec.training.batches import Batch
from pytest_mlspec.training.history import SKIPPED_IN_A_ROW
from pytest_mlspec.training.loop import LoopSettings, fit
from pytest_mlspec.training.precision import new_scaler
from pytest_mlspec.training.state import State
from pytest_mlspec.training.step import take_step
from pytest_mlspec.training.weights import weights_digest

from .trainings import CPU, CROSS_ENTROPY, classification, network, new_state, source_of
from .trainings import with_schedule as add_schedule

HALF = LoopSettings(batch_size=8, epochs=2, precision="fp16")


def scaled(scale: float = 2.0**16, *, optimizer: str = "adamw", model: nn.Module | None = None) -> State:
    """A state whose loss is scaled by `scale`."""
    state = new_state(model, (optimizer, {"lr": 0.01, **({"momentum": 0.9} if optimizer == "sgd" else {})}))
    state.scaler = new_scaler(CPU, state.optimizer)
    state.scaler.load_state_dict(state.scaler.state_dict() | {"scale": scale})
    return state


def test_the_scale_changes_no_weight() -> None:
    """A power of two is taken out again exactly, where it neither overflows nor loses small gradients."""
    source = source_of(*classification())
    states = [scaled(scale) for scale in (2.0**10, 2.0**13)]
    histories = [fit(state, source, settings=HALF, loss=CROSS_ENTROPY) for state in states]

    assert weights_digest(states[0].model) == weights_digest(states[1].model)
    assert histories[0].gradient_norm_S.tolist() == histories[1].gradient_norm_S.tolist()
    assert histories[0].skipped_steps == 0


def test_the_forward_runs_in_half_precision_and_the_weights_stay_single() -> None:
    """Autocast changes the arithmetic, not the parameters."""
    seen: list[torch.dtype] = []
    model = network()
    model[0].register_forward_hook(lambda module, arguments, output: seen.append(output.dtype))
    fit(scaled(model=model), source_of(*classification()), settings=HALF, loss=CROSS_ENTROPY)

    assert set(seen) == {torch.float16}
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "rmsprop"])
def test_a_step_that_overflows_is_left_out_and_counted(optimizer: str) -> None:
    """At a scale of 2^40 the first steps overflow: the weights stay, the scale falls, rows and schedule go on."""
    state = add_schedule(scaled(2.0**40, optimizer=optimizer), "linear", {}, HALF)
    reference = add_schedule(scaled(optimizer=optimizer), "linear", {}, HALF)
    source = source_of(*classification())
    before = weights_digest(state.model)
    expected = fit(reference, source, settings=HALF, loss=CROSS_ENTROPY)
    fit(state, source, settings=HALF, loss=CROSS_ENTROPY, until=1)
    after_one = weights_digest(state.model)
    history = fit(state, source, settings=HALF, loss=CROSS_ENTROPY)

    assert after_one == before
    assert history.skipped_steps == sum(not math.isfinite(norm) for norm in history.gradient_norm_S) == 10
    assert weights_digest(state.model) == before
    assert history.learning_rate_S.tolist() == expected.learning_rate_S.tolist()
    assert state.scaler is not None
    assert state.scaler.get_scale() == 2.0**30


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "rmsprop"])
def test_what_follows_a_left_out_step_is_a_first_step(optimizer: str) -> None:
    """Nothing of the optimiser is made in a step that is left out; torch's fused SGD would leave its momenta uninitialised."""
    source = source_of(*classification())
    batch = source.fetch(torch.arange(8))
    reference, state = scaled(2.0**10, optimizer=optimizer), scaled(2.0**40, optimizer=optimizer)
    take_step(state, [batch], loss=CROSS_ENTROPY, precision="fp16")
    assert state.scaler is not None
    state.scaler.load_state_dict(state.scaler.state_dict() | {"scale": 2.0**10})
    for trained in (state, reference):
        take_step(trained, [batch], loss=CROSS_ENTROPY, precision="fp16")
        take_step(trained, [batch], loss=CROSS_ENTROPY, precision="fp16")

    assert weights_digest(state.model) == weights_digest(reference.model)


def test_too_many_overflows_in_a_row_end_the_training() -> None:
    """By then it is not the scale."""

    def steep(outputs: Tensor, batch: Batch) -> Tensor:
        return (outputs.float() * 0).square().sum().sqrt()

    settings = LoopSettings(batch_size=8, epochs=8, precision="fp16")
    with pytest.raises(
        TrainingError, match=rf"gradient norm is nan, .* at step {SKIPPED_IN_A_ROW} \(epoch 4\), the 20th"
    ):
        fit(scaled(), source_of(*classification()), settings=settings, loss=steep)


def test_clipping_comes_after_the_scale_is_taken_out() -> None:
    """With SGD at rate 1 a step clipped to 0.01 moves the weights by 0.01; the recorded norm is that before it."""
    model = network()
    before = torch.cat([parameter.detach().flatten().clone() for parameter in model.parameters()])
    state = new_state(model, ("sgd", {"lr": 1.0}))
    state.scaler = new_scaler(CPU, state.optimizer)
    settings = LoopSettings(batch_size=8, steps=1, clip_norm=0.01, precision="fp16")
    history = fit(state, source_of(*classification()), settings=settings, loss=CROSS_ENTROPY)
    after = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])

    assert 0.1 < history.gradient_norm_S[0] < 10
    assert (after - before).norm().item() == pytest.approx(0.01, rel=1e-3)


def test_micro_batches_are_scaled_too() -> None:
    """Three of 5 rows give the loss and the norm of one of 15, as far as half precision goes."""
    source = source_of(*classification())
    rows = torch.arange(15)
    whole = take_step(scaled(), [source.fetch(rows)], loss=CROSS_ENTROPY, precision="fp16")
    parts = [source.fetch(index) for index in rows.split(5)]  # type: ignore[no-untyped-call]
    accumulated = take_step(scaled(), parts, loss=CROSS_ENTROPY, precision="fp16")

    assert float(accumulated.loss) == pytest.approx(float(whole.loss), rel=1e-3)
    assert float(accumulated.gradient_norm) == pytest.approx(float(whole.gradient_norm), rel=1e-2)


def test_a_step_that_is_owned_cannot_be_scaled() -> None:
    """The team's backward knows nothing of the scale."""

    def owns(state: State, batch: Batch) -> Tensor:
        state.optimizer.zero_grad()
        loss = CROSS_ENTROPY(state.model(batch.inputs), batch)
        loss.backward()  # type: ignore[no-untyped-call]
        state.optimizer.step()
        return loss

    batch = source_of(*classification()).fetch(torch.arange(8))

    with pytest.raises(TrainingError, match="its loss cannot be scaled") as caught:
        take_step(scaled(), [batch], loss=CROSS_ENTROPY, training_step=owns, precision="fp16")
    assert caught.value.key == "train.precision"


def test_a_loss_that_is_not_finite_is_no_skipped_step() -> None:
    """No scale repairs a forward pass."""
    inputs, targets = classification()
    inputs[3, 0] = 1e6
    model = nn.Sequential(nn.Linear(6, 3))
    nn.init.constant_(model[0].weight, 1.0)  # type: ignore[arg-type]

    with pytest.raises(
        TrainingError, match=r"loss is nan at step .*: first in the output of 0 \(Linear\); rows"
    ) as caught:
        fit(scaled(model=model), source_of(inputs, targets), settings=HALF, loss=CROSS_ENTROPY)
    assert (
        caught.value.advice
        == "fp16 holds numbers up to 65,504: write precision: bf16, or scale down what this layer is given"
    )
