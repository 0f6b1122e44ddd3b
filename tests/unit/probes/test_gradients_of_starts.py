"""The probe of gradients on starts and optimisers that cannot learn, and on unusual ones that can."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from projects import CANCER, DIABETES, DIGITS, Project

from pytest_mlspec.check import Status, Verdict
from pytest_mlspec.checks.gradients import GradientsParams, gradients
from pytest_mlspec.evidence import Gradients
from pytest_mlspec.jobs import GradientFlow

NETS = """
import copy
import torch
from torch import nn

def mlp(*, activation=nn.ReLU, depth=1, width=16):
    layers = [nn.Linear(64, width), activation()]
    for _ in range(depth - 1):
        layers += [nn.Linear(width, width), activation()]
    return nn.Sequential(*layers, nn.Linear(width, 10))

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = mlp()

    def forward(self, inputs):
        return self.layers(inputs)

class AllZero(Net):
    def __init__(self):
        super().__init__()
        for parameter in self.parameters():
            nn.init.zeros_(parameter)

class Constant(Net):
    def __init__(self):
        super().__init__()
        for parameter in self.parameters():
            nn.init.constant_(parameter, 0.05)

class ConstantHidden(Net):
    def __init__(self):
        super().__init__()
        nn.init.constant_(self.layers[0].weight, 0.05)
        nn.init.constant_(self.layers[2].weight, 0.05)

class DeadHidden(Net):
    def __init__(self):
        super().__init__()
        nn.init.constant_(self.layers[0].bias, -80.0)

class Saturated(Net):
    def __init__(self):
        super().__init__()
        self.layers = mlp(activation=nn.Sigmoid, depth=18)

class Half(Net):
    def __init__(self):
        super().__init__()
        self.layers.bfloat16()

    def forward(self, inputs):
        return self.layers(inputs.bfloat16()).float()

class ZeroHead(Net):
    def __init__(self):
        super().__init__()
        nn.init.zeros_(self.layers[2].weight)
        nn.init.zeros_(self.layers[2].bias)

class Linear(nn.Module):
    '''A logistic regression that starts at zero, as it may.'''

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 10)
        nn.init.zeros_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)

    def forward(self, inputs):
        return self.layer(inputs)

class Residual(Net):
    '''Blocks whose last layer starts at zero, and are scaled by a millionth.'''

    def __init__(self):
        super().__init__()
        self.inner, self.outer = nn.Linear(64, 64), nn.Linear(64, 64)
        nn.init.zeros_(self.outer.weight)
        self.scale = nn.Parameter(torch.full((64,), 1e-6))
        self.more = nn.Sequential(nn.Linear(64, 64), nn.GELU(), nn.Linear(64, 64))

    def forward(self, inputs):
        inputs = inputs + self.outer(torch.relu(self.inner(inputs)))
        return self.layers(inputs + self.scale * self.more(inputs))

class LowRank(Net):
    '''An adapter: one factor random, the other zero.'''

    def __init__(self):
        super().__init__()
        self.down, self.up = nn.Linear(64, 4, bias=False), nn.Linear(4, 64, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, inputs):
        return self.layers(inputs + self.up(self.down(inputs)))

def of_a_copy(model):
    return torch.optim.SGD(copy.deepcopy(model).parameters(), lr=0.1)

def of_all_twice(model):
    return torch.optim.SGD([*model.parameters(), *model.parameters()], lr=0.1)

def of_half(model):
    return torch.optim.SGD([*model.layers[2].parameters(), torch.nn.Parameter(torch.zeros(3))], lr=0.1)

def with_extra(model):
    return torch.optim.SGD([*model.parameters(), torch.nn.Parameter(torch.zeros(3))], lr=0.1)

def far_too_fast(model):
    return torch.optim.AdamW(model.parameters(), lr=300.0)
"""


def measured(project: Project, spec: Mapping[str, Any]) -> Gradients:
    evidence = project.run(GradientFlow(), spec).evidence
    assert isinstance(evidence, Gradients)
    return evidence


def judged(project: Project, model: str, optimizer: Any = None) -> Verdict:
    project.write("nets", NETS)
    train = {**DIGITS["train"], "optimizer": optimizer} if optimizer else DIGITS["train"]
    spec = {**DIGITS, "model": f"nets:{model}", "train": train}
    return gradients(GradientsParams(), gradients=measured(project, spec))


@pytest.mark.parametrize(
    ("model", "optimizer", "finding"),
    [
        ("AllZero", None, "gradients.symmetric"),
        ("Constant", None, "gradients.symmetric"),
        ("ConstantHidden", None, "gradients.symmetric"),
        ("DeadHidden", None, "gradients.zero"),
        ("Saturated", None, "gradients.norms"),
        ("Half", {"use": "adamw", "lr": 1e-4}, "gradients.dtype"),
        ("Half", {"use": "sgd", "lr": 1e-2}, "gradients.dtype"),
        ("Net", "nets:of_a_copy", "gradients.stale"),
        ("Net", "nets:of_half", "gradients.stale"),
        ("Net", "nets:far_too_fast", "gradients.ratio"),
    ],
)
def test_a_planted_fault_is_red(project: Project, model: str, optimizer: Any, finding: str) -> None:
    """And is named."""
    verdict = judged(project, model, optimizer)

    assert verdict.status is Status.FAILED
    assert finding in verdict.findings


@pytest.mark.filterwarnings("ignore:optimizer contains a parameter group with duplicate parameters")
def test_parameters_that_the_optimizer_holds_twice_are_red(project: Project) -> None:
    """Torch warns of it, and steps twice."""
    verdict = judged(project, "Net", "nets:of_all_twice")

    assert verdict.status is Status.FAILED
    assert verdict.findings == ("gradients.groups",)


@pytest.mark.parametrize(
    ("model", "optimizer"),
    [
        ("Net", None),
        ("Net", "nets:with_extra"),
        ("Net", {"use": "adamw", "lr": 0.3}),
        ("Net", {"use": "sgd", "lr": 1e-6}),
        ("ZeroHead", None),
        ("ZeroHead", {"use": "sgd", "lr": 1e-2}),
        ("Linear", None),
        ("Residual", {"use": "adamw", "lr": 1e-3}),
        ("LowRank", {"use": "adamw", "lr": 1e-4}),
        ("LowRank", {"use": "sgd", "lr": 1e-4}),
    ],
)
def test_an_unusual_start_that_learns_is_no_alarm(project: Project, model: str, optimizer: Any) -> None:
    """Zeros where they are meant, factors of a millionth, rates high and low, parameters of a loss in the optimizer."""
    assert judged(project, model, optimizer).status is Status.PASSED


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("spec", [DIGITS, CANCER, DIABETES], ids=["digits", "cancer", "diabetes"])
def test_built_in_models_are_no_alarm(project: Project, spec: Mapping[str, Any], precision: str) -> None:
    """In autocast the weights stay in single precision."""
    verdict = gradients(
        GradientsParams(),
        gradients=measured(project, {**spec, "train": {**spec["train"], "precision": precision, "batch_size": 8}}),
    )

    assert verdict.status is Status.PASSED
