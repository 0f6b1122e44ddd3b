"""The data prepared once more: healthy pipelines of several kinds are alike, and each planted fault is red in `preparation`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from projects import CANCER, DIABETES, DIGITS, Kept, Project

from pytest_mlspec.check import Status, Verdict
from pytest_mlspec.checks.preparation import PreparationParams, preparation
from pytest_mlspec.errors import NotApplicableError
from pytest_mlspec.evidence import Refitted
from pytest_mlspec.jobs import Prepare, Refit

MODEL = {"task": "binary", "model": {"use": "mlp", "hidden": [8]}, "train": {"epochs": 1}}
ESTIMATOR = {"task": "binary", "model": "LogisticRegression", "train": {"engine": "sklearn"}}


def prepared_again(project: Project, spec: Mapping[str, Any]) -> Refitted:
    first = project.work(spec)
    stored = Kept(project.run(Prepare(), spec, work=first), first.folder)
    evidence = project.run(Refit(), spec, {Prepare(): stored}).evidence
    assert isinstance(evidence, Refitted)
    return evidence


def judged(project: Project, spec: Mapping[str, Any], **params: Any) -> Verdict:
    return preparation(PreparationParams(**params), prepared_again(project, spec))


TEXTS = """
import random

WORDS = "good fine nice bad poor sad film plot actor scene music end start long short".split()

def rows():
    import pandas as pd
    draw = random.Random(0)
    texts = [" ".join(draw.choices(WORDS, k=draw.randint(2, 20))) for _ in range(200)]
    return pd.DataFrame({"text": texts, "label": [int("good" in text) for text in texts]})
"""
TABLE = """
import numpy as np
import pandas as pd

def rows():
    draw = np.random.default_rng(0)
    age = draw.integers(18, 90, 300).astype(float)
    age[::11] = np.nan
    city = draw.choice(["Bern", "Rome", "Oslo"], 300)
    return pd.DataFrame({"age": age, "city": city, "fee": draw.exponential(5, 300), "left": draw.integers(0, 2, 300)})
"""


@pytest.mark.parametrize(
    "spec",
    [
        DIGITS,
        CANCER,
        DIABETES,
        {**DIGITS, "data": {"source": "sklearn.digits", "prepare": [{"use": "images", "shape": [8, 8], "scale": 16}]}},
        {
            **CANCER,
            "data": {
                "source": "sklearn.breast_cancer",
                "prepare": ["PowerTransformer", {"use": "PCA", "n_components": 5}],
            },
        },
        {**ESTIMATOR, "data": {"source": "sklearn.breast_cancer"}, "model": "RandomForestClassifier"},
        {**ESTIMATOR, "data": {"source": "sklearn.breast_cancer", "prepare": "standard", "split": {"folds": 3}}},
    ],
    ids=["digits", "cancer", "diabetes", "images", "steps of scikit-learn", "forest", "folds"],
)
def test_built_in_preparations_are_alike(project: Project, spec: Mapping[str, Any]) -> None:
    """Scaled, as images, by steps of scikit-learn, not at all."""
    assert judged(project, spec).status is Status.PASSED


@pytest.mark.parametrize("prepare", ["standard", ["impute", "one_hot"], ["impute", "ordinal", "standardize"]])
def test_tables_with_categories_are_alike(project: Project, prepare: Any) -> None:
    """With missing values, and a number that is counted."""
    project.write("table", TABLE)
    data = {"source": "table:rows", "target": "left", "prepare": prepare}

    assert judged(project, {**MODEL, "data": data, "model": {"use": "mlp"}}).status is Status.PASSED


@pytest.mark.parametrize("prepare", [["tokenize"], [{"use": "tfidf"}]])
def test_texts_are_alike(project: Project, prepare: Any) -> None:
    """As words of a vocabulary, and as weights."""
    project.write("texts", TEXTS)
    model = {"use": "mean_embedding"} if prepare == ["tokenize"] else {"use": "mlp"}
    spec = {**MODEL, "data": {"source": "texts:rows", "target": "label", "prepare": prepare}, "model": model}

    assert judged(project, spec).status is Status.PASSED


OWN = """
import os
from dataclasses import replace

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.feature_selection import SelectKBest
from sklearn.preprocessing import StandardScaler

from pytest_mlspec.recipe.protocol import Rows

CANCER = load_breast_cancer()
DIGITS = load_digits()
EVEN = (DIGITS.target % 2).astype(int)


def rows(features, targets):
    return Rows(features, targets, np.arange(len(targets)))


def drawn(rows, seed=0):
    order = np.random.default_rng(seed).permutation(len(rows))
    cut = len(rows) // 5
    return {"train": rows.take(order[cut:]), "test": rows.take(order[:cut])}


class ByHand:
    def load(self):
        return rows(CANCER.data, CANCER.target)

    def split(self, rows):
        return drawn(rows)

    def fit_prepare(self, rows):
        return rows.features.mean(axis=0), rows.features.std(axis=0)

    def prepare(self, rows, fitted):
        return ((rows.features - fitted[0]) / fitted[1]).astype("float32"), rows.targets


class ByScikitLearn(ByHand):
    def fit_prepare(self, rows):
        return StandardScaler().fit(rows.features)

    def prepare(self, rows, fitted):
        return fitted.transform(rows.features).astype("float32"), rows.targets


class SplitInLoad(ByScikitLearn):
    split = None

    def load(self):
        return drawn(rows(CANCER.data, CANCER.target))


class FitsInSplitOnTrain(ByHand):
    def split(self, rows):
        splits = drawn(rows)
        scaler = StandardScaler().fit(splits["train"].features)
        return {name: replace(part, features=scaler.transform(part.features)) for name, part in splits.items()}

    def fit_prepare(self, rows):
        return None

    def prepare(self, rows, fitted):
        return rows.features.astype("float32"), rows.targets


class SeededSplit(ByHand):
    def split(self, rows):
        from sklearn.model_selection import train_test_split

        train, test = train_test_split(np.arange(len(rows)), stratify=rows.targets, random_state=3)
        return {"train": rows.take(train), "test": rows.take(test)}


class ByTime(ByHand):
    def split(self, rows):
        order = np.argsort(rows.features[:, 0], kind="stable")
        return {"train": rows.take(order[:450]), "test": rows.take(order[450:])}


class AugmentsTraining(ByHand):
    def prepare(self, rows, fitted):
        inputs, targets = super().prepare(rows, fitted)
        if len(rows) > 200:
            inputs = inputs + np.random.default_rng().normal(size=inputs.shape).astype("float32")
        return inputs, targets


class ByName(ByHand):
    def prepare(self, rows, fitted):
        inputs, targets = super().prepare(rows, fitted)
        return {"size": inputs[:, :10], "rest": inputs[:, 10:]}, targets


class ReadsTable(ByHand):
    table = np.tanh(CANCER.data / 100).astype("float32")

    def prepare(self, rows, fitted):
        return self.table[rows.index], rows.targets


class ReadsTableWithDefault(ByHand):
    table = {number: row for number, row in enumerate(np.tanh(CANCER.data / 100).astype("float32"))}

    def prepare(self, rows, fitted):
        return np.stack([self.table.get(int(i), np.zeros(30, "float32")) for i in rows.index]), rows.targets


class Keeps(ByHand):
    def __init__(self):
        self.kept = {}

    def made(self, row):
        return np.tanh(row / 100).astype("float32")

    def prepare(self, rows, fitted):
        for number, row in zip(rows.index.tolist(), rows.features):
            if number not in self.kept:
                self.kept[number] = self.made(row)
        return np.stack([self.kept[number] for number in rows.index.tolist()]), rows.targets


class KeepsStale(Keeps):
    def __init__(self):
        self.kept = {number: (row / 100).astype("float32") for number, row in enumerate(CANCER.data)}


class KeepsByContent(Keeps):
    def prepare(self, rows, fitted):
        for row in rows.features:
            if row.tobytes() not in self.kept:
                self.kept[row.tobytes()] = self.made(row)
        return np.stack([self.kept[row.tobytes()] for row in rows.features]), rows.targets


class KeepsStaleByContent(KeepsByContent):
    def __init__(self):
        self.kept = {row.tobytes(): (row / 100).astype("float32") for row in CANCER.data}


class Bins(ByHand):
    def fit_prepare(self, rows):
        return np.quantile(rows.features, np.linspace(0.1, 0.9, 9), axis=0)

    def prepare(self, rows, fitted):
        return (rows.features[:, :, None] > fitted.T).sum(axis=2).astype("float32"), rows.targets


class WholeNumbers(ByHand):
    def load(self):
        return rows(np.round(CANCER.data), CANCER.target)

    def prepare(self, rows, fitted):
        return np.floor(rows.features).astype("float32"), rows.targets


class PadsToLongest(ByHand):
    def prepare(self, rows, fitted):
        lengths = np.clip(rows.features[:, 0].astype(int), 8, 14)
        longest = max(lengths)
        return np.stack([np.r_[np.ones(n), np.zeros(longest - n)] for n in lengths]).astype("int64"), rows.targets


class FitsEachSplit(ByHand):
    def prepare(self, rows, fitted):
        return StandardScaler().fit_transform(rows.features).astype("float32"), rows.targets


class RanksInSplit(ByHand):
    def prepare(self, rows, fitted):
        return pd.DataFrame(rows.features).rank(pct=True).to_numpy("float32"), rows.targets


class Dummies(ByHand):
    def load(self):
        return Rows(pd.DataFrame({"size": pd.cut(CANCER.data[:, 0], 30).astype(str)}), CANCER.target, np.arange(569))

    def fit_prepare(self, rows):
        return None

    def prepare(self, rows, fitted):
        every = pd.get_dummies(rows.features).to_numpy("float32")
        return np.pad(every, ((0, 0), (0, 30 - every.shape[1]))), rows.targets


class ScaledInLoad(ByHand):
    def load(self):
        return rows(StandardScaler().fit_transform(CANCER.data), CANCER.target)


class ScaledInLoadByHand(ByHand):
    def load(self):
        return rows((CANCER.data - CANCER.data.mean(0)) / CANCER.data.std(0), CANCER.target)


class ScaledToLimitsInLoad(ByHand):
    def load(self):
        low, high = CANCER.data.min(0), CANCER.data.max(0)
        return rows((CANCER.data - low) / (high - low), CANCER.target)

    def split(self, rows):
        return drawn(rows, 1)


class ScaledInSplit(FitsInSplitOnTrain):
    def split(self, rows):
        middle = np.median(rows.features, axis=0)
        return drawn(replace(rows, features=(rows.features - middle) / 100))


class FittedOnEverything(ByHand):
    def fit_prepare(self, rows):
        return CANCER.data.mean(axis=0), CANCER.data.std(axis=0)


class DigitsOnEverything(ByHand):
    def load(self):
        return rows(DIGITS.data, EVEN)

    def fit_prepare(self, rows):
        return DIGITS.data.mean(axis=0), DIGITS.data.std(axis=0) + 1e-12


class SelectedInLoad(ByHand):
    def load(self):
        return rows(SelectKBest(k=10).fit_transform(CANCER.data, CANCER.target), CANCER.target)


class SelectedInSplit(ByHand):
    def split(self, rows):
        return drawn(replace(rows, features=SelectKBest(k=10).fit_transform(rows.features, rows.targets)))


class SelectedByHandInSplit(ByHand):
    def split(self, rows):
        told = [abs(np.corrcoef(column, rows.targets)[0, 1]) for column in rows.features.T]
        return drawn(replace(rows, features=rows.features[:, np.argsort(told)[-10:]]))


class Unseeded(ByHand):
    def split(self, rows):
        return drawn(rows, None)


class UnseededByScikitLearn(ByHand):
    def split(self, rows):
        from sklearn.model_selection import train_test_split

        train, test = train_test_split(np.arange(len(rows)), stratify=rows.targets)
        return {"train": rows.take(train), "test": rows.take(test)}


class ShufflesInLoad(ByHand):
    def load(self):
        order = np.random.default_rng().permutation(569)
        return rows(CANCER.data[order], CANCER.target[order])


class AugmentsAll(ByHand):
    def prepare(self, rows, fitted):
        inputs, targets = super().prepare(rows, fitted)
        return inputs + np.random.normal(size=inputs.shape, scale=0.01).astype("float32"), targets


class RefusesOne(ByHand):
    def prepare(self, rows, fitted):
        inputs, targets = super().prepare(rows, fitted)
        return inputs.squeeze(), targets


class KeptWhole(ByHand):
    def prepare(self, rows, fitted):
        path = f"{os.environ['KEPT']}/{len(rows)}.npy"
        if not os.path.exists(path):
            np.save(path, super().prepare(rows, fitted)[0])
        return np.load(path), rows.targets
"""


def own(name: str) -> Mapping[str, Any]:
    return {**MODEL, "recipe": {"use": f"own:{name}"}}


@pytest.mark.parametrize(
    "name",
    [
        "ByHand",
        "ByScikitLearn",
        "FitsInSplitOnTrain",
        "SeededSplit",
        "ByTime",
        "AugmentsTraining",
        "ByName",
        "ReadsTable",
        "ReadsTableWithDefault",
        "Keeps",
        "KeepsByContent",
        "Bins",
        "WholeNumbers",
        "PadsToLongest",
    ],
)
def test_healthy_preparations_of_a_team_are_alike(project: Project, name: str) -> None:
    """Fitted in fit_prepare or on the training rows of split, kept by number, padded, or read from a table."""
    project.write("own", OWN)

    assert judged(project, own(name)).status is Status.PASSED


@pytest.mark.parametrize(
    ("name", "told", "finding"),
    [
        ("FitsEachSplit", "rows of test prepared without the others differ", "preparation.rows"),
        ("RanksInSplit", "rows of test prepared without the others differ", "preparation.rows"),
        ("Dummies", "a row of test prepared by itself differs", "preparation.rows"),
        ("RefusesOne", "a row of test cannot be prepared by itself", "preparation.rows"),
        ("ScaledInLoad", "StandardScaler.fit has seen 569 rows in load", "preparation.fitted"),
        ("ScaledInLoadByHand", "mean 0 and deviation 1 over all rows", "preparation.fitted"),
        ("ScaledToLimitsInLoad", "limits 0 and 1 over all rows", "preparation.fitted"),
        ("ScaledInSplit", "the training rows differ with what stands in the held-out ones", "preparation.fitted"),
        ("FittedOnEverything", "mean 0 and deviation 1 over all rows", "preparation.fitted"),
        ("DigitsOnEverything", "mean 0 and deviation 1 over all rows", "preparation.fitted"),
        ("SelectedInLoad", "SelectKBest.fit has seen 569 rows in load", "preparation.fitted"),
        ("SelectedInSplit", "SelectKBest.fit has seen 569 rows in split", "preparation.fitted"),
        ("SelectedByHandInSplit", "the training rows differ with what stands in the held-out", "preparation.fitted"),
        ("Unseeded", "rows of train are in another split when the data are split once more", "preparation.moved"),
        ("UnseededByScikitLearn", "rows of train are in another split", "preparation.moved"),
        ("ShufflesInLoad", "loaded, split and fitted once more, the rows of test differ", "preparation.moved"),
        ("AugmentsAll", "prepared twice, the same rows of test differ", "preparation.repeat"),
        ("KeepsStaleByContent", "rows of test changed by a rounding error differ in a share", "preparation.stale"),
        ("KeepsStale", "under other row numbers the same rows of test differ", "preparation.stale"),
    ],
)
def test_planted_faults_are_red(project: Project, name: str, told: str, finding: str) -> None:
    """Each in the team's own functions, and named."""
    project.write("own", OWN)
    verdict = judged(project, own(name))

    assert verdict.status is Status.FAILED
    assert told in verdict.summary
    assert verdict.findings[0] == finding


def test_what_was_kept_of_an_older_code_is_red(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file for a whole split hides that the code has changed; some of its rows are prepared by the new one."""
    (tmp_path / "kept").mkdir()
    monkeypatch.setenv("KEPT", str(tmp_path / "kept"))
    project.write("own", OWN)
    project.run(Prepare(), own("KeptWhole"))
    project.write("newer", OWN.replace("- fitted[0]) / fitted[1]", "- fitted[0]) / fitted[1] ** 2"))

    assert (
        "rows of test prepared without the others differ"
        in judged(project, {**MODEL, "recipe": {"use": "newer:KeptWhole"}}).summary
    )


RESAMPLED = """
import numpy as np
from imblearn.over_sampling import SMOTE

from own import CANCER, ByHand, drawn, rows


class BeforeTheSplit(ByHand):
    def load(self):
        return rows(*SMOTE().fit_resample(CANCER.data, CANCER.target))


class AfterTheSplit(ByHand):
    split = None

    def load(self):
        splits = drawn(rows(CANCER.data, CANCER.target))
        return {**splits, "train": rows(*SMOTE().fit_resample(splits["train"].features, splits["train"].targets))}
"""
SAMPLER = """
import numpy as np


class SMOTE:
    def fit_resample(self, X, y):
        few = X[y == 0]
        new = (few + np.roll(few, 1, axis=0)) / 2
        return np.concatenate([X, new]), np.concatenate([y, np.zeros(len(new), int)])
"""


def test_rows_drawn_before_the_split_are_red(project: Project) -> None:
    """A sampler in load has seen what is held out later; one of the training rows alone may be there."""
    (project.root / "imblearn").mkdir()
    (project.root / "imblearn" / "__init__.py").touch()
    project.write("imblearn/over_sampling", SAMPLER)
    project.write("own", OWN)
    project.write("resampled", RESAMPLED)
    verdict = judged(project, {**MODEL, "recipe": {"use": "resampled:BeforeTheSplit"}})
    healthy = judged(project, {**MODEL, "recipe": {"use": "resampled:AfterTheSplit"}})

    assert verdict.summary == "SMOTE.fit has seen 569 rows in load, held-out ones among them"
    assert healthy.status is Status.PASSED


def test_a_scaling_of_the_source_can_be_declared(project: Project) -> None:
    """Columns of mean 0 and deviation 1 that nobody here has scaled."""
    project.write("own", OWN)

    assert judged(project, own("ScaledInLoadByHand"), scaled_by_source=True).status is Status.PASSED


DATASET = """
import torch
from torch.utils.data import TensorDataset

def load():
    draw = torch.Generator().manual_seed(0)
    return TensorDataset(torch.randn(64, 4, generator=draw), torch.arange(64) % 2)

class Net(torch.nn.Sequential):
    def __init__(self):
        super().__init__(torch.nn.Linear(4, 2))
"""


def test_a_dataset_has_no_preparation_to_ask(project: Project) -> None:
    """Its items enter the model as they are."""
    project.write("items", DATASET)
    spec = {**MODEL, "task": "multiclass", "recipe": {"use": "items"}, "model": "items:Net"}

    with pytest.raises(NotApplicableError, match="stand in a Dataset"):
        prepared_again(project, spec)
