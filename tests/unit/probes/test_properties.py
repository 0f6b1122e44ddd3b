"""The search for rows that break a property, on healthy pipelines and on planted faults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from projects import CANCER, DIABETES, DIGITS, Kept, Project

from pytest_mlspec.errors import NotApplicableError
from pytest_mlspec.evidence import Search
from pytest_mlspec.jobs import Job, Prepare, SearchProperties, Train
from pytest_mlspec.recipe.work import Stored

TEAM = """
import random
import numpy as np
import pandas as pd
import torch
from torch import nn

WORDS = "late broken fine great slow never again thanks".split()

def load():
    draws = random.Random(3)
    rows = range(160)
    table = pd.DataFrame({
        "plan": [draws.choice(["basic", "plus", "premium"]) for _ in rows],
        "fee": [round(draws.uniform(-10, 90), 2) for _ in rows],
        "calls": [draws.randint(0, 6) for _ in rows],
        "active": [draws.random() < 0.5 for _ in rows],
        "since": pd.to_datetime([f"2024-{draws.randint(1, 12):02}-{draws.randint(1, 28):02}" for _ in rows]),
    })
    table.loc[::9, "fee"] = np.nan
    table.loc[::11, "plan"] = None
    return table, np.where(table["calls"] > 3, "yes", "no")

def texts():
    draws = random.Random(3)
    found = [" ".join(draws.choice(WORDS) for _ in range(draws.randint(2, 9))) for _ in range(120)]
    return pd.DataFrame({"text": found}), np.where(["late" in text for text in found], "bad", "good")

def features(rows):
    table = rows.features
    fee = table["fee"].astype(float).fillna(40.0)
    return fee, table["calls"].astype(float)

class Team:
    '''Two numbers of the table, and a missing fee filled.'''

    def load(self):
        return load()

    def prepare(self, rows, fitted):
        fee, calls = features(rows)
        return np.stack([fee / 50, calls / 3], axis=1).astype("float32"), rows.targets

    def build_model(self):
        return nn.Linear(2, 2)

class ForgetsMissing(Team):
    '''Its split has none missing at first sight.'''

    def load(self):
        table, targets = load()
        table.loc[[3, 5], "fee"] = np.nan
        whole = table["fee"].notna() & table["plan"].notna()
        return {"train": (table, targets), "test": (table[whole].reset_index(drop=True), targets[whole])}

    def prepare(self, rows, fitted):
        table = rows.features
        fee = table["fee"].astype(float)
        fee = fee.fillna(40.0) if len(table) > 100 else fee
        return np.stack([fee / 50, table["calls"] / 3], axis=1).astype("float32"), rows.targets

class Logarithm(Team):
    '''A root of less than nothing, for two values that no row has together.'''

    def load(self):
        table, targets = load()
        table.loc[table["fee"] > 85, "calls"] = 5
        return table, targets

    def prepare(self, rows, fitted):
        fee, calls = features(rows)
        bad = (fee > 85) & (calls >= 6)
        with np.errstate(invalid="ignore"):
            return np.stack([np.sqrt(np.where(bad, -1, 90 - fee)), calls], axis=1).astype("float32"), rows.targets

class KnowsCombinations(Team):
    def prepare(self, rows, fitted):
        fee, calls = features(rows)
        plans = {("premium", 6.0): "crash"}
        for plan, count in zip(rows.features["plan"], calls):
            if plan == "premium" and count == 0 and len(rows) < 9:
                raise KeyError((plan, count))
        return np.stack([fee / 50, calls / 3], axis=1).astype("float32"), rows.targets

class Refuses(Team):
    def prepare(self, rows, fitted):
        fee, calls = features(rows)
        if len(rows) < 9 and ((fee < 0) & (calls == 6)).any():
            raise ValueError("who pays less than nothing does not call")
        return np.stack([fee / 50, calls / 3], axis=1).astype("float32"), rows.targets

class OfRowsBefore(Team):
    '''A mean over the rows before: among others a row is another one.'''

    def prepare(self, rows, fitted):
        fee, calls = features(rows)
        return np.stack([fee.rolling(3, min_periods=1).mean() / 50, calls / 3], axis=1).astype("float32"), rows.targets

class ByNumber(Team):
    '''Features that were made before, by the number of the row.'''

    def prepare(self, rows, fitted):
        fee, calls = load()[0]["fee"].fillna(40.0).to_numpy(), load()[0]["calls"].to_numpy()
        return np.stack([fee / 50, calls / 3], axis=1)[rows.index].astype("float32"), rows.targets

class Coupled(nn.Module):
    '''Rows that are equal are counted.'''

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, inputs):
        return self.layer(inputs) + (len(inputs) - len(torch.unique(inputs, dim=0)))  * torch.tensor([0.0, 1.0])

class CoupledTeam(Team):
    def build_model(self):
        return Coupled()

class OwnPhrases(nn.Module):
    '''Filters over five words, which a text of fewer does not have.'''

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(40, 8)
        self.filters = nn.Conv1d(8, 8, 5)
        self.head = nn.Linear(8, 2)

    def forward(self, ids):
        length = int((ids != 0).sum(1).max())
        return self.head(self.filters(self.embedding(ids[:, :length]).transpose(1, 2)).amax(2))

class Normalised(nn.Module):
    '''Each row by its own length: twice the row is the same row.'''

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 10)

    def forward(self, inputs):
        return self.layer(inputs / inputs.norm(dim=1, keepdim=True))
"""

TABLE: Mapping[str, Any] = {
    "task": "binary",
    "recipe": {"use": "team:Team"},
    "data": {"split": {"test": 0.3}},
    "train": {"epochs": 1},
}
BUILT: Mapping[str, Any] = {
    "task": "binary",
    "data": {"source": "team:load", "split": {"test": 0.3}, "drop": ["since"], "prepare": "standard"},
    "model": "mlp",
    "train": {"epochs": 1},
}
TEXT: Mapping[str, Any] = {
    "task": "binary",
    "data": {"source": "team:texts", "split": {"test": 0.3}, "prepare": [{"use": "tokenize", "length": 12}]},
    "model": "mean_embedding",
    "train": {"epochs": 1},
}


def search(
    project: Project, spec: Mapping[str, Any], job: SearchProperties | None = None, *, kept: Path | None = None
) -> Search:
    project.write("team", TEAM)
    needed: dict[Job, Stored] = {}
    for each in (Prepare(), Train()):
        work = project.work(spec, needed)
        needed[each] = Kept(project.run(each, spec, needed, work=work), work.folder)
    work = replace(project.work(spec, needed), kept=kept)
    evidence = project.run(job or SearchProperties(), spec, work=work).evidence
    assert isinstance(evidence, Search)
    return evidence


def broken(found: Search) -> str:
    """The property that is broken; empty where none is."""
    return found.violation.property if found.violation else ""


HEALTHY: Mapping[str, Mapping[str, Any]] = {
    "digits": DIGITS,
    "cancer": CANCER,
    "diabetes": DIABETES,
    "table of a team": TABLE,
    "refuses": {**TABLE, "recipe": {"use": "team:Refuses"}},
    "features by number": {**TABLE, "recipe": {"use": "team:ByNumber"}},
    "standard preparation": BUILT,
    "embeddings of categories": {
        **BUILT,
        "data": {**BUILT["data"], "prepare": ["impute", "standardize", "ids"]},
        "model": "tabular",
    },
    "texts": TEXT,
    "filters": {**TEXT, "model": "text_cnn"},
    "transformer": {**TEXT, "model": {"use": "transformer", "dim": 8, "layers": 1}},
    "forest": {**BUILT, "model": {"use": "RandomForestClassifier", "n_estimators": 10}, "train": {"engine": "sklearn"}},
    "neighbours": {**BUILT, "model": "KNeighborsClassifier", "train": {"engine": "sklearn"}},
    "ridge": {**DIABETES, "model": "Ridge", "train": {"engine": "sklearn"}},
}


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_pipeline_keeps_every_property(project: Project, name: str) -> None:
    """In each of thirty batches."""
    found = search(project, HEALTHY[name])

    assert found.violation is None
    assert found.batches - found.refused >= 20
    assert found.rows > found.batches


@pytest.mark.parametrize(
    ("changes", "property_", "row"),
    [
        ({"recipe": {"use": "team:ForgetsMissing"}}, "finite", "fee = missing"),
        ({"recipe": {"use": "team:Logarithm"}}, "finite", "calls = 6"),
        ({"recipe": {"use": "team:KnowsCombinations"}}, "answered", "calls = 0"),
        ({"recipe": {"use": "team:CoupledTeam"}}, "independent", ""),
    ],
)
def test_a_planted_fault_is_found_in_few_rows(
    project: Project, changes: Mapping[str, Any], property_: str, row: str
) -> None:
    """Shrunk to the rows and the values that it takes."""
    spec = {**TABLE, **changes}
    if "Forgets" in str(changes):
        spec = {**spec, "data": {}}
    found = search(project, spec, SearchProperties(examples=200))

    assert broken(found) == property_
    assert found.violation is not None
    assert len(found.violation.rows) <= 2
    assert row in found.violation.rows[0]


def test_a_text_shorter_than_a_filter_has_no_answer(project: Project) -> None:
    """One text alone, not among longer ones."""
    found = search(project, {**TEXT, "model": "team:OwnPhrases"})

    assert broken(found) == "answered"
    assert found.violation is not None
    assert len(found.violation.rows) == 1


def test_a_batch_that_was_found_is_tried_first(project: Project, tmp_path: Path) -> None:
    """By the next search, which then needs no other."""
    spec = {**TABLE, "recipe": {"use": "team:Logarithm"}}
    job = SearchProperties(examples=200)
    first = search(project, spec, job, kept=tmp_path / "kept")
    again = search(project, spec, job, kept=tmp_path / "kept")

    assert (first.remembered, again.remembered) == (False, True)
    assert again.batches == 1
    assert again.violation == first.violation


def test_the_same_search_finds_the_same(project: Project) -> None:
    """The draws are derandomised."""
    spec = {**TABLE, "recipe": {"use": "team:CoupledTeam"}}

    assert search(project, spec) == search(project, spec)


def test_rows_that_depend_on_the_rows_before_are_not_drawn(project: Project) -> None:
    """They are no requests by themselves."""
    with pytest.raises(NotApplicableError, match="prepared otherwise than among all"):
        search(project, {**TABLE, "recipe": {"use": "team:OfRowsBefore"}})


@pytest.mark.parametrize(
    ("spec", "invariant"),
    [
        (TEXT, [{"permute": "tokens"}, "pad"]),
        ({**TEXT, "model": "text_cnn"}, ["pad"]),
        ({**DIGITS, "model": "team:Normalised"}, [{"scale": 2.0}, {"scale": 0.3}]),
    ],
)
def test_an_invariance_that_holds_is_no_alarm(project: Project, spec: Mapping[str, Any], invariant: list[Any]) -> None:
    """A mean of words knows no order, padding is masked, a row of length 1 has no scale."""
    found = search(project, {**spec, "invariant": invariant})

    assert broken(found) == ""
    assert len(found.properties) == 4 + len(invariant)


@pytest.mark.parametrize(
    ("spec", "invariant"),
    [
        ({**TEXT, "model": "text_cnn"}, {"permute": "tokens"}),
        ({**DIGITS, "model": "team:Normalised"}, {"shift": 1.0}),
        (DIGITS, {"scale": 2.0}),
    ],
)
def test_an_invariance_that_does_not_hold_is_red(project: Project, spec: Mapping[str, Any], invariant: Any) -> None:
    """By its name in the spec."""
    assert broken(search(project, {**spec, "invariant": [invariant]})) not in (
        "",
        *("answered", "finite", "contract", "independent"),
    )


def test_an_invariance_that_means_nothing_is_told(project: Project) -> None:
    """A table has no tokens."""
    found = search(project, {**TABLE, "invariant": [{"permute": "tokens"}]})

    assert found.left_out == ("permute was not tried: no input has the form that it changes",)


def test_values_that_the_data_do_not_have_are_drawn_when_asked_for(project: Project) -> None:
    """A row of zeros has no length."""
    data = {**DIGITS["data"], "prepare": "none"}
    spec = {**DIGITS, "data": data, "model": "team:Normalised"}

    assert broken(search(project, spec)) == ""
    assert broken(search(project, spec, SearchProperties(beyond=True))) == "finite"
