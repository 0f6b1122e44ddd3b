"""The engine callable: the team's own fit and predict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from projects import DIABETES, DIGITS, Project

from pytest_mlspec.engines.callable import restore
from pytest_mlspec.errors import NotApplicableError, RecipeError, TrainingError, UserCodeError
from pytest_mlspec.evidence import TrainingRun
from pytest_mlspec.jobs import Resume, Train

TEAM = """
from types import SimpleNamespace

import numpy as np
import torch
from torch import nn

SEEN = []

class Centroids:
    def fit(self, examples, *, seed):
        SEEN.append(set(examples))
        rows = examples["train"]
        noise = np.random.default_rng(seed).normal(size=(10, 64))
        centres = np.stack([rows.inputs[rows.targets == c].mean(0) for c in range(10)]) + 0.01 * noise
        return SimpleNamespace(centres=centres, history=[2.0, 1.0, 0.5])

    def predict(self, fitted, inputs):
        distances = ((inputs[:, None] - fitted.centres) ** 2).sum(2)
        scores = np.exp(-distances + distances.min(1, keepdims=True))
        return scores / scores.sum(1, keepdims=True)

class Network(Centroids):
    def fit(self, examples, *, seed):
        return SimpleNamespace(model=nn.Linear(64, 10))

    def predict(self, fitted, inputs):
        return fitted.model(torch.from_numpy(inputs)).softmax(1)

class Mean:
    def fit(self, examples, *, seed):
        return examples["train"].targets.mean()

    def predict(self, fitted, inputs):
        return np.full(len(inputs), fitted)

class Logits(Centroids):
    def predict(self, fitted, inputs):
        return -((inputs[:, None] - fitted.centres) ** 2).sum(2)

class Undefined(Centroids):
    def predict(self, fitted, inputs):
        return super().predict(fitted, inputs) * np.nan

class Short(Centroids):
    def predict(self, fitted, inputs):
        return super().predict(fitted, inputs)[:-1]

class Diverged(Centroids):
    def fit(self, examples, *, seed):
        return SimpleNamespace(**{**vars(super().fit(examples, seed=seed)), "history": [1.0, float("nan")]})

class Forgetful(Centroids):
    def fit(self, examples, *, seed):
        super().fit(examples, seed=seed)

class Raising(Centroids):
    def fit(self, examples, *, seed):
        raise LookupError("no such column")
"""


def spec(recipe: str, data: Mapping[str, Any] = DIGITS["data"]) -> dict[str, Any]:
    return {"task": "multiclass", "data": data, "recipe": {"use": f"team:{recipe}"}, "train": {"engine": "callable"}}


@pytest.fixture(autouse=True)
def _team(project: Project) -> None:
    project.write("team", TEAM)


def test_the_teams_fit_is_measured(project: Project) -> None:
    """Its history is that of the run, and losses are log losses of what predict gives."""
    result = project.run(Train(), spec("Centroids"))
    run = result.evidence

    assert isinstance(run, TrainingRun)
    assert (run.engine, run.steps, run.loss_S.values.tolist()) == ("callable", 3, [2.0, 1.0, 0.5])
    assert run.losses["test"] < run.losses_before["train"]
    assert result.arrays["predictions/test"].shape == (1079, 10)
    assert (run.parameters, run.weights_digest) == (None, "")


def test_fit_never_gets_the_test_split(project: Project) -> None:
    """Only what may be trained and tuned on."""
    project.train(spec("Centroids"))
    import team  # type: ignore[import-not-found]

    [splits] = team.SEEN

    assert splits == {"train", "val"}


def test_the_seed_is_passed_on_and_set(project: Project) -> None:
    """A team that draws from it, or from the global generators, gives equal fits for equal seeds."""
    jobs = (Train(), Train(fresh=True), Train(seed=1))
    runs = [project.train(spec(recipe), job) for recipe in ("Centroids", "Network") for job in jobs]
    digests = [run.predictions_digest for run in runs]

    assert digests[0] == digests[1] != digests[2]
    assert digests[3] == digests[4] != digests[5]


def test_a_module_is_counted_and_digested(project: Project) -> None:
    """What fit returns may have one as its `model`; predictions may be a tensor."""
    run = project.train(spec("Network"))

    assert run.parameters == 650
    assert len(run.weights_digest) == 64


def test_a_regression_predicts_values(project: Project) -> None:
    """The mean of the training rows has their variance as its loss."""
    run = project.train({**spec("Mean", DIABETES["data"]), "task": "regression"})

    assert run.losses["train"] == pytest.approx(run.losses_before["train"], rel=1e-6)
    assert (run.predictions, run.steps) == ("values", 1)


def test_the_restored_model_predicts_the_same(project: Project) -> None:
    """It is fitted again."""
    stored = project.trained(spec("Centroids"))[Train()].array("predictions/test")
    work = project.work(spec("Centroids"))

    np.testing.assert_array_equal(restore(Train(), work)(work.prepared.splits["test"].inputs), stored)


@pytest.mark.parametrize(
    ("recipe", "error", "message"),
    [
        ("Logits", RecipeError, "predict gives no probabilities: row 0 sums to -"),
        ("Short", RecipeError, r"shape \[537, 10\], expected \[538, 10\]"),
        ("Undefined", TrainingError, "predict gives nan for row 1 of 538"),
        ("Diverged", TrainingError, "the history of fit holds nan at step 1"),
        ("Forgetful", RecipeError, "fit returned nothing"),
        ("Raising", UserCodeError, "LookupError: no such column"),
    ],
)
def test_what_does_not_fit_is_named(project: Project, recipe: str, error: type[Exception], message: str) -> None:
    """Each mistake has its own message."""
    with pytest.raises(error, match=message):
        project.train(spec(recipe))


@pytest.mark.parametrize("job", [Resume(), Train(batches=1), Train(steps=3)])
def test_a_part_of_a_fit_is_not_applicable(project: Project, job: Train | Resume) -> None:
    """The team's fit cannot be cut."""
    with pytest.raises(NotApplicableError, match="decides its batches and steps"):
        project.train(spec("Centroids"), job)
