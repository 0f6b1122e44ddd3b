"""What enters the first layers: healthy pipelines are on the scale of standardized numbers, unscaled ones are red in `inputs`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from projects import CANCER, DIABETES, DIGITS, Project

from pytest_mlspec.check import Status, Verdict
from pytest_mlspec.checks.inputs import InputsParams, inputs
from pytest_mlspec.errors import NotApplicableError
from pytest_mlspec.evidence import LayerInputs
from pytest_mlspec.jobs import ObserveInputs


def measured(project: Project, spec: Mapping[str, Any]) -> LayerInputs:
    evidence = project.run(ObserveInputs(), spec).evidence
    assert isinstance(evidence, LayerInputs)
    return evidence


def judged(project: Project, spec: Mapping[str, Any]) -> Verdict:
    return inputs(InputsParams(), measured(project, spec))


def digits(prepare: Any, model: Any) -> Mapping[str, Any]:
    return {**DIGITS, "data": {"source": "sklearn.digits", "prepare": prepare}, "model": model}


def source(name: str, prepare: Any) -> Mapping[str, Any]:
    return {**DIGITS, "data": {"source": f"sklearn.{name}", "prepare": prepare}}


IMAGES = {"use": "images", "shape": [8, 8], "scale": 16}


@pytest.mark.parametrize(
    "spec",
    [
        DIGITS,
        CANCER,
        DIABETES,
        digits([IMAGES], {"use": "cnn"}),
        digits([{**IMAGES, "mean": 0.0, "std": 16.0}], {"use": "cnn"}),
        source("diabetes", "none"),
        source("iris", "none"),
        digits(["MinMaxScaler"], {"use": "mlp"}),
        digits([{"use": "PCA", "n_components": 8, "whiten": True}], {"use": "mlp"}),
    ],
    ids=["digits", "cancer", "diabetes", "images", "in [0, 1]", "small", "centimetres", "limits", "components"],
)
def test_healthy_inputs_pass(project: Project, spec: Mapping[str, Any]) -> None:
    """Standardized, images, values in [0, 1], small ones, a few centimetres."""
    spec = {**spec, "task": "regression"} if "diabetes" in str(spec["data"]["source"]) else spec

    assert judged(project, spec).status is Status.PASSED


@pytest.mark.parametrize(
    "spec", [digits("none", {"use": "mlp"}), source("wine", "none"), source("breast_cancer", "none")]
)
def test_unscaled_inputs_are_red(project: Project, spec: Mapping[str, Any]) -> None:
    """Pixels of 0 to 16, and columns of which one is in the thousands."""
    verdict = judged(project, spec)

    assert verdict.status is Status.FAILED
    assert verdict.findings == ("inputs.scale",)


NETS = """
import numpy as np
import torch
from sklearn.datasets import load_digits, load_wine
from torch import nn

from pytest_mlspec.recipe.protocol import Rows

DIGITS = load_digits()
WINE = load_wine()


class Scales(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("largest", torch.tensor(16.0))
        self.layers = nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))

    def forward(self, inputs):
        return self.layers(inputs / self.largest)


class Normalizes(nn.Sequential):
    def __init__(self):
        super().__init__(nn.BatchNorm1d(64, affine=False), nn.Linear(64, 10))


class LearnsItsScale(nn.Sequential):
    def __init__(self):
        super().__init__(nn.LayerNorm(64), nn.Linear(64, 10))


class Unscaled(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))


class UnscaledConvolution(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(1, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.out = nn.Linear(144, 10)

    def forward(self, inputs):
        return self.out(self.norm(self.layer(inputs.view(-1, 1, 8, 8))).relu().flatten(1))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.GRU(8, 16, batch_first=True)
        self.out = nn.Linear(16, 10)

    def forward(self, inputs):
        return self.out(self.layer(inputs.view(-1, 8, 8))[0][:, -1])


class Frozen(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(64, 16), nn.ReLU())
        self.body.requires_grad_(False)
        with torch.no_grad():
            self.body[0].weight.mul_(1e4)
        self.out = nn.Linear(16, 10)

    def forward(self, inputs):
        return self.out(self.body(inputs / 16))


class Recipe:
    def load(self):
        return Rows(DIGITS.data, DIGITS.target, np.arange(1797))

    def prepare(self, rows, fitted):
        return (rows.features / 16).astype("float32"), rows.targets


class Forgets(Recipe):
    def prepare(self, rows, fitted):
        return rows.features.astype("float32"), rows.targets


class Overwrites(Recipe):
    def prepare(self, rows, fitted):
        return np.broadcast_to(rows.features[:1] * 0 + 1, rows.features.shape).astype("float32"), rows.targets


class OneColumn(Recipe):
    def prepare(self, rows, fitted):
        scaled = (rows.features - 4.9) / 6
        scaled[:, 20] *= 1000
        return scaled.astype("float32"), rows.targets


class CollateScales(Forgets):
    def collate(self, examples):
        from pytest_mlspec.training.batches import Batch

        return Batch(torch.from_numpy(examples.inputs) / 16, torch.from_numpy(examples.targets), torch.from_numpy(examples.index))
"""


@pytest.mark.parametrize("net", ["Scales", "Normalizes", "Frozen"])
def test_a_model_that_scales_is_seen_with_its_scaling(project: Project, net: str) -> None:
    """And what a frozen part gives is no input."""
    project.write("nets", NETS)

    assert judged(project, digits("none", f"nets:{net}")).status is Status.PASSED


def test_a_scale_that_is_learned_is_not_judged(project: Project) -> None:
    """Nothing takes the inputs themselves."""
    project.write("nets", NETS)

    with pytest.raises(NotApplicableError, match="no linear layer or convolution takes the inputs themselves"):
        measured(project, digits("none", "nets:LearnsItsScale"))


@pytest.mark.parametrize("net", ["Unscaled", "UnscaledConvolution", "Recurrent"])
def test_layers_that_take_raw_pixels_are_red(project: Project, net: str) -> None:
    """Linear, convolution and recurrent."""
    project.write("nets", NETS)

    assert judged(project, digits("none", f"nets:{net}")).findings == ("inputs.scale",)


def own(recipe: str) -> Mapping[str, Any]:
    return {"task": "multiclass", "recipe": {"use": f"nets:{recipe}"}, "model": "nets:Unscaled"}


def test_a_preparation_of_the_team_passes(project: Project) -> None:
    """Divided by the largest value; so does one that is scaled where batches are made."""
    project.write("nets", NETS)

    assert judged(project, own("Recipe")).status is Status.PASSED
    assert judged(project, own("CollateScales")).status is Status.PASSED


@pytest.mark.parametrize(
    ("recipe", "finding"),
    [("Forgets", "inputs.scale"), ("OneColumn", "inputs.scale"), ("Overwrites", "inputs.constant")],
)
def test_a_preparation_that_forgets_or_overwrites_is_red(project: Project, recipe: str, finding: str) -> None:
    """Not divided; one column in another unit; each row the same."""
    project.write("nets", NETS)
    verdict = judged(project, own(recipe))

    assert verdict.status is Status.FAILED
    assert verdict.findings == (finding,)


TEXTS = """
import pandas as pd

def rows():
    return pd.DataFrame({"text": ["good film", "bad film", "good plot", "bad plot"] * 20, "label": [1, 0, 1, 0] * 20})
"""


@pytest.mark.parametrize("prepare", ["tfidf", "count"])
def test_weights_and_counts_of_words_pass(project: Project, prepare: str) -> None:
    """They are small, or few."""
    project.write("texts", TEXTS)
    data = {"source": "texts:rows", "target": "label", "prepare": [prepare]}

    assert judged(project, {**DIGITS, "task": "binary", "data": data}).status is Status.PASSED


def test_ids_are_not_judged(project: Project) -> None:
    """What an embedding gives has a scale of its own."""
    project.write("texts", TEXTS)
    data = {"source": "texts:rows", "target": "label", "prepare": ["tokenize"]}

    with pytest.raises(NotApplicableError, match="an embedding"):
        measured(project, {**DIGITS, "task": "binary", "data": data, "model": {"use": "mean_embedding"}})
