"""Reconstruction, clustering and language models from a spec to verdicts: the healthy ones pass, planted faults do not.

The trainings are as small as they can be for that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from projects import Kept, Project

from pytest_mlspec import checks
from pytest_mlspec.check import CHECKS, Status, Verdict, not_applicable
from pytest_mlspec.engines import ENGINES
from pytest_mlspec.errors import MlspecError, NotApplicableError
from pytest_mlspec.evidence import ScoreTable, TrainingRun
from pytest_mlspec.jobs import ConstantLoss, Job, MetricRequest, Scores, Train, needed_by, with_seed
from pytest_mlspec.plan import in_order
from pytest_mlspec.recipe.work import Stored

TEAM = """
import numpy as np
import pandas as pd
import torch
from torch import nn


def ids():
    draw = np.random.default_rng(0)
    ids = np.zeros((120, 8), dtype=np.int64)
    for row in ids:
        row[0] = draw.integers(1, 12)
        for at in range(1, draw.integers(4, 9)):
            row[at] = 1 + (row[at - 1] * 3 + draw.integers(0, 2)) % 11
    return np.unique(ids, axis=0)


def table():
    draw = np.random.default_rng(0)
    common = draw.normal(size=(200, 2))
    return pd.DataFrame(common @ draw.normal(size=(2, 6)), columns=list("abcdef"))


class Recurrent(nn.Module):
    def __init__(self, peeks=False, mixes=False):
        super().__init__()
        self.embedding = nn.Embedding(12, 24)
        self.cells = nn.GRU(24, 24, batch_first=True)
        self.output = nn.Linear(24, 12)
        self.peeks, self.mixes = peeks, mixes

    def forward(self, ids):
        embedded = self.embedding(torch.roll(ids, -1, 1) if self.peeks else ids)
        hidden, _ = self.cells(embedded - embedded.mean(0) if self.mixes else embedded)
        return self.output(hidden)


class Codes(nn.Module):
    def __init__(self, detached=False, mixes=False):
        super().__init__()
        self.encoder, self.decoder = nn.Linear(6, 2), nn.Linear(2, 6)
        self.detached, self.mixes = detached, mixes

    def forward(self, inputs):
        code = self.encoder(inputs)
        code = code.detach() if self.detached else code
        return self.decoder(code - code.mean(0) if self.mixes else code)


class OneAndAll(nn.Module):
    def forward(self, inputs):
        return inputs[:, :1]

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))


def in_tokens(outputs, batch):
    return nn.functional.cross_entropy(outputs[:, :-1].flatten(0, 1), batch.targets[:, 1:].flatten(), ignore_index=0)
"""

TEXTS: Mapping[str, Any] = {
    "task": "language_model",
    "data": {"source": "team:ids", "prepare": "none", "split": {"test": 0.2}},
    "model": "team:Recurrent",
    "train": {"epochs": 25, "batch_size": 32, "optimizer": {"use": "adamw", "lr": 2e-2}},
}
CODES: Mapping[str, Any] = {
    "task": "reconstruction",
    "data": {"source": "team:table", "split": {"test": 0.2}},
    "model": "team:Codes",
    "train": {"epochs": 60, "batch_size": 32, "optimizer": {"use": "adamw", "lr": 1e-2}},
}
CLUSTERS: Mapping[str, Any] = {
    "task": "clustering",
    "data": {"source": "sklearn.iris"},
    "model": {"use": "KMeans", "n_clusters": 3},
    "train": {"engine": "sklearn"},
}
COMPONENTS: Mapping[str, Any] = {**CODES, "model": {"use": "PCA", "n_components": 2}, "train": {"engine": "sklearn"}}


@pytest.fixture
def team(project: Project) -> Project:
    """The project with the team's module."""
    project.write("team", TEAM)
    return project


def verdict(project: Project, spec: Mapping[str, Any], name: str) -> Verdict:
    """What the check says of the spec, its jobs carried out in this process; those of one training are not shared."""
    check = CHECKS.find(name)
    params = check.params.model_validate(dict(checks.OF_STANDARD.get(name, {})))
    jobs = {role: with_seed(job, 0) for role, job in check.needs(params).items()}
    done: dict[Job, Stored] = {}
    try:
        for job in in_order(jobs.values()):
            work = project.work(spec, {needed: done[needed] for needed in needed_by(job)})
            done[job] = Kept(project.run(job, spec, work=work), work.folder)
    except NotApplicableError as error:
        return not_applicable(error.message)
    return check(params, **{role: done[job].evidence for role, job in jobs.items()})


def asked(engine: str) -> list[str]:
    """The standard checks that the engine can be asked; `reproducible` starts an interpreter, `baseline` has a spec file."""
    found = ENGINES.find(engine)
    able = [name for name in checks.STANDARD if name not in ("reproducible", "serving", "baseline")]
    jobs = {name: CHECKS.find(name).needs(CHECKS.find(name).params()).values() for name in able}
    return [name for name in able if not any(found.cannot(job) for job in jobs[name])]


HEALTHY = [
    *((TEXTS, name) for name in asked("torch")),
    *((CODES, name) for name in asked("torch")),
    *((CLUSTERS, name) for name in asked("sklearn")),
    *((COMPONENTS, name) for name in asked("sklearn")),
]


@pytest.mark.parametrize(("spec", "name"), HEALTHY, ids=[f"{spec['task']}-{name}" for spec, name in HEALTHY])
def test_a_healthy_one_passes_every_check_that_can_be_asked(team: Project, spec: Mapping[str, Any], name: str) -> None:
    """Of four tasks; what an engine cannot be asked it says itself, and what a task cannot its job says."""
    found = verdict(team, spec, name)

    assert found.status in (Status.PASSED, Status.NOT_APPLICABLE), found.summary


@pytest.mark.parametrize(
    ("spec", "name", "status", "summary"),
    [
        ({**TEXTS, "model": {"use": "team:Recurrent", "peeks": True}}, "converges", Status.ERROR, "the lowest that it"),
        ({**TEXTS, "model": {"use": "team:Recurrent", "peeks": True}}, "overfit", Status.ERROR, "the lowest that it"),
        ({**TEXTS, "model": {"use": "team:Recurrent", "mixes": True}}, "independence", Status.FAILED, "alone differs"),
        (
            {**TEXTS, "train": {"epochs": 1, "optimizer": {"use": "sgd", "lr": 1e-9}}},
            "converges",
            Status.FAILED,
            "loss",
        ),
        ({**CODES, "model": {"use": "team:Codes", "detached": True}}, "gradients", Status.FAILED, "encoder.weight"),
        ({**CODES, "model": {"use": "team:Codes", "mixes": True}}, "independence", Status.FAILED, "alone differs"),
        (
            {**CODES, "train": {"epochs": 1, "optimizer": {"use": "sgd", "lr": 1e-9}}},
            "converges",
            Status.FAILED,
            "loss",
        ),
        ({**CLUSTERS, "model": {"use": "KMeans", "n_clusters": 1}}, "converges", Status.FAILED, "train loss"),
    ],
)
def test_a_planted_fault_is_red(
    team: Project, spec: Mapping[str, Any], name: str, status: Status, summary: str
) -> None:
    """A position that sees those after it, a mean over the batch, a detached branch, a rate that is too low, one cluster."""
    found = verdict(team, spec, name)

    assert found.status is status
    assert summary in found.summary


def scores(project: Project, spec: Mapping[str, Any], *requests: MetricRequest) -> ScoreTable:
    """The metrics of the trained spec."""
    table = project.run(Scores(requests, of=Train()), spec, project.trained(spec)).evidence
    assert isinstance(table, ScoreTable)
    return table


@pytest.mark.parametrize(
    ("spec", "metric", "sign"),
    [
        (TEXTS, "perplexity", -1),
        (TEXTS, "token_accuracy", 1),
        (CODES, "mean_squared_error", -1),
        (COMPONENTS, "mean_absolute_error", -1),
        (COMPONENTS, "r2", 1),
    ],
)
def test_a_trained_model_is_better_than_the_constant_baseline(
    team: Project, spec: Mapping[str, Any], metric: str, sign: int
) -> None:
    """The frequencies of tokens, or the mean row."""
    table = scores(team, spec, MetricRequest(metric, "test"), MetricRequest(metric, "test", of="dummy"))
    model, dummy = table.scores[f"test.{metric}"].value, table.scores[f"dummy:test.{metric}"].value

    assert model is not None
    assert dummy is not None
    assert sign * (model - dummy) > 0


def test_clusters_are_held_against_classes_that_no_fit_has_seen(team: Project) -> None:
    """And against the prepared inputs."""
    requests = [MetricRequest(name, "test") for name in ("adjusted_rand_score", "silhouette_score")]
    table = scores(team, CLUSTERS, *requests)

    assert all(score.value is not None and score.value > 0.3 for score in table.scores.values())
    assert table.confused == {}


def test_the_perplexity_is_that_of_the_loss(team: Project) -> None:
    """The loss is the mean over the same tokens."""
    needed = team.trained(TEXTS)
    run = needed[Train()].evidence
    table = team.run(Scores((MetricRequest("perplexity", "test"),), of=Train()), TEXTS, needed).evidence

    assert isinstance(run, TrainingRun)
    assert isinstance(table, ScoreTable)
    assert table.scores["test.perplexity"].value == pytest.approx(np.exp(run.losses["test"]), rel=1e-5)
    assert run.predictions == "tokens"
    assert needed[Train()].array("predictions/test").shape[1:] == (7, 2)


def test_the_restored_language_model_predicts_the_same(team: Project) -> None:
    """The loss of each token and the likeliest id, from ids alone."""
    needed = team.trained(TEXTS)
    work = team.work(TEXTS, needed)
    predicted = ENGINES.find("torch").restore(Train(), work)(work.prepared.splits["test"].inputs)

    np.testing.assert_allclose(predicted, needed[Train()].array("predictions/test"), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({**CODES, "model": "team:OneAndAll"}, r"\[N, 1\]; the task reconstruction needs that of the inputs, \[N, 6\]"),
        ({**TEXTS, "model": "team:OneAndAll"}, r"\[N, 1\]; the task language_model needs \[N, 8, 12\]"),
        ({**TEXTS, "data": {"source": "team:table"}}, "a language model needs ids"),
        ({**CLUSTERS, "model": "team:Recurrent"}, "needs an estimator with fit and predict"),
        ({**COMPONENTS, "model": "sklearn.cluster:KMeans"}, "sklearn"),
    ],
)
def test_a_model_that_does_not_fit_the_task_is_refused(team: Project, spec: Mapping[str, Any], message: str) -> None:
    """With the shape that its outputs need, before a step is taken."""
    with pytest.raises(MlspecError, match=message):
        team.train(spec)


def test_a_loss_of_the_team_finds_its_constant_too(team: Project) -> None:
    """Written out by hand, the loss of tokens has the same lowest constant as by name, the entropy of the tokens."""
    own = {**TEXTS, "train": {**TEXTS["train"], "loss": "team:in_tokens", "batch_size": 200}}
    known, found = (team.run(ConstantLoss(), spec).evidence for spec in (TEXTS, own))

    assert found.loss == pytest.approx(known.loss, rel=1e-4)  # type: ignore[union-attr]


def test_the_constant_of_a_reconstruction_is_the_mean_row(team: Project) -> None:
    """Of standardised columns the mean squared error is then 1; and the median row for the absolute error."""
    squared, absolute = (
        team.run(ConstantLoss(), {**CODES, "train": {"loss": loss}}).evidence for loss in ("mse", "l1")
    )
    train = team.work(CODES).prepared.splits["train"].inputs
    assert isinstance(train, np.ndarray)

    assert squared.loss == pytest.approx(1.0, rel=1e-5)  # type: ignore[union-attr]
    assert absolute.loss == pytest.approx(np.abs(train - np.median(train, axis=0)).mean(), rel=1e-5)  # type: ignore[union-attr]
