"""The probe of cost counts what a model is made of, and says what it cannot count."""

from __future__ import annotations

import pytest
from projects import DIGITS, Project

from pytest_mlspec.errors import NotApplicableError
from pytest_mlspec.evidence import ModelCost
from pytest_mlspec.jobs import CountCost

NETS = """
import torch
from torch import nn

class Convolving(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(72, 10))

    def forward(self, x):
        return self.layers(x.view(-1, 1, 8, 8))

class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell, self.last = nn.GRU(8, 4, batch_first=True), nn.Linear(4, 10)

    def forward(self, x):
        return self.last(self.cell(x.view(-1, 8, 8))[0][:, -1])

class Bag(nn.Module):
    def __init__(self):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(10))

    def forward(self, x):
        return x[:, :10] + self.bias
"""


def counted(project: Project, model: object) -> ModelCost:
    project.write("nets", NETS)
    spec = {**DIGITS, "model": model}
    evidence = project.run(CountCost(), spec, project.trained(spec)).evidence
    assert isinstance(evidence, ModelCost)
    return evidence


def test_layers_are_counted(project: Project) -> None:
    """64 · 16 + 16 · 10 multiply-adds, with two operations each; four bytes a number."""
    assert counted(project, {"use": "mlp", "hidden": [16]}) == ModelCost(parameters=1210, size=4840, flops=2368)


def test_convolutions_and_buffers_are_counted(project: Project) -> None:
    """A batch norm has 4 floats and a counter of 8 bytes as buffers; a convolution 6 · 6 places of 3 · 3 weights, twice."""
    found = counted(project, "nets:Convolving")

    assert (found.parameters, found.size) == (754, 4 * (754 + 4) + 8)
    assert found.flops == 2 * (2 * 9 * 36 + 72 * 10)


@pytest.mark.parametrize(
    ("model", "reason"), [("nets:Recurrent", "GRU"), ("nets:Bag", "none of the model's operations")]
)
def test_what_torch_cannot_count_is_missing_with_its_reason(project: Project, model: str, reason: str) -> None:
    """Never 0."""
    found = counted(project, model)

    assert found.flops is None
    assert reason in found.missing["flops"]


def test_an_estimator_has_nothing_to_count(project: Project) -> None:
    """It is no nn.Module."""
    spec = {"data": DIGITS["data"], "model": "GaussianNB", "train": {"engine": "sklearn"}}

    with pytest.raises(NotApplicableError, match=r"no nn\.Module"):
        project.run(CountCost(), spec, project.trained(spec))
