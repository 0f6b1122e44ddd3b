"""From gradients to new parameters: norm, clipping and step are those of torch, to the last bit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from pytest_mlspec.errors import TrainingError
from pytest_mlspec.training.loop import LoopSettings, fit
from pytest_mlspec.training.nonfinite import NotFiniteError
from pytest_mlspec.training.optim import build_optimizer
from pytest_mlspec.training.update import apply_update, clear_gradients, gradient_norm

from .trainings import CROSS_ENTROPY, classification, network, new_state, source_of

CLIPS = [None, 1e-9, 1e-3, 1.0, 2.0, 1e6]


def gradients(model: nn.Module, scale: float = 0.3) -> list[Tensor]:
    torch.manual_seed(2)
    return [scale * torch.randn_like(parameter) for parameter in model.parameters()]


def put(model: nn.Module, values: list[Tensor]) -> None:
    for parameter, value in zip(model.parameters(), values, strict=True):
        parameter.grad = value.clone()


@pytest.mark.parametrize("clip_norm", CLIPS)
@pytest.mark.parametrize(
    "optimizer", [("adamw", {}), ("sgd", {"lr": 0.1}), ("rmsprop", {})], ids=lambda one: str(one[0])
)
def test_norm_clipping_and_step_are_those_of_torch(clip_norm: float | None, optimizer: tuple[str, Any]) -> None:
    """Over several steps, for bounds far below, near and above the norm."""
    model, other = network(), network()
    own, reference = build_optimizer(*optimizer, model), build_optimizer(*optimizer, other)
    norms, expected = [], []
    for scale in (0.3, 0.1, 0.05):
        put(model, gradients(model, scale))
        put(other, gradients(other, scale))
        norms.append(apply_update(own, clip_norm=clip_norm))
        expected.append(clip_grad_norm_(other.parameters(), 1e30 if clip_norm is None else clip_norm))
        reference.step()

    assert torch.equal(torch.stack(norms), torch.stack(expected))
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize("share", [1 - 1e-3, 1 - 1e-6, 1.0, 1 + 1e-6, 1 + 1e-3])
def test_a_norm_at_its_bound_is_clipped_as_by_torch(share: float) -> None:
    """The bound is close to the norm, on both sides."""
    model, other = network(), network()
    put(model, gradients(model))
    put(other, gradients(other))
    bound = share * float(gradient_norm(list(model.parameters())))
    apply_update(build_optimizer("sgd", {"lr": 1.0}, model), clip_norm=bound)
    clip_grad_norm_(other.parameters(), bound)

    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(one.grad, two.grad)  # type: ignore[arg-type]


def test_gradients_of_several_types_are_left_to_torch() -> None:
    """A layer in half precision among others: norm, clipping and step go torch's own way."""
    models = [network(), network()]
    optimizers = []
    for model in models:
        model[0].to(torch.bfloat16)
        put(model, gradients(model))
        optimizers.append(torch.optim.AdamW(model.parameters(), fused=True))
    norm = apply_update(optimizers[0], clip_norm=0.1)
    expected = clip_grad_norm_(models[1].parameters(), 0.1)
    optimizers[1].step()

    assert torch.equal(norm, expected)
    for one, two in zip(models[0].parameters(), models[1].parameters(), strict=True):
        assert torch.equal(one, two)


def test_a_norm_that_is_not_finite_changes_nothing() -> None:
    """Where the step's loss is given, the error comes before the parameters are touched."""
    model = network()
    before = [parameter.detach().clone() for parameter in model.parameters()]
    values = gradients(model)
    values[1][0] = torch.inf
    put(model, values)

    with pytest.raises(NotFiniteError):
        apply_update(build_optimizer("adamw", {}, model), clip_norm=1.0, loss=torch.tensor(0.5))
    for parameter, old in zip(model.parameters(), before, strict=True):
        assert torch.equal(parameter, old)


@pytest.mark.parametrize("optimizer", [("sgd", {"lr": 0.1, "momentum": 0.9}), ("adamw", {})], ids=["sgd", "adamw"])
def test_a_first_step_that_overflows_leaves_no_trace(optimizer: tuple[str, Any]) -> None:
    """A scaler leaves it out; the steps after it are those of a training that never had it."""
    model, other = network(), network()
    own, reference = build_optimizer(*optimizer, model), build_optimizer(*optimizer, other)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    scaler.scale(torch.zeros(()))
    put(model, [torch.full_like(parameter, torch.inf) for parameter in model.parameters()])
    apply_update(own, scaler=scaler)
    for scale in (0.3, 0.1):
        put(model, gradients(model, scale))  # the scale is one after the overflow
        put(other, gradients(other, scale))
        apply_update(own, scaler=scaler)
        reference.step()

    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)


def test_a_first_step_that_overflows_makes_no_momentum() -> None:
    """Fused SGD would keep memory that nothing has written."""
    model = network()
    optimizer = build_optimizer("sgd", {"lr": 0.1, "momentum": 0.9}, model)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    scaler.scale(torch.zeros(()))
    put(model, [torch.full_like(parameter, torch.inf) for parameter in model.parameters()])
    apply_update(optimizer, scaler=scaler)

    assert not any(optimizer.state.values())


def test_no_gradient_at_all_is_an_error() -> None:
    """A model that is detached from its loss does not train in silence."""
    with pytest.raises(TrainingError, match="no parameter of the optimizer has a gradient"):
        apply_update(build_optimizer("adamw", {}, network()))


def test_gradients_are_cleared_to_none() -> None:
    """And not to zero, which an optimiser would step on."""
    model = network()
    put(model, gradients(model))
    clear_gradients(build_optimizer("adamw", {}, model))

    assert [parameter.grad for parameter in model.parameters()] == [None] * 4


class Remembering(torch.optim.SGD):
    """The team's own optimiser, which has to know when gradients are cleared."""

    cleared = 0

    def zero_grad(self, set_to_none: bool = True) -> None:
        self.cleared += 1
        super().zero_grad(set_to_none)


def test_a_zero_grad_of_the_teams_own_is_called() -> None:
    """Whatever an optimiser does there, it does."""
    model = network()
    put(model, gradients(model))
    optimizer = Remembering(model.parameters())
    clear_gradients(optimizer)

    assert optimizer.cleared == 1
    assert [parameter.grad for parameter in model.parameters()] == [None] * 4


def test_a_training_has_the_bits_of_a_loop_written_by_hand() -> None:
    """With clipping, over epochs with a ragged batch: losses, norms and weights are those of torch's calls alone."""
    inputs, targets = classification()
    state, model = new_state(), network()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, fused=True)
    settings = LoopSettings(batch_size=8, epochs=3, clip_norm=0.5)
    history = fit(state, source_of(inputs, targets), settings=settings, loss=CROSS_ENTROPY)
    losses, norms = [], []
    for epoch in range(3):
        for (rows,) in settings.order(len(inputs), 0).steps(epoch):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs[rows]), targets[rows])
            loss.backward()  # type: ignore[no-untyped-call]
            norms.append(float(clip_grad_norm_(model.parameters(), 0.5)))
            optimizer.step()
            losses.append(loss.item())

    assert history.loss_S.tolist() == losses
    assert history.gradient_norm_S.tolist() == norms
    for one, two in zip(state.model.parameters(), model.parameters(), strict=True):
        assert torch.equal(one, two)
