"""`Describe` on modules: a refactoring is the same model, a layer or an activation that is gone is another."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import pytest
from projects import CANCER, DIGITS, Kept, Project

from pytest_mlspec import baselines
from pytest_mlspec.check import Status, Verdict
from pytest_mlspec.checks.baseline import BaselineParams, baseline
from pytest_mlspec.evidence import Description, Recorded
from pytest_mlspec.jobs import Describe, Job, ReadBaseline
from pytest_mlspec.recipe.work import Stored

NET = """
import torch
import torch.nn.functional as F
from torch import nn

class Net(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.one = nn.Linear(64, width)
        self.norm = nn.BatchNorm1d(width)
        self.act = nn.ReLU()
        self.drop = nn.Dropout(0.2)
        self.two = nn.Linear(width, width)
        self.out = nn.Linear(width, 10)

    def forward(self, inputs):
        hidden = self.drop(self.act(self.norm(self.one(inputs))))
        return self.out(F.relu(self.two(hidden)))
"""
SPEC: dict[str, Any] = {"data": {"source": "sklearn.digits"}, "model": "nets:Net", "train": {"epochs": 1}}
TWO = "F.relu(self.two(hidden))"
FIRST = "self.drop(self.act(self.norm(self.one(inputs))))"
ACT, NORM, DROP = (
    "        self.act = nn.ReLU()\n",
    "        self.norm = nn.BatchNorm1d(width)\n",
    "self.drop = nn.Dropout",
)


def described(project: Project, spec: dict[str, Any] = SPEC) -> Description:
    found = project.run(Describe(), spec).evidence
    assert isinstance(found, Description)
    return found


@pytest.fixture
def recorded(project: Project, monkeypatch: pytest.MonkeyPatch) -> Description:
    """What a file holds of the healthy net."""
    # two versions of a module within a second may have one size
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    project.write("nets", NET)
    found = described(project)
    _forget()
    return baselines.read(baselines.text_of({"x": found}), "x")["x"]


def compared(
    project: Project, recorded: Description, *changes: tuple[str, str], same_model: bool = False, **spec: Any
) -> Verdict:
    code = NET
    for old, new in changes:
        assert old in code
        code = code.replace(old, new)
    project.write("nets", code)
    now = described(project, {**SPEC, **spec})
    _forget()
    return baseline(BaselineParams(same_model=same_model), now, Recorded("x.json", "x.yaml", recorded))


def _forget() -> None:
    sys.modules.pop("nets", None)
    importlib.invalidate_caches()


@pytest.mark.parametrize(
    "changes",
    [
        [],
        [("self.one", "self.first")],
        [("self.act(self.norm", "F.relu(self.norm"), (ACT, "")],
        [(TWO, "self.act(self.two(hidden))")],
        [(ACT, ""), (NORM, f"{NORM}{ACT}")],
        [("nn.ReLU()", "nn.ReLU(inplace=True)")],
        [("width=32", "width=40")],
        [(DROP, "self.body = nn.Sequential(self.one, self.norm, self.act)\n        self.drop = nn.Dropout")],
    ],
    ids=["same", "renamed", "functional", "module", "order", "inplace", "wider", "sequential"],
)
def test_a_refactoring_is_the_same_model(
    project: Project, recorded: Description, changes: list[tuple[str, str]]
) -> None:
    """With parameters of the same shapes it gives the same answers; other sizes alone are told."""
    verdict = compared(project, recorded, *changes)

    assert (verdict.status, verdict.findings) == (Status.PASSED, ())


@pytest.mark.parametrize(
    "spec",
    [
        {"train": {"epochs": 3, "seed": 5, "batch_size": 16, "optimizer": {"use": "sgd", "lr": 0.1}}},
        {"model": {"use": "nets:Net", "width": 48}},
        {"data": {"source": "sklearn.digits", "split": {"seed": 7}}},
    ],
    ids=["training", "width", "split"],
)
def test_what_the_spec_declares_otherwise_is_no_change(
    project: Project, recorded: Description, spec: dict[str, Any]
) -> None:
    """Another seed, rate, length, width, split."""
    assert compared(project, recorded, **spec).status is Status.PASSED


@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        ([(TWO, "self.two(hidden)")], "answers"),
        ([("self.act(self.norm(self.one(inputs)))", "self.norm(self.one(inputs))"), (ACT, "")], "answers"),
        ([("self.norm(self.one(inputs))", "self.one(inputs)")], "answers"),
        ([("return self.out(", "return F.relu(self.out("), ("(hidden)))", "(hidden))))")], "answers"),
        ([("self.norm(self.one(inputs))", "self.one(inputs)"), (NORM, "")], "parameters"),
        ([("nn.Linear(width, 10)", "nn.Linear(width, 10, bias=False)")], "parameters"),
        ([(ACT, f"{ACT}        self.one.weight.requires_grad_(False)\n")], "parameters"),
        ([("Dropout(0.2)", "Dropout(0.9)")], "dropout"),
    ],
    ids=["activation", "module", "norm unused", "relu last", "norm", "bias", "frozen", "dropout"],
)
def test_another_model_by_the_teams_own_code_is_red(
    project: Project, recorded: Description, changes: list[tuple[str, str]], finding: str
) -> None:
    """While the spec says the same, and that the model is the same."""
    verdict = compared(project, recorded, *changes, same_model=True)

    assert verdict.status is Status.FAILED
    assert verdict.findings == (f"baseline.{finding}",)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ([(TWO, "F.gelu(self.two(hidden))")], "the model answers otherwise with the same parameters"),
        (
            [("Dropout(0.2)", "Dropout(0.3)")],
            "the model has other layers: drop is Dropout(p=0.3), it was Dropout(p=0.2)",
        ),
    ],
    ids=["activation", "dropout"],
)
def test_an_exchanged_activation_or_rate_is_told(
    project: Project, recorded: Description, changes: list[tuple[str, str]], told: str
) -> None:
    """A team changes them as it changes a width."""
    verdict = compared(project, recorded, *changes)

    assert (verdict.status, verdict.findings) == (Status.PASSED, ())
    assert told in "; ".join((verdict.summary, *verdict.facts))


@pytest.mark.parametrize("spec", [DIGITS, CANCER], ids=["multiclass", "binary"])
def test_the_built_in_models_answer(project: Project, spec: dict[str, Any]) -> None:
    """The same twice, and other seeds answer alike."""
    one, other = described(project, spec), described(project, {**spec, "train": {**spec["train"], "seed": 3}})

    assert len(one.model.answers) == 5
    assert other.model.answers == one.model.answers


def test_a_model_of_random_features_has_no_answers(project: Project) -> None:
    """Its seed decides them, and another seed is no other model."""
    features = "\n        self.register_buffer('features', torch.randn(64))"
    code = NET.replace("super().__init__()", f"super().__init__(){features}").replace(
        "self.one(inputs)", "self.one(inputs * self.features)"
    )
    project.write("nets", code)

    assert described(project).model.answers == ()


def test_an_estimator_is_described_by_its_settings(project: Project) -> None:
    """Those that decide what it learns."""
    found = described(
        project,
        {"data": DIGITS["data"], "model": {"use": "LogisticRegression", "C": 2.0}, "train": {"engine": "sklearn"}},
    )

    assert "LogisticRegression" in found.model.layers.values()
    assert [value for name, value in found.model.parts.items() if name.rpartition("__")[2] == "C"] == ["2.0"]


def test_where_nothing_is_recorded_nothing_is_described(project: Project) -> None:
    """Not even the data are read."""
    read = ReadBaseline("x.mlspec.yaml", "x")
    spec = {**SPEC, "data": {"source": "missing.csv", "target": "y"}}
    work = project.work(spec)
    needed: dict[Job, Stored] = {read: Kept(project.run(read, spec, work=work), work.folder)}
    found = project.run(Describe(against=read), spec, needed).evidence

    assert isinstance(found, Description)
    assert found.missing == "nothing is recorded"


ITEMS = """
import torch
from sklearn.datasets import load_digits
from torch.utils.data import Dataset

class Digits(Dataset):
    def __init__(self):
        found = load_digits()
        self.pixels, self.labels = torch.tensor(found.data[:ROWS], dtype=torch.float32), found.target[:ROWS]

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, row):
        return self.pixels[row] * SCALE, self.labels[row]

def load():
    return Digits()
"""


def _of_items(project: Project, monkeypatch: pytest.MonkeyPatch, rows: int, scale: str) -> Description:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    project.write("nets", NET)
    project.write("items", ITEMS.replace("ROWS", str(rows)).replace("SCALE", scale))
    found = described(project, {**SPEC, "data": {"source": "items:load"}, "task": "multiclass"})
    sys.modules.pop("items", None)
    _forget()
    return found


@pytest.mark.parametrize(
    ("first", "later", "findings"),
    [
        ((500, "1"), (500, "1"), ()),
        ((400, "1"), (500, "1"), ()),
        ((500, "1"), (500, "16"), ("baseline.values",)),
        ((400, "torch.rand(1)"), (500, "torch.rand(1)"), ()),
    ],
    ids=["same", "grown", "scaled", "augmented"],
)
def test_rows_of_a_dataset_are_followed_by_their_items(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    first: tuple[int, str],
    later: tuple[int, str],
    findings: tuple[str, ...],
) -> None:
    """Those that are drawn anew each time are not followed."""
    before = _of_items(project, monkeypatch, *first)
    kept = baselines.read(baselines.text_of({"x": before}), "x")["x"]
    now = _of_items(project, monkeypatch, *later)

    assert baseline(BaselineParams(), now, Recorded("x.json", "x.yaml", kept)).findings == findings
    assert bool(before.golden) is (first[1] == "1")


def test_a_vocabulary_that_grows_with_its_texts_is_the_same_model(project: Project) -> None:
    """Its embedding has more rows."""
    words = [f"w{number}" for number in range(300)]
    lines = [f'"{words[row]} {words[row // 2]} {("bad", "good")[row % 2]}",{row % 2}' for row in range(300)]
    spec = {
        "data": {"source": "texts.csv", "target": "y", "prepare": "tokenize"},
        "task": "binary",
        "model": "mean_embedding",
        "train": {"epochs": 1},
    }
    found = []
    for rows in (240, 300):
        (project.root / "texts.csv").write_text("\n".join(["text,y", *lines[:rows], ""]), "utf-8")
        found.append(described(project, spec))
    kept = baselines.read(baselines.text_of({"x": found[0]}), "x")["x"]

    assert found[0].model.parts != found[1].model.parts
    assert baseline(BaselineParams(), found[1], Recorded("x.json", "x.yaml", kept)).status is Status.PASSED
