"""The probe of the best constant prediction: known answers, and losses that have none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from projects import CANCER, DIABETES, DIGITS, Project

from pytest_mlspec.errors import MeasurementError
from pytest_mlspec.evidence import ConstantPrediction
from pytest_mlspec.jobs import ConstantLoss


def measured(project: Project, spec: Mapping[str, Any]) -> ConstantPrediction:
    evidence = project.run(ConstantLoss(), spec).evidence
    assert isinstance(evidence, ConstantPrediction)
    return evidence


def targets(project: Project, spec: Mapping[str, Any], split: str = "train") -> np.ndarray[Any, Any]:
    return project.work(spec).prepared.splits[split].targets


def entropy(numbers: np.ndarray[Any, Any]) -> float:
    shares = np.bincount(numbers) / len(numbers)
    return float(-(shares * np.log(shares)).sum())


def test_for_cross_entropy_it_is_the_entropy_of_the_classes(project: Project) -> None:
    """And held-out splits have the loss of that same constant, so never less than their own entropy."""
    found = measured(project, DIGITS)

    assert found.loss == pytest.approx(entropy(targets(project, DIGITS)), rel=1e-9)
    assert (found.rows, len(found.outputs)) == (538, 10)
    assert set(found.held_out) == {"val", "test"}
    assert found.held_out["test"] > entropy(targets(project, DIGITS, "test"))


@pytest.mark.parametrize("loss", ["binary_cross_entropy_with_logits", "cross_entropy"])
def test_for_two_classes_too(project: Project, loss: str) -> None:
    """Whether the model has one output or two."""
    spec = {**CANCER, "train": {"loss": loss}}

    assert measured(project, spec).loss == pytest.approx(entropy(targets(project, spec)), rel=1e-9)


def test_for_the_squared_error_it_is_the_variance(project: Project) -> None:
    """The constant is the mean."""
    found = measured(project, DIABETES)
    values = targets(project, DIABETES).astype(np.float64)

    assert found.loss == pytest.approx(values.var(), rel=1e-9)
    assert found.outputs[0] == pytest.approx(values.mean())


def test_for_the_absolute_error_it_is_that_of_the_median(project: Project) -> None:
    """A loss with corners is minimised too."""
    spec = {**DIABETES, "train": {"loss": "l1"}}
    values = targets(project, spec).astype(np.float64)

    assert measured(project, spec).loss == pytest.approx(np.abs(values - np.median(values)).mean(), rel=1e-6)


def test_for_counts_it_is_that_of_their_mean(project: Project) -> None:
    """Poisson loss takes the logarithm of the rate."""
    spec = {**DIABETES, "train": {"loss": "poisson_nll"}}
    mean = targets(project, spec).astype(np.float64).mean()

    assert measured(project, spec).loss == pytest.approx(mean - mean * np.log(mean), rel=1e-6)


LOSSES = """
import torch
import torch.nn.functional as F
from torch import nn

def wrong_sign(outputs, batch):
    return -F.cross_entropy(outputs, batch.targets)

def of_shares(outputs, batch):
    return -outputs[torch.arange(len(outputs)), batch.targets].log().mean()

def of_logarithms(outputs, batch):
    return F.nll_loss(outputs, batch.targets)

def single(outputs, batch):
    return F.cross_entropy(outputs, batch.targets) + outputs.float().matmul(torch.zeros(10)).mean() * 0

def detached(outputs, batch):
    return F.cross_entropy(outputs.detach(), batch.targets)

def undefined(outputs, batch):
    return F.cross_entropy(outputs, batch.targets) * float("nan")

class Shares(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(64, 10), nn.Softmax(1))

class Logarithms(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(64, 10), nn.LogSoftmax(1))
"""


@pytest.mark.parametrize(("loss", "model"), [("of_shares", "Shares"), ("of_logarithms", "Logarithms")])
def test_the_constant_is_an_output_that_the_model_could_give(project: Project, loss: str, model: str) -> None:
    """A loss of probabilities has no minimum over all numbers, and the prior over those that sum to 1."""
    project.write("losses", LOSSES)
    spec = {**DIGITS, "model": f"losses:{model}", "train": {"loss": f"losses:{loss}"}}

    assert measured(project, spec).loss == pytest.approx(entropy(targets(project, spec)), rel=1e-6)


def test_the_named_loss_of_log_probabilities_too(project: Project) -> None:
    """By its name, without a look at the outputs."""
    spec = {**DIGITS, "train": {"loss": "nll"}}

    assert measured(project, spec).loss == pytest.approx(entropy(targets(project, spec)), rel=1e-6)


def test_a_loss_of_single_precision_is_minimised_in_that(project: Project) -> None:
    """Less exactly."""
    project.write("losses", LOSSES)
    spec = {**DIGITS, "train": {"loss": "losses:single"}}

    assert measured(project, spec).loss == pytest.approx(entropy(targets(project, spec)), rel=1e-4)


@pytest.mark.parametrize(
    ("loss", "why"),
    [("wrong_sign", "falls without end"), ("undefined", "it is nan"), ("detached", "does not depend on the outputs")],
)
def test_a_loss_without_a_lowest_value_is_an_error(project: Project, loss: str, why: str) -> None:
    """Of the wrong sign, not a number, or cut off from the outputs."""
    project.write("losses", LOSSES)
    with pytest.raises(MeasurementError, match=f"has no lowest value: .*{why}"):
        measured(project, {**DIGITS, "train": {"loss": f"losses:{loss}"}})


@pytest.mark.parametrize(("model", "expected"), [("GaussianNB", "entropy"), ("RidgeClassifier", "share of wrong rows")])
def test_estimators_have_the_loss_of_what_they_predict(project: Project, model: str, expected: str) -> None:
    """Probabilities the entropy of the classes, labels the share that the commonest class gets wrong."""
    spec = {"data": CANCER["data"], "task": "binary", "model": model, "train": {"engine": "sklearn"}}
    numbers = targets(project, spec)
    losses = {"entropy": entropy(numbers), "share of wrong rows": 1 - np.bincount(numbers).max() / len(numbers)}

    assert measured(project, spec).loss == pytest.approx(losses[expected])
