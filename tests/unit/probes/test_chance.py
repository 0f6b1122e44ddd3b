"""Trainings on shuffled targets: healthy pipelines score at chance, and targets that reach the held-out rows are told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from projects import CANCER, DIABETES, DIGITS, Kept, Project

from pytest_mlspec.check import Status, Verdict
from pytest_mlspec.checks.chance import ChanceParams, chance
from pytest_mlspec.errors import NotApplicableError
from pytest_mlspec.evidence import Agreement
from pytest_mlspec.jobs import ChanceScore, Prepare, Train

SHUFFLED, TRAINING = Prepare(shuffled=True), Train(shuffled=True)


def scored(project: Project, spec: Mapping[str, Any]) -> Agreement:
    first = project.work(spec)
    examples = Kept(project.run(SHUFFLED, spec, work=first), first.folder)
    second = project.work(spec, {SHUFFLED: examples})
    trained = Kept(project.run(TRAINING, spec, work=second), second.folder)
    evidence = project.run(ChanceScore(of=TRAINING), spec, {SHUFFLED: examples, TRAINING: trained}).evidence
    assert isinstance(evidence, Agreement)
    return evidence


def judged(project: Project, spec: Mapping[str, Any]) -> Verdict:
    return chance(ChanceParams(), scored(project, spec))


ESTIMATOR = {"train": {"engine": "sklearn"}}
FOREST = {"use": "RandomForestClassifier", "n_estimators": 20}


@pytest.mark.parametrize(
    "spec",
    [
        DIGITS,
        CANCER,
        DIABETES,
        {**DIGITS, "data": {"source": "sklearn.digits", "split": {"stratify": True}}},
        {**ESTIMATOR, "task": "binary", "data": {"source": "sklearn.breast_cancer"}, "model": FOREST},
        {
            **ESTIMATOR,
            "task": "regression",
            "data": {"source": "sklearn.diabetes"},
            "model": "GradientBoostingRegressor",
        },
        {**ESTIMATOR, "task": "multiclass", "data": {"source": "sklearn.wine"}, "model": "KNeighborsClassifier"},
    ],
    ids=["digits", "cancer", "diabetes", "stratified", "forest", "boosting", "neighbours"],
)
def test_healthy_trainings_know_nothing(project: Project, spec: Mapping[str, Any]) -> None:
    """Of classes and values, by networks and estimators."""
    assert judged(project, spec).status is Status.PASSED


OWN = """
from dataclasses import replace

import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes, load_digits
from sklearn.linear_model import LogisticRegression

from pytest_mlspec.recipe.protocol import Rows

DIGITS = load_digits()
DIABETES = load_diabetes()


def drawn(rows):
    order = np.random.default_rng(0).permutation(len(rows))
    cut = len(rows) // 5
    return {"train": rows.take(order[cut:]), "test": rows.take(order[:cut])}


class Healthy:
    def load(self):
        return Rows(DIGITS.data, DIGITS.target, np.arange(1797))

    def split(self, rows):
        return drawn(rows)

    def fit_prepare(self, rows):
        return None

    def prepare(self, rows, fitted):
        return (rows.features / 16).astype("float32"), rows.targets


class WithFit(Healthy):
    def fit(self, examples, *, seed):
        train = examples["train"]
        return LogisticRegression(max_iter=2000).fit(train.inputs, train.targets)

    def predict(self, fitted, inputs):
        return fitted.predict_proba(inputs)


class EncodesOnTrain(Healthy):
    def load(self):
        draw = np.random.default_rng(0)
        table = pd.DataFrame({"city": draw.integers(0, 400, 1797), "ink": DIGITS.data.mean(axis=1)})
        return Rows(table, (DIGITS.target > 4).astype(int), np.arange(1797))

    def fit_prepare(self, rows):
        return pd.Series(rows.targets).groupby(rows.features["city"].to_numpy()).mean()

    def prepare(self, rows, fitted):
        city = rows.features["city"].map(fitted).fillna(0.5)
        return np.stack([city, rows.features["ink"]], axis=1).astype("float32"), rows.targets


class EncodesBefore(EncodesOnTrain):
    def split(self, rows):
        city = rows.features["city"]
        means = city.map(pd.Series(rows.targets).groupby(city.to_numpy()).mean())
        return drawn(replace(rows, features=rows.features.assign(city=means)))

    def prepare(self, rows, fitted):
        return rows.features.to_numpy("float32"), rows.targets


class TestInTrain(Healthy):
    def split(self, rows):
        splits = drawn(rows)
        return {**splits, "train": rows}


class OversampledBefore(Healthy):
    def split(self, rows):
        few = np.flatnonzero(rows.targets < 5)
        more = rows.take(np.concatenate([np.arange(len(rows)), few, few, few]))
        return drawn(replace(more, index=np.arange(len(more))))


class SelectsNoise(Healthy):
    def load(self):
        draw = np.random.default_rng(0)
        return Rows(draw.normal(size=(400, 4000)).astype("float32"), draw.integers(0, 2, 400), np.arange(400))

    def split(self, rows):
        told = np.abs((rows.features * (rows.targets[:, None] - 0.5)).mean(axis=0))
        return drawn(replace(rows, features=rows.features[:, np.argsort(told)[-40:]]))

    def prepare(self, rows, fitted):
        return rows.features, rows.targets


class ValuesTold(Healthy):
    def load(self):
        return Rows(DIABETES.data, DIABETES.target, np.arange(442))

    def prepare(self, rows, fitted):
        return rows.features.astype("float32"), rows.targets


class RankOfTarget(ValuesTold):
    def split(self, rows):
        rank = pd.Series(rows.targets).rank(pct=True).to_numpy() + np.random.default_rng(0).normal(size=442) / 4
        return drawn(replace(rows, features=np.c_[rows.features, rank]))


class OwnValues(ValuesTold):
    def prepare(self, rows, fitted):
        return rows.features.astype("float32"), DIABETES.target[rows.index].astype("float32")


class OwnClasses(Healthy):
    def prepare(self, rows, fitted):
        return (rows.features / 16).astype("float32"), DIGITS.target[rows.index]


class LogOfValues(ValuesTold):
    def prepare(self, rows, fitted):
        return rows.features.astype("float32"), np.log(rows.targets)


class Few(Healthy):
    def load(self):
        return Rows(DIGITS.data[:60], DIGITS.target[:60] % 2, np.arange(60))
"""


def own(name: str, **changes: Any) -> Mapping[str, Any]:
    train = {"epochs": 20, "optimizer": {"use": "adamw", "lr": 1e-2}}
    spec = {
        "task": "multiclass",
        "recipe": {"use": f"own:{name}"},
        "model": {"use": "mlp", "hidden": [32]},
        "train": train,
    }
    return {**spec, **changes}


VALUES = {"task": "regression"}
CALLABLE = {"model": None, "train": {"engine": "callable"}}


@pytest.mark.parametrize(
    ("name", "changes"),
    [("Healthy", {}), ("WithFit", CALLABLE), ("EncodesOnTrain", {}), ("ValuesTold", VALUES), ("LogOfValues", VALUES)],
)
def test_healthy_pipelines_of_a_team_know_nothing(project: Project, name: str, changes: Mapping[str, Any]) -> None:
    """With a fit of their own, targets encoded on the training rows, and values on another scale."""
    project.write("own", OWN)

    assert judged(project, own(name, **changes)).status is Status.PASSED


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("EncodesBefore", {}),
        ("TestInTrain", {"model": {"use": "mlp", "hidden": [256]}}),
        ("OversampledBefore", {}),
        ("SelectsNoise", {}),
        ("RankOfTarget", VALUES),
    ],
)
def test_targets_that_reach_held_out_rows_are_told(project: Project, name: str, changes: Mapping[str, Any]) -> None:
    """Encoded, repeated, oversampled or selected by before the split."""
    project.write("own", OWN)
    verdict = judged(project, own(name, **changes))

    assert verdict.status is Status.FAILED
    assert verdict.summary.startswith("probability of the agreement by chance: ")
    assert verdict.findings == ("chance.told",)


@pytest.mark.parametrize(("name", "changes"), [("OwnValues", VALUES), ("OwnClasses", {})])
def test_targets_that_prepare_makes_cannot_be_shuffled(project: Project, name: str, changes: Mapping[str, Any]) -> None:
    """They are the true ones again, and a model that tells them is right to."""
    project.write("own", OWN)

    with pytest.raises(NotApplicableError, match=r"prepare makes the targets|cannot be prepared"):
        project.run(SHUFFLED, own(name, **changes))


def test_few_rows_are_not_asked(project: Project) -> None:
    """12 rows of two classes are told by chance too often."""
    project.write("own", OWN)
    verdict = judged(project, own("Few"))

    assert verdict.status is Status.NOT_APPLICABLE
    assert verdict.summary == "too few rows: all 12 of test might be told by chance"


def test_a_task_without_a_target_has_nothing_to_shuffle(project: Project) -> None:
    """A reconstruction learns from its inputs."""
    spec = {**DIGITS, "task": "reconstruction", "model": {"use": "autoencoder", "code": 4}}

    with pytest.raises(NotApplicableError, match="learns from no target"):
        project.run(SHUFFLED, spec)


def test_every_row_keeps_its_features_and_the_targets_their_counts(project: Project) -> None:
    """One permutation of the targets, the same each time."""
    shuffled, again = (project.run(SHUFFLED, CANCER).arrays for _ in range(2))
    true = project.run(Prepare(), CANCER).arrays

    assert (shuffled["targets/train"] == again["targets/train"]).all()
    assert (shuffled["inputs/train/0"] == true["inputs/train/0"]).all()
    assert 0.3 < (shuffled["targets/train"] != true["targets/train"]).mean() < 0.6
    for split in ("train", "test"):
        assert (shuffled[f"index/{split}"] == true[f"index/{split}"]).all()
    assert sum(shuffled[f"targets/{split}"].sum() for split in ("train", "test")) == sum(
        true[f"targets/{split}"].sum() for split in ("train", "test")
    )
