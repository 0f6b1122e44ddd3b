"""The probe of seeds, on trainings that heed theirs and on seeds that stand in the code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from projects import DIGITS, Project

from pytest_mlspec.evidence import SeedsTried
from pytest_mlspec.jobs import TrySeeds

TEAM = """
import random
import numpy as np
import torch
from torch import nn
import torch.nn.functional as F

def net():
    return nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 10))

class Heeds:
    def build_model(self):
        return net()

class DrawsItself:
    \'\'\'A fixed projection of its own generator, and a fixed split.\'\'\'

    def build_model(self):
        fixed = torch.randn(64, 64, generator=torch.Generator().manual_seed(0))
        random.Random(3).random()
        np.random.default_rng(1).random()
        with torch.random.fork_rng():
            torch.manual_seed(5)
            torch.rand(3)
        return net()

class SeedsModel:
    def build_model(self):
        torch.manual_seed(42)
        return net()

class SeedsNumbers:
    def build_model(self):
        np.random.seed(0)
        random.seed(0)
        return net()

class SeedsEachStep:
    def build_model(self):
        return net()

    def training_step(self, state, batch):
        torch.manual_seed(0)
        return F.cross_entropy(state.model(batch.inputs), batch.targets)

class Fits:
    def seed(self, seed):
        torch.manual_seed(seed)

    def fit(self, examples, *, seed):
        self.seed(seed)
        rows = examples["train"]
        model = net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(200):
            loss = F.cross_entropy(model(torch.as_tensor(rows.inputs)), torch.as_tensor(rows.targets))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        self.finished = True
        return model

    def predict(self, fitted, inputs):
        return fitted(torch.as_tensor(inputs)).softmax(-1)

class FitsWithoutSeed(Fits):
    def seed(self, seed):
        torch.manual_seed(0)

class FitsInClosedForm(Fits):
    def fit(self, examples, *, seed):
        rows = examples["train"]
        return np.linalg.lstsq(rows.inputs, np.eye(10)[rows.targets], rcond=None)[0]

class FitsManyRows(Fits):
    def fit(self, examples, *, seed):
        raise ValueError("expected 700 rows")
"""


def tried(project: Project, recipe: str, engine: str = "torch") -> SeedsTried:
    project.write("team", TEAM)
    spec: Mapping[str, Any] = {"data": DIGITS["data"], "recipe": {"use": f"team:{recipe}"}, "train": {"engine": engine}}
    if engine == "torch":
        spec = {**spec, "train": {"epochs": 1}}
    evidence = project.run(TrySeeds(), spec).evidence
    assert isinstance(evidence, SeedsTried)
    return evidence


@pytest.mark.parametrize("recipe", ["Heeds", "DrawsItself"])
def test_a_training_that_heeds_its_seed_is_no_alarm(project: Project, recipe: str) -> None:
    """Generators of its own may have fixed seeds, and the global ones where they come back."""
    assert tried(project, recipe).same == ()


@pytest.mark.parametrize(
    ("recipe", "same"),
    [("SeedsModel", ("torch",)), ("SeedsNumbers", ("random", "numpy.random")), ("SeedsEachStep", ("torch",))],
)
def test_a_seed_in_the_code_shows(project: Project, recipe: str, same: tuple[str, ...]) -> None:
    """With the line that it stands in."""
    found = tried(project, recipe)

    assert found.same == same
    assert found.places[0].startswith("team.py:")
    assert found.places[0].endswith("seed(0)") or found.places[0].endswith("seed(42)")


@pytest.mark.parametrize(("recipe", "same"), [("Fits", ()), ("FitsInClosedForm", ()), ("FitsWithoutSeed", ("torch",))])
def test_a_fit_is_ended_after_a_few_steps(project: Project, recipe: str, same: tuple[str, ...]) -> None:
    """What draws nothing needs no seed."""
    assert tried(project, recipe, "callable").same == same


def test_a_fit_that_needs_more_rows_is_not_tried(project: Project) -> None:
    """The reason is told."""
    assert (
        tried(project, "FitsManyRows", "callable").left_out
        == "for a few of the rows, fit raised ValueError: expected 700 rows"
    )


def test_an_estimator_is_not_tried(project: Project) -> None:
    """Its random_state is that of the spec."""
    spec = {"data": DIGITS["data"], "model": "GaussianNB", "train": {"engine": "sklearn"}}
    evidence = project.run(TrySeeds(), spec).evidence

    assert isinstance(evidence, SeedsTried)
    assert evidence.left_out.startswith("the engine sklearn")


def test_built_in_models_heed_their_seed(project: Project) -> None:
    """So do the steps of the loop."""
    evidence = project.run(TrySeeds(), DIGITS).evidence

    assert evidence == SeedsTried(seeds=(0, 7919))
