"""A team's small project, on which tests run pytest: a line is fitted to a table of 60 rows, by code of the team."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

SECONDS = 120
"""What one run of pytest may take on a machine that does much else."""

FIT = '''
"""The team's own training: a least squares fit, which notes each training in a file."""

import os

import numpy as np


def fit(examples, *, seed):
    with open(os.environ["TRAININGS"], "a") as note:
        note.write(f"{os.getpid()}\\n")
    train = examples["train"]
    weights, *_ = np.linalg.lstsq(np.c_[train.inputs, np.ones(len(train))], train.targets, rcond=None)
    return weights


def predict(weights, inputs):
    return np.c_[inputs, np.ones(len(inputs))] @ weights
'''

_CELLS = "".join(f"{number},{3 * number + number % 3}\n" for number in range(60))
ROWS = f"x,y\n{_CELLS}"

LINE = """
mlspec: 1
name: line
task: regression
data: {source: rows.csv, target: y, prepare: none}
recipe: {use: team.fit}
train: {engine: callable, seed: 0}
checks: data
gates:
  train.seconds: {at_most: 30s}
"""
"""Two claims that hold, one of the data and one of the training."""

FAILING = f"{LINE}  test.mean_absolute_error: {{at_most: 0.0001}}\n"
"""The same with a third claim, on line 12, that does not hold."""

TWICE = """
mlspec: 1
name: twice
task: regression
data: {source: twice.csv, target: y}
model: mlp
checks:
  - data
  - skip: {check: overfit, why: "too slow for now"}
"""
"""Its one job is quick, and its one claim fails where the table holds every row twice."""

UNTRAINED = """
mlspec: 1
name: untrained
data: {source: sklearn.wine}
model: mlp
checks:
  - skip: {check: data, why: "the vendor checks it"}
  - skip: {check: overfit, why: "too slow for now"}
"""
"""Has items, and none of them needs a job."""


class Project:
    """A folder with the team's module `team/fit.py`, the tables `rows.csv` and `twice.csv`, and the specs that a test writes."""

    def __init__(self, pytester: pytest.Pytester, trainings: Path) -> None:
        self.pytester = pytester
        self.root = pytester.path
        self._trainings = trainings
        pytester.makeini("[pytest]\n")
        self.write("team/__init__.py", "")
        self.write("team/fit.py", FIT)
        self.write("rows.csv", ROWS)
        self.write("twice.csv", ROWS + _CELLS)

    def write(self, path: str, text: str) -> Path:
        """Writes a file of the project."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
        return file

    def run(self, *arguments: str) -> pytest.RunResult:
        """Runs pytest with `--mlspec` as a process of its own."""
        return self.run_plainly("--mlspec", *arguments)

    def run_plainly(self, *arguments: str) -> pytest.RunResult:
        """Runs pytest as a process of its own."""
        return self.pytester.runpytest_subprocess(*arguments, timeout=SECONDS)

    def run_and_type(self, typed: str, *arguments: str) -> pytest.RunResult:
        """Runs pytest with `--mlspec` and `typed` as its input."""
        command = (sys.executable, "-m", "pytest", "--mlspec", *arguments)
        return self.pytester.run(*command, timeout=SECONDS, stdin=typed.encode())

    def script(self, text: str) -> pytest.RunResult:
        """Runs `text` as a script in the project, without pytest."""
        return self.pytester.run(sys.executable, self.write("script.py", text), timeout=SECONDS)

    @property
    def trainings(self) -> list[int]:
        """The process of each training that the team's fit has made so far."""
        return [int(line) for line in self._trainings.read_text().split()] if self._trainings.exists() else []
