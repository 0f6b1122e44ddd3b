"""What is frozen does not move, and what learns is in one group, that of its longest name."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from pytest_mlspec.errors import TrainingError
from pytest_mlspec.training.batches import Batch
from pytest_mlspec.training.losses import build
from pytest_mlspec.training.optim import build_optimizer
from pytest_mlspec.training.parameters import freeze, frozen_names, groups
from pytest_mlspec.training.state import State
from pytest_mlspec.training.step import take_step


class Network(nn.Module):
    """A backbone with batch statistics and dropout, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Linear(6, 6))
        self.backbone2 = nn.Linear(6, 6)
        self.head = nn.Linear(6, 3)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.head(self.backbone2(self.backbone(inputs)))
        return outputs


class Tied(nn.Module):
    """An embedding whose weights are those of the output."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5, 4)
        self.body = nn.Linear(4, 4)
        self.output = nn.Linear(4, 5, bias=False)
        self.output.weight = self.embedding.weight


def network() -> Network:
    torch.manual_seed(0)
    return Network()


def trained(model: nn.Module, *, steps: int = 3) -> None:
    """A few steps with momentum and weight decay, in training mode."""
    optimizer = build_optimizer("adamw", {"lr": 0.1, "weight_decay": 0.1}, model)
    state = State(model, optimizer, None, 0, torch.device("cpu"))
    batch = Batch(torch.linspace(-1, 1, 32).sin().reshape(8, 4), torch.arange(8) % 3, torch.arange(8))
    for _ in range(steps):
        model.train()
        take_step(state, [batch], loss=build("cross_entropy", {}))


def test_a_frozen_module_does_not_change() -> None:
    """Neither its parameters nor its batch statistics; the head learns."""
    model = network()
    freeze(model, ["backbone"])
    before = copy.deepcopy(model.state_dict())
    trained(model)

    after = model.state_dict()
    assert {name for name in after if not torch.equal(after[name], before[name])} == {
        *("backbone2.weight", "backbone2.bias", "head.weight", "head.bias")
    }
    assert int(model.backbone[1].num_batches_tracked) == 0  # type: ignore[arg-type]


def test_without_freezing_the_batch_statistics_move() -> None:
    """The planted mistake: gradients switched off by hand leave the module in training mode."""
    model = network()
    model.backbone.requires_grad_(False)
    trained(model)

    assert int(model.backbone[1].num_batches_tracked) == 3  # type: ignore[arg-type]


def test_a_frozen_module_stays_in_evaluation_mode() -> None:
    """Whatever mode the model is set to; the other modules follow it, also in a copy."""
    model = network()
    freeze(model, ["backbone"])
    both = model, copy.deepcopy(model)
    for each in both:
        each.train()

    assert [any(module.training for module in each.backbone.modules()) for each in both] == [False, False]
    assert [(each.training, each.head.training) for each in both] == [(True, True), (True, True)]
    assert both[1].backbone.train() is both[1].backbone


def test_a_parameter_can_be_frozen_alone() -> None:
    """By its own name; its module still trains."""
    model = network()
    freeze(model, ["head.bias"])
    trained(model)

    assert frozen_names(model, ["head.bias"]) == {"head.bias"}
    assert not model.head.bias.requires_grad
    assert model.head.training


def test_a_shared_weight_is_frozen_by_each_of_its_names() -> None:
    """`named_parameters` tells the first one only."""
    model = Tied()
    freeze(model, ["output"])

    assert not model.embedding.weight.requires_grad
    assert frozen_names(model, ["output"]) == {"embedding.weight"}


@pytest.mark.parametrize(
    ("name", "message", "advice"),
    [
        ("backbon", "the model has no module or parameter called 'backbon'", "did you mean 'backbone"),
        ("head.bais", "the model has no module or parameter called 'head.bais'", "did you mean 'head.bias'?"),
        ("backbone.2", "backbone.2 has no parameters", "remove this name"),
        ("", "the model has no module or parameter called ''", ""),
    ],
)
def test_a_name_that_freezes_nothing_is_an_error(name: str, message: str, advice: str) -> None:
    """With the nearest name of the model."""
    with pytest.raises(TrainingError) as caught:
        freeze(network(), [name])

    assert caught.value.message == message
    assert caught.value.advice.startswith(advice)
    assert caught.value.key == "train.freeze"


def test_each_parameter_is_in_the_group_of_its_longest_name() -> None:
    """A name ends at a dot; what no name meets comes first; nothing is in two groups."""
    model = network()
    found = groups(model, ["backbone", "head.bias", "backbone.3"])
    names = {id(parameter): name for name, parameter in model.named_parameters()}

    assert {group: [names[id(one)] for one in parameters] for group, parameters in found.items()} == {
        "": ["backbone2.weight", "backbone2.bias", "head.weight"],
        "backbone": ["backbone.0.weight", "backbone.0.bias", "backbone.1.weight", "backbone.1.bias"],
        "head.bias": ["head.bias"],
        "backbone.3": ["backbone.3.weight", "backbone.3.bias"],
    }
    assert next(iter(found)) == ""


def test_names_that_take_everything_leave_no_group_without_a_name() -> None:
    """Torch would keep an empty one, and the history would show its rate."""
    assert list(groups(network(), ["backbone", "backbone2", "head"])) == ["backbone", "backbone2", "head"]


def test_a_shared_weight_is_in_one_group() -> None:
    """Of whichever of its names there is a group."""
    first, second = groups(Tied(), ["output"]), groups(Tied(), ["embedding"])

    assert [len(parameters) for parameters in first.values()] == [2, 1]
    assert [len(parameters) for parameters in second.values()] == [2, 1]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["hed"], "the model has no module or parameter called 'hed'"),
        (["backbone2"], "backbone2 does not learn: each of its parameters is frozen"),
        (["head", "head.weight", "head.bias"], "each parameter of head is in a group of its own"),
    ],
)
def test_a_group_without_parameters_is_an_error(names: list[str], message: str) -> None:
    """Its arguments would be ignored in silence."""
    model = network()
    freeze(model, ["backbone2"])

    with pytest.raises(TrainingError, match=message) as caught:
        groups(model, names)
    assert caught.value.key.startswith("train.optimizer.groups")
