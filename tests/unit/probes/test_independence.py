"""The probe of independence, on healthy models and on planted faults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from projects import DIGITS, Project

from pytest_mlspec.errors import MeasurementError
from pytest_mlspec.evidence import Independence
from pytest_mlspec.jobs import RowIndependence

NETS = """
import torch
import torch.nn.functional as F
from torch import nn

class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 10))

    def forward(self, inputs):
        return self.layers(inputs)

class BatchMean(Plain):
    def forward(self, inputs):
        return self.layers(inputs - 0.01 * inputs.mean(0))

class AlwaysDropout(Plain):
    def forward(self, inputs):
        return self.layers(F.dropout(inputs, 0.1))

class ByPosition(Plain):
    def forward(self, inputs):
        return self.layers(inputs) + torch.arange(len(inputs))[:, None]

class SinglePrecision(Plain):
    def forward(self, inputs):
        return self.layers(inputs.float())

class Names(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 10)

    def forward(self, pixels, weight):
        return self.layer(pixels) * weight[:, None]

def prepare(rows, fitted):
    import numpy as np
    pixels = rows.features.reshape(len(rows), 64).astype("float32")
    return {"pixels": pixels, "weight": np.ones(len(rows), dtype="float32")}, rows.targets
"""


def measured(project: Project, spec: Mapping[str, Any], rows: int = 16) -> Independence:
    needed = project.trained(spec)
    evidence = project.run(RowIndependence(rows=rows), spec, needed).evidence
    assert isinstance(evidence, Independence)
    return evidence


def of_model(project: Project, model: str) -> Independence:
    project.write("nets", NETS)
    return measured(project, {**DIGITS, "model": f"nets:{model}"})


def test_rows_of_a_healthy_model_are_independent(project: Project) -> None:
    """In float64, batch norm and dropout in evaluation mode make no difference."""
    found = of_model(project, "Plain")

    assert (found.rows, found.dtype, found.repeat) == (16, "float64", 0.0)
    assert max(found.alone, found.order) < found.tolerance
    assert found.scale > 0


def test_a_mean_over_the_batch_shows_in_a_row_alone(project: Project) -> None:
    """A hundredth of the mean stands far above the tolerance; order and repetition are innocent."""
    found = of_model(project, "BatchMean")

    assert found.alone > 1000 * found.tolerance
    assert max(found.order, found.repeat) < found.tolerance


def test_dropout_that_is_always_on_shows_in_the_repetition(project: Project) -> None:
    """The same batch twice gives different outputs."""
    found = of_model(project, "AlwaysDropout")

    assert found.repeat > 1000 * found.tolerance


def test_a_dependence_on_the_position_shows_in_the_order(project: Project) -> None:
    """The same batch twice is equal."""
    found = of_model(project, "ByPosition")

    assert found.order > 1
    assert found.repeat == 0


def test_a_model_that_knows_single_precision_only_is_compared_in_that(project: Project) -> None:
    """With the tolerance of that, and it says so."""
    found = of_model(project, "SinglePrecision")

    assert found.dtype == "float32"
    assert found.tolerance == pytest.approx(1e-4 * found.scale)
    assert max(found.alone, found.order) < found.tolerance


def test_inputs_by_name_are_compared_too(project: Project) -> None:
    """A model with several inputs gets them by name."""
    project.write("nets", NETS)
    data = {"source": "sklearn.digits", "split": DIGITS["data"]["split"]}
    project.write(
        "named", "from nets import prepare as given\n\ndef prepare(rows, fitted):\n    return given(rows, fitted)\n"
    )
    found = measured(project, {**DIGITS, "data": data, "model": "nets:Names", "recipe": {"use": "named"}})

    assert found.dtype == "float64"
    assert max(found.alone, found.order, found.repeat) < found.tolerance


def test_an_estimator_is_compared_too(project: Project) -> None:
    """Its probabilities are doubles."""
    found = measured(project, {"data": DIGITS["data"], "model": "GaussianNB", "train": {"engine": "sklearn"}})

    assert found.dtype == "float64"
    assert max(found.alone, found.order, found.repeat) < found.tolerance


def test_one_row_cannot_be_compared(project: Project) -> None:
    """A batch has at least two."""
    with pytest.raises(MeasurementError, match="a batch of at least 2 is needed"):
        measured(project, DIGITS, rows=1)
