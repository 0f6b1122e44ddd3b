"""Optimisers by name are torch's, fused where torch can."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from pytest_mlspec.errors import TrainingError
from pytest_mlspec.language.names import OPTIMIZERS
from pytest_mlspec.training.loop import LoopSettings, fit
from pytest_mlspec.training.optim import build_optimizer

from .trainings import CROSS_ENTROPY, classification, network, new_state, source_of


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_every_optimizer_lowers_the_loss(name: str) -> None:
    """With torch's defaults but for the learning rate, over twenty epochs."""
    state = new_state(optimizer=(name, {"lr": 0.05}))
    settings = LoopSettings(batch_size=8, epochs=20)
    history = fit(state, source_of(*classification()), settings=settings, loss=CROSS_ENTROPY)

    assert type(state.optimizer).__name__ == OPTIMIZERS[name].torch_class
    assert history.epochs_log[-1]["train.loss"] < history.epochs_log[0]["train.loss"]


@pytest.mark.parametrize(("name", "fused"), [("adam", True), ("adamw", True), ("sgd", True), ("rmsprop", None)])
def test_the_fused_form_is_used_and_recorded(name: str, fused: bool | None) -> None:
    """Where the class has one for the device."""
    assert build_optimizer(name, {}, network()).defaults.get("fused") is fused


def test_sparse_gradients_are_not_fused() -> None:
    """Torch has no fused kernel for them, and says so in the first step only."""
    model = nn.Embedding(10, 3, sparse=True)

    assert not build_optimizer("sgd", {}, model).defaults["fused"]


def test_lists_become_the_pairs_that_torch_takes() -> None:
    """YAML has no tuples."""
    optimizer = build_optimizer("adam", {"betas": [0.8, 0.99], "lr": 0.1}, network())

    assert optimizer.defaults["betas"] == (0.8, 0.99)


def test_frozen_parameters_are_left_out() -> None:
    """A weight decay would move them."""
    model = network()
    model[0].requires_grad_(False)
    optimizer = build_optimizer("adamw", {}, model)

    assert len(optimizer.param_groups[0]["params"]) == 2


def test_a_model_with_nothing_to_train_is_an_error() -> None:
    """Every parameter is frozen."""
    with pytest.raises(TrainingError, match="no parameter that requires a gradient"):
        build_optimizer("adamw", {}, network().requires_grad_(False))


@pytest.mark.parametrize(
    ("name", "arguments", "message", "advice"),
    [
        ("adamm", {}, "unknown optimizer 'adamm'", "did you mean 'adam"),
        ("adam", {"weight_decy": 0.1}, "adam takes no argument 'weight_decy'", "did you mean 'weight_decay'?"),
        ("adam", {"fused": True}, "adam takes no argument 'fused'", "known: "),
        ("adam", {"lr": -1.0}, "adam cannot be made: Invalid learning rate", ""),
    ],
)
def test_what_torch_does_not_take_is_refused(name: str, arguments: dict[str, Any], message: str, advice: str) -> None:
    """With the nearest name."""
    with pytest.raises(TrainingError, match=message) as caught:
        build_optimizer(name, arguments, network())
    assert caught.value.advice.startswith(advice)


def test_fused_and_plain_take_the_same_step() -> None:
    """The fused kernel is a faster form, not another method."""
    fused, plain = network().double(), network().double()
    optimizers = [build_optimizer("adamw", {"lr": 0.01}, fused), torch.optim.AdamW(plain.parameters(), lr=0.01)]
    for model, optimizer in zip((fused, plain), optimizers, strict=True):
        model(torch.ones(4, 6, dtype=torch.float64)).square().sum().backward()
        optimizer.step()

    for one, other in zip(fused.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-14)


LAYERS = {"0": {"lr": 0.01}, "3.bias": {"weight_decay": 0, "betas": [0.5, 0.9]}}


def test_groups_have_arguments_of_their_own() -> None:
    """And those of the optimiser where they name none; the others come first, and the fused form is kept."""
    optimizer = build_optimizer("adamw", {"lr": 0.1, "weight_decay": 0.2, "groups": LAYERS}, network())
    found = [(group["lr"], group["weight_decay"], group["betas"]) for group in optimizer.param_groups]

    assert found == [(0.1, 0.2, (0.9, 0.999)), (0.01, 0.2, (0.9, 0.999)), (0.1, 0, (0.5, 0.9))]
    assert [len(group["params"]) for group in optimizer.param_groups] == [1, 2, 1]
    assert [group["fused"] for group in optimizer.param_groups] == [True, True, True]


@pytest.mark.parametrize(
    ("groups", "message", "key"),
    [
        ({"0": {"lr": -1.0}}, "sgd cannot be made: Invalid learning rate", "train.optimizer.groups.0"),
        ({"0": {"rate": 1.0}}, "sgd takes no argument 'rate'", "train.optimizer.groups.0"),
        ({"7": {"lr": 1.0}}, "the model has no module or parameter called '7'", "train.optimizer.groups"),
    ],
)
def test_a_group_that_torch_would_take_in_silence_is_refused(groups: dict[str, Any], message: str, key: str) -> None:
    """Torch looks at the arguments of the whole only."""
    with pytest.raises(TrainingError, match=message) as caught:
        build_optimizer("sgd", {"groups": groups}, network())
    assert caught.value.key == key


def test_a_group_moves_at_its_own_rate() -> None:
    """Plain SGD: the change is rate times gradient, by group."""
    model = network()
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    optimizer = build_optimizer("sgd", {"lr": 0.5, "groups": {"0": {"lr": 0.125}}}, model)
    model(torch.ones(4, 6)).square().sum().backward()
    optimizer.step()

    for name, rate in (("0.weight", 0.125), ("0.bias", 0.125), ("3.weight", 0.5), ("3.bias", 0.5)):
        parameter = model.get_parameter(name)
        assert parameter.grad is not None
        torch.testing.assert_close(parameter, before[name] - rate * parameter.grad)
