"""Faults in a team's own load, split and prepare that `data` is red for, and healthy pipelines of the same kinds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from projects import CANCER, DIABETES, DIGITS, Project

from pytest_mlspec.check import Status, Verdict
from pytest_mlspec.checks.data import DataParams, data
from pytest_mlspec.evidence import DataProfile
from pytest_mlspec.jobs import Prepare

MODEL = {"task": "multiclass", "model": {"use": "mlp"}}


def profiled(project: Project, spec: Mapping[str, Any]) -> DataProfile:
    evidence = project.run(Prepare(), spec).evidence
    assert isinstance(evidence, DataProfile)
    return evidence


def judged(project: Project, spec: Mapping[str, Any], **params: Any) -> Verdict:
    return data(DataParams(**params), profiled(project, spec))


OWN = """
import random
from dataclasses import replace

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits

from pytest_mlspec.recipe.protocol import Rows

DIGITS = load_digits()
WORDS = "good fine nice bad poor sad film plot actor scene music end start long short".split()
NUMBER = {word: place for place, word in enumerate(WORDS, start=1)}


def drawn(rows, seed=0):
    order = np.random.default_rng(seed).permutation(len(rows))
    cut = len(rows) // 5
    return {"train": rows.take(order[cut:]), "test": rows.take(order[:cut])}


class Digits:
    def load(self):
        return Rows(DIGITS.data, DIGITS.target, np.arange(1797))

    def split(self, rows):
        return drawn(rows)

    def prepare(self, rows, fitted):
        return (rows.features / 16).astype("float32"), rows.targets


class Scaled(Digits):
    def prepare(self, rows, fitted):
        return ((rows.features - 4.9) / 6).astype("float32"), rows.targets


class Halved(Digits):
    def prepare(self, rows, fitted):
        return (rows.features // 8).astype("float32"), rows.targets


class Signs(Digits):
    def prepare(self, rows, fitted):
        return np.sign(rows.features - 8).astype("int8"), rows.targets


class FractionsCutOff(Digits):
    def prepare(self, rows, fitted):
        return ((rows.features - 4.9) // 6).astype("float32"), rows.targets


class TestInTrain(Digits):
    def split(self, rows):
        splits = drawn(rows)
        return {**splits, "train": rows}


class OversampledInLoad(Digits):
    def load(self):
        few = np.flatnonzero(DIGITS.target < 3)
        order = np.concatenate([np.arange(1797), few, few])
        return Rows(DIGITS.data[order], DIGITS.target[order], np.arange(len(order)))


class OversampledAfter(Digits):
    def split(self, rows):
        splits = drawn(rows)
        train = splits["train"]
        few = np.flatnonzero(train.targets < 3)
        order = np.concatenate([np.arange(len(train)), few, few])
        return {**splits, "train": replace(train.take(order), index=np.arange(10_000, 10_000 + len(order)))}


class NoisyTraining(Digits):
    def split(self, rows):
        splits = drawn(rows)
        draw = np.random.default_rng(1)
        labels = splits["train"].targets.copy()
        wrong = draw.random(len(labels)) < 0.1
        labels[wrong] = draw.integers(0, 10, wrong.sum())
        return {**splits, "train": replace(splits["train"], targets=labels)}


class VoidIsAClass(Digits):
    def load(self):
        labels = DIGITS.target.copy()
        labels[::20] = 255
        return Rows(DIGITS.data, labels, np.arange(1797))


class MissingAsText(Digits):
    def load(self):
        labels = pd.Series(DIGITS.target % 2).map({0: "even", 1: "odd"}).astype(object)
        labels[::20] = np.nan
        return Rows(DIGITS.data, labels.map(str).to_numpy(object), np.arange(1797))


class Days:
    def load(self):
        draw = np.random.default_rng(0)
        days = pd.date_range("2026-01-01", periods=400).astype(str)
        table = pd.DataFrame({"day": days, "user": np.repeat(np.arange(80), 5), "size": draw.normal(size=400)})
        return Rows(table[["size"]], draw.integers(0, 2, 400), np.arange(400), others=table[["day", "user"]])

    def split(self, rows):
        order = np.arange(400)
        return {"train": rows.take(order[:300]), "test": rows.take(order[300:])}

    def prepare(self, rows, fitted):
        return rows.features.to_numpy("float32"), rows.targets


class DaysAtRandom(Days):
    def split(self, rows):
        return drawn(rows)


class Future(Days):
    def load(self):
        rows = super().load()
        ahead = rows.features["size"].shift(-1).fillna(0).to_numpy()
        table = rows.features.assign(tomorrow=ahead)
        return replace(rows, features=table, targets=(ahead > 0).astype(int))

    def prepare(self, rows, fitted):
        return rows.features.to_numpy("float32"), rows.targets


class FutureInPrepare(Days):
    def load(self):
        rows = super().load()
        return replace(rows, targets=(rows.features["size"].shift(-1).fillna(0).to_numpy() > 0).astype(int))

    def prepare(self, rows, fitted):
        sizes = super().load().features["size"].to_numpy()
        ahead = np.append(sizes[1:], 0)
        inputs = np.c_[rows.features["size"], ahead[rows.index]]
        return inputs.astype("float32"), rows.targets


class Texts:
    length = 24

    def load(self):
        draw = random.Random(0)
        texts = [" ".join(draw.choices(WORDS, k=draw.randint(2, 20))) for _ in range(400)]
        return Rows(pd.DataFrame({"text": texts}), np.array([int("good" in text) for text in texts]), np.arange(400))

    def split(self, rows):
        return drawn(rows)

    def prepare(self, rows, fitted):
        return np.stack([self.ids(text) for text in rows.features["text"]]), rows.targets

    def ids(self, text):
        found = [NUMBER[word] for word in text.split()][: self.length]
        return np.array(found + [0] * (24 - len(found)))


class CutAlike(Texts):
    length = 8


class CutInEvaluation(Texts):
    def prepare(self, rows, fitted):
        inputs, targets = super().prepare(rows, fitted)
        if len(rows) < 200:
            inputs[:, 8:] = 0
        return inputs, targets


class CutInSplit(Texts):
    def split(self, rows):
        splits = drawn(rows)
        short = splits["test"].features["text"].map(lambda text: " ".join(text.split()[:8])).to_frame()
        return {**splits, "test": replace(splits["test"], features=short)}


class ShorterInEvaluation(Texts):
    def split(self, rows):
        order = np.argsort(rows.features["text"].str.count(" ").to_numpy(), kind="stable")[::-1]
        return {"train": rows.take(order[:320]), "test": rows.take(order[320:])}
"""


def own(name: str, **changes: Any) -> Mapping[str, Any]:
    return {**MODEL, "recipe": {"use": f"own:{name}"}, **changes}


BY_DAY = {"data": {"split": {"time": "day"}}}
BY_USER = {"data": {"split": {"group": "user"}}}


@pytest.mark.parametrize("spec", [DIGITS, CANCER, DIABETES], ids=["digits", "cancer", "diabetes"])
def test_built_in_data_pass(project: Project, spec: Mapping[str, Any]) -> None:
    """With a line for what enters the model."""
    verdict = judged(project, spec)

    assert verdict.status is Status.PASSED
    assert any(fact.startswith("train enters as float32") for fact in verdict.facts)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("Digits", {}),
        ("Scaled", {}),
        ("Halved", {}),
        ("Signs", {}),
        ("OversampledAfter", {}),
        ("Days", {}),
        ("Days", BY_DAY),
        ("Days", BY_USER),
        ("Texts", {}),
        ("CutAlike", {}),
        ("ShorterInEvaluation", {}),
    ],
)
def test_healthy_data_of_a_team_pass(project: Project, name: str, changes: Mapping[str, Any]) -> None:
    """Split by themselves as they declare, oversampled after the split, cut alike, or shorter where they are held out."""
    project.write("own", OWN)

    assert judged(project, own(name, **changes)).status is Status.PASSED


@pytest.mark.parametrize(
    ("name", "changes", "told", "finding"),
    [
        ("FractionsCutOff", {}, "what enters holds whole numbers alone, from -1 to 1", "data.rounded"),
        ("TestInTrain", {}, "rows shared by train and test: 359, at most 0", "data.shared"),
        ("OversampledInLoad", {}, "rows shared by train and test: ", "data.shared"),
        ("NoisyTraining", {}, "labels of train that their neighbours contradict: ", "data.label_noise"),
        ("VoidIsAClass", {}, "classes that look like a missing label: '255' in 90 rows", "data.label_codes"),
        ("MissingAsText", {}, "classes that look like a missing label: 'nan' in 90 rows", "data.label_codes"),
        ("DaysAtRandom", BY_DAY, "rows of test before the last of train by day: ", "data.crossing"),
        ("DaysAtRandom", BY_USER, "groups of user in train and test: ", "data.crossing"),
        ("Future", {}, "1 alone tells target: ", "data.telling"),
        ("FutureInPrepare", {}, "1 alone tells target: ", "data.telling"),
        ("CutInEvaluation", {}, "ids of test ends at 8 ids: ", "data.cut"),
        ("CutInSplit", {}, "text of test ends at 8 words: ", "data.cut"),
    ],
)
def test_planted_faults_are_red(
    project: Project, name: str, changes: Mapping[str, Any], told: str, finding: str
) -> None:
    """Each in the team's own functions, and named."""
    project.write("own", OWN)
    verdict = judged(project, own(name, **changes))

    assert verdict.status is Status.FAILED
    assert any(line.startswith(told) for line in (verdict.summary, *verdict.facts))
    assert finding in verdict.findings


def test_whole_numbers_may_be_meant(project: Project) -> None:
    """They are told apart from lost fractions by nothing but a word."""
    project.write("own", OWN)

    assert judged(project, own("FractionsCutOff"), whole=True).status is Status.PASSED


def test_a_label_that_is_not_declared_is_red(project: Project) -> None:
    """Whatever it looks like."""
    project.write("own", OWN)

    assert judged(project, own("Digits"), classes=tuple(range(10))).status is Status.PASSED
    assert judged(project, own("Digits"), classes=tuple(range(9))).findings == ("data.label_codes",)
