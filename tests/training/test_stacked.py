"""Seeds trained at once: each ends as `fit` would have left it, and what cannot be trained so has a reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pytest_mlspec.errors import TrainingError
from pytest_mlspec.training import losses
from pytest_mlspec.training.batches import ResidentSource, Source
from pytest_mlspec.training.early_stop import EarlyStop
from pytest_mlspec.training.evaluation import mean_loss
from pytest_mlspec.training.history import History
from pytest_mlspec.training.loop import LoopSettings, fit
from pytest_mlspec.training.losses import Loss
from pytest_mlspec.training.nonfinite import NonFiniteError
from pytest_mlspec.training.optim import build_optimizer
from pytest_mlspec.training.seeding import seed_everything
from pytest_mlspec.training.stacked import fit_stacked
from pytest_mlspec.training.stacking import why_not_stacked
from pytest_mlspec.training.state import State

from .trainings import CPU, CROSS_ENTROPY, FEATURES, NoisySource, classification, schedule_for, source_of, with_schedule

SETTINGS = LoopSettings(batch_size=8, epochs=4, clip_norm=0.7)
Optimizer = tuple[str, Mapping[str, Any]]
ADAMW: Optimizer = ("adamw", {"lr": 0.01})


def mlp(*middle: nn.Module, outputs: int = 3) -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(FEATURES, 16), nn.ReLU(), *middle, nn.Linear(16, outputs))


def states_of(
    make: Callable[[], nn.Module] = mlp,
    optimizer: Optimizer = ADAMW,
    *,
    seeds: Sequence[int] = (3, 4, 5),
    dtype: torch.dtype = torch.float64,
) -> list[State]:
    """Trainings at their beginning, each with the weights of its own seed."""
    states = []
    for seed in seeds:
        seed_everything(seed)
        model = make().to(dtype)
        states.append(State(model, build_optimizer(*optimizer, model), None, seed, CPU))
    return states


def source(dtype: torch.dtype = torch.float64) -> ResidentSource:
    inputs, targets = classification()
    return source_of(inputs.to(dtype), targets)


def one_after_another(
    states: list[State], rows: Source, settings: LoopSettings = SETTINGS, loss: Loss = CROSS_ENTROPY, **more: Any
) -> list[History]:
    return [fit(state, rows, settings=settings, loss=loss, **more) for state in states]


def assert_same_trainings(
    states: list[State], histories: list[History], others: list[State], expected: list[History], tolerance: float = 1e-9
) -> None:
    for state, other in zip(states, others, strict=True):
        assert (state.step, state.epoch, state.position) == (other.step, other.epoch, other.position)
        for one, two in zip(state.model.parameters(), other.model.parameters(), strict=True):
            torch.testing.assert_close(one, two, rtol=tolerance, atol=tolerance)
    for history, reference in zip(histories, expected, strict=True):
        np.testing.assert_allclose(history.loss_S, reference.loss_S, rtol=tolerance)
        np.testing.assert_allclose(history.gradient_norm_S, reference.gradient_norm_S, rtol=tolerance)
        np.testing.assert_allclose(history.update_ratio_U, reference.update_ratio_U, rtol=tolerance)
        np.testing.assert_array_equal(history.learning_rate_S, reference.learning_rate_S)
        np.testing.assert_array_equal(history.update_step_U, reference.update_step_U)
        np.testing.assert_array_equal(history.rows_S, reference.rows_S)
        assert [set(metrics) for metrics in history.epochs_log] == [set(metrics) for metrics in reference.epochs_log]
        for metrics, others_metrics in zip(history.epochs_log, reference.epochs_log, strict=True):
            assert metrics == pytest.approx(dict(others_metrics), rel=tolerance)
        assert history.stopped == reference.stopped


@pytest.mark.parametrize(
    "optimizer",
    [
        ADAMW,
        ("adam", {"lr": 0.01, "weight_decay": 0.1, "amsgrad": True}),
        ("sgd", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
        ("rmsprop", {"lr": 0.01}),
        ("nadam", {"lr": 0.01}),
        ("adadelta", {}),
    ],
    ids=lambda one: str(one[0]),
)
def test_each_seed_is_trained_as_if_alone(optimizer: Optimizer) -> None:
    """Weights, losses, norms, rates and rows of each seed, in double precision to 1e-9, with a ragged last batch."""
    states, others = states_of(optimizer=optimizer), states_of(optimizer=optimizer)
    histories = fit_stacked(states, source(), settings=SETTINGS, loss=CROSS_ENTROPY)
    expected = one_after_another(others, source())

    assert_same_trainings(states, histories, others, expected)


def test_in_single_precision_the_decisions_are_the_same() -> None:
    """Losses agree to rounding, and every row is given the same class."""
    states, others = states_of(dtype=torch.float32), states_of(dtype=torch.float32)
    histories = fit_stacked(states, source(torch.float32), settings=SETTINGS, loss=CROSS_ENTROPY)
    expected = one_after_another(others, source(torch.float32))
    inputs = classification()[0]

    for history, reference in zip(histories, expected, strict=True):
        np.testing.assert_allclose(history.loss_S, reference.loss_S, atol=1e-5)
    for state, other in zip(states, others, strict=True):
        assert torch.equal(state.model(inputs).argmax(1), other.model(inputs).argmax(1))


def test_every_seed_has_its_own_weights_and_order() -> None:
    """The histories differ from the first step on."""
    histories = fit_stacked(states_of(), source(), settings=SETTINGS, loss=CROSS_ENTROPY)

    assert len({float(history.loss_S[0]) for history in histories}) == 3
    assert len({tuple(history.loss_S) for history in histories}) == 3


@pytest.mark.parametrize(
    "settings",
    [
        replace(SETTINGS, clip_norm=None),
        replace(SETTINGS, clip_norm=1e-3),
        replace(SETTINGS, drop_last=True),
        replace(SETTINGS, shuffle=False),
        replace(SETTINGS, epochs=None, steps=7),
        replace(SETTINGS, epochs=None, steps=10),
        replace(SETTINGS, batch_size=100),
        replace(SETTINGS, row_weights=torch.rand(37, generator=torch.Generator().manual_seed(0))),
    ],
    ids=["no clipping", "always clipped", "drop_last", "in order", "7 steps", "10 steps", "one batch", "weighted rows"],
)
def test_the_settings_of_a_training_are_kept(settings: LoopSettings) -> None:
    """Whatever they are, the numbers are those of one after another."""
    states, others = states_of(), states_of()
    histories = fit_stacked(states, source(), settings=settings, loss=CROSS_ENTROPY)
    expected = one_after_another(others, source(), settings)

    assert_same_trainings(states, histories, others, expected)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("cosine", {"warmup": 3}),
        ("one_cycle", {"max_lr": 0.1}),
        ("step", {"step_size": 1, "interval": "epoch"}),
    ],
)
def test_a_schedule_gives_all_seeds_its_rates(name: str, arguments: dict[str, Any]) -> None:
    """Per step or per epoch, with a warm-up, and with betas that it moves too."""
    states = [with_schedule(state, name, arguments, SETTINGS) for state in states_of()]
    others = [with_schedule(state, name, arguments, SETTINGS) for state in states_of()]
    histories = fit_stacked(states, source(), settings=SETTINGS, loss=CROSS_ENTROPY)
    expected = one_after_another(others, source())

    assert_same_trainings(states, histories, others, expected)


@pytest.mark.parametrize(
    ("loss", "arguments", "targets"),
    [
        ("cross_entropy", {"label_smoothing": 0.1}, classification()[1]),
        ("mse", {}, torch.randn(37, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))),
        ("huber", {"delta": 0.3}, torch.randn(37, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))),
        (
            "binary_cross_entropy_with_logits",
            {"pos_weight": [3.0, 1.0, 2.0]},
            torch.eye(3).double()[classification()[1]],
        ),
    ],
)
def test_losses_that_are_a_mean_over_rows(loss: str, arguments: dict[str, Any], targets: Tensor) -> None:
    """Also with several outputs a row, over which torch takes the mean too."""
    rows = source_of(classification()[0].double(), targets)
    states, others = states_of(), states_of()
    histories = fit_stacked(states, rows, settings=SETTINGS, loss=losses.build(loss, arguments))
    expected = one_after_another(others, rows, loss=losses.build(loss, arguments))

    assert_same_trainings(states, histories, others, expected)


def test_one_output_a_row() -> None:
    """Outputs [N, 1] against targets [N], as in a regression."""
    rows = source_of(classification()[0].double(), classification()[0].double().sum(1))
    states, others = (states_of(lambda: mlp(nn.Tanh(), nn.Linear(16, 16, bias=False), outputs=1)) for _ in range(2))
    histories = fit_stacked(states, rows, settings=SETTINGS, loss=losses.build("mse", {}))
    expected = one_after_another(others, rows, loss=losses.build("mse", {}))

    assert_same_trainings(states, histories, others, expected)


def test_groups_keep_their_own_rates() -> None:
    """Such as a lower one for the first layer."""
    optimizer: Optimizer = ("adamw", {"lr": 0.01, "groups": {"1": {"lr": 0.001, "weight_decay": 0.5}}})
    states, others = states_of(optimizer=optimizer), states_of(optimizer=optimizer)
    histories = fit_stacked(states, source(), settings=SETTINGS, loss=CROSS_ENTROPY)
    expected = one_after_another(others, source())

    assert_same_trainings(states, histories, others, expected)


def test_every_epoch_is_evaluated_for_every_seed() -> None:
    """With the weights that it has then; `on_epoch` is told of the first."""

    def evaluate(state: State) -> dict[str, float]:
        return {"val.loss": mean_loss(state.model, source(), CROSS_ENTROPY, 16) + state.epoch}

    told: list[tuple[int, float]] = []
    states, others = states_of(), states_of()
    histories = fit_stacked(
        states,
        source(),
        settings=SETTINGS,
        loss=CROSS_ENTROPY,
        evaluate=evaluate,
        on_epoch=lambda epoch, metrics: told.append((epoch, metrics["val.loss"])),
    )
    expected = one_after_another(others, source(), evaluate=evaluate)

    assert_same_trainings(states, histories, others, expected)
    assert told == [(epoch, metrics["val.loss"]) for epoch, metrics in enumerate(histories[0].epochs_log)]


class Wrapped(nn.Module):
    """A model whose forward is the layers that it holds."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = mlp()

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.layers(inputs)
        return outputs


def test_a_model_may_hold_its_chain() -> None:
    """Whoever knows that its forward is nothing else says so."""
    states, others = states_of(Wrapped), states_of(Wrapped)
    assert why_not_stacked(states, source(), settings=SETTINGS, loss=CROSS_ENTROPY) == "the model is no chain of layers"
    histories = fit_stacked(
        states,
        source(),
        settings=SETTINGS,
        loss=CROSS_ENTROPY,
        chain_of=lambda model: model.layers if isinstance(model, Wrapped) else None,
    )
    expected = one_after_another(others, source())

    assert_same_trainings(states, histories, others, expected)


def test_a_loss_that_is_not_finite_names_seed_step_and_rows() -> None:
    """At once, before the weights of any seed are overwritten by it."""
    inputs, targets = classification()
    inputs[30] = torch.inf

    with pytest.raises(NonFiniteError, match=r"loss is nan at step \d \(epoch 1\) of seed [345]") as caught:
        fit_stacked(states_of(), source_of(inputs.double(), targets), settings=SETTINGS, loss=CROSS_ENTROPY)
    assert 30 in caught.value.rows


def begun(states: list[State]) -> list[State]:
    one_after_another(states[:1], source())
    return states


def frozen(states: list[State]) -> list[State]:
    next(states[1].model.parameters()).requires_grad_(False)
    return states


def hooked(states: list[State]) -> list[State]:
    states[0].model[1].register_forward_hook(lambda *_: None)  # type: ignore[index]
    return states


def unlike(states: list[State]) -> list[State]:
    states[2].optimizer.param_groups[0]["lr"] = 0.5
    return states


def on_plateau(states: list[State]) -> list[State]:
    for state in states:
        state.schedule = schedule_for(state, "reduce_on_plateau", {}, SETTINGS)
    return states


@pytest.mark.parametrize(
    ("states", "reason"),
    [
        (states_of(seeds=[1]), "one seed"),
        (states_of(lambda: mlp(nn.Dropout(0.1))), "dropout draws"),
        (states_of(lambda: mlp(nn.BatchNorm1d(16))), "BatchNorm1d was not tried"),
        (states_of(lambda: mlp(nn.Softmax(dim=1))), "Softmax was not tried"),
        (states_of(lambda: mlp(nn.Linear(16, 300), nn.Linear(300, 16))), "16 x 300 is large enough by itself"),
        (states_of(lambda: nn.Bilinear(6, 6, 3)), "no chain"),
        (states_of(optimizer=("adafactor", {})), "Adafactor is not known"),
        (states_of(optimizer=("adagrad", {})), "Adagrad is not known"),
        (begun(states_of()), "begun already"),
        (frozen(states_of()), "not trained"),
        (hooked(states_of()), "a hook looks at a Linear"),
        (unlike(states_of()), "not the same"),
        (on_plateau(states_of()), "a rate of its own"),
        ([*states_of(), *states_of(lambda: mlp(outputs=4))], "not of one shape"),
        ([replace(state, compiled=state.model) for state in states_of()], "compiled"),
        ([replace(state, device=torch.device("cuda")) for state in states_of()], "not tried on cuda"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_stacked_has_a_reason(states: list[State], reason: str) -> None:
    """And is refused, rather than trained otherwise than declared."""
    assert reason in why_not_stacked(states, source(), settings=SETTINGS, loss=CROSS_ENTROPY)
    with pytest.raises(TrainingError, match="cannot be trained at once"):
        fit_stacked(states, source(), settings=SETTINGS, loss=CROSS_ENTROPY)


@pytest.mark.parametrize(
    ("settings", "loss", "reason"),
    [
        (replace(SETTINGS, early_stop=EarlyStop("train.loss")), CROSS_ENTROPY, "early_stop"),
        (replace(SETTINGS, accumulate=2), CROSS_ENTROPY, "several batches"),
        (replace(SETTINGS, precision="bf16"), CROSS_ENTROPY, "precision"),
        (SETTINGS, losses.build("cross_entropy", {"weight": [1.0, 2.0, 3.0]}), "not a mean over rows"),
        (SETTINGS, losses.build("cross_entropy", {"ignore_index": 1}), "not a mean over rows"),
        (SETTINGS, losses.build("kl_div", {}), "not a mean over rows"),
        (SETTINGS, lambda outputs, batch: outputs.mean(), "not a mean over rows"),
    ],
)
def test_settings_and_losses_that_cannot_be_stacked_have_a_reason(
    settings: LoopSettings, loss: Any, reason: str
) -> None:
    """Each of its own."""
    assert reason in why_not_stacked(states_of(), source(), settings=settings, loss=loss)


def test_rows_that_change_cannot_be_stacked() -> None:
    """A source that draws at random would give each seed what another one draws."""
    noisy = NoisySource(*classification())

    assert "rows" in why_not_stacked(states_of(), noisy, settings=SETTINGS, loss=CROSS_ENTROPY)
