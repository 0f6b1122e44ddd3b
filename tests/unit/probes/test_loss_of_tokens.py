"""The probe of the loss on language models, on reconstructions, and on the modules of Lightning and transformers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from projects import DIGITS, Project

from pytest_mlspec.check import Status, Verdict
from pytest_mlspec.checks.loss import LossParams, loss
from pytest_mlspec.evidence import LossAnswers
from pytest_mlspec.jobs import ProbeLoss

TEAM = """
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

def ids():
    draw = np.random.default_rng(0)
    found = np.zeros((80, 8), dtype=np.int64)
    for row in found:
        length = draw.integers(3, 9)
        row[:length] = draw.integers(1, 12, length)
    return np.unique(found, axis=0)

class Recurrent(nn.Module):
    def __init__(self, scale=1.0, last="Identity"):
        super().__init__()
        self.embedding = nn.Embedding(12, 16)
        self.cells = nn.GRU(16, 16, batch_first=True)
        self.output = nn.Linear(16, 12)
        self.output.weight.data *= scale
        self.last = getattr(nn, last)()

    def forward(self, ids):
        return self.last(self.output(self.cells(self.embedding(ids))[0]))

def _each(o, b): return F.cross_entropy(o[:, :-1].transpose(1, 2), b.targets[:, 1:], reduction="none")
def _mask(b): return (b.targets[:, 1:] != 0).double()

def by_index(o, b): return F.cross_entropy(o[:, :-1].flatten(0, 1), b.targets[:, 1:].flatten(), ignore_index=0)
def by_mask(o, b): return (_each(o, b) * _mask(b)).sum() / _mask(b).sum()
def by_row(o, b): return ((_each(o, b) * _mask(b)).sum(1) / _mask(b).sum(1)).mean()

def all_positions(o, b): return F.cross_entropy(o[:, :-1].flatten(0, 1), b.targets[:, 1:].flatten())
def of_all_positions(o, b): return (_each(o, b) * _mask(b)).mean()
def not_shifted(o, b): return F.cross_entropy(o.flatten(0, 1), b.targets.flatten(), ignore_index=0)
def total(o, b): return (_each(o, b) * _mask(b)).sum()
def softmax_twice(o, b): return by_mask(o.softmax(-1), b)

def squares(o, b): return ((o - b.targets) ** 2).sum(1).mean()
def all_squares(o, b): return ((o - b.targets) ** 2).sum()
"""

TEXTS: Mapping[str, Any] = {
    "task": "language_model",
    "data": {"source": "team:ids", "prepare": "none", "split": {"test": 0.2}},
    "model": "team:Recurrent",
}


@pytest.fixture(autouse=True)
def _team(project: Project) -> None:
    project.write("team", TEAM)


def judged(project: Project, spec: Mapping[str, Any], loss_of: str = "") -> Verdict:
    train = {**spec.get("train", {}), **({"loss": loss_of} if loss_of else {})}
    evidence = project.run(ProbeLoss(), {**spec, "train": train}).evidence
    assert isinstance(evidence, LossAnswers)
    return loss(LossParams(), evidence)


@pytest.mark.parametrize("name", ["", "team:by_index", "team:by_mask", "team:by_row"])
def test_a_loss_that_leaves_padding_out_passes(project: Project, name: str) -> None:
    """By an index, a mask, or a mean of each row."""
    assert judged(project, TEXTS, name).status is Status.PASSED


def test_the_built_in_language_model_passes(project: Project) -> None:
    """Its embeddings are its output layer too, so that its first logits are larger than those of others."""
    model = {"use": "causal_lm", "dim": 16, "heads": 2, "layers": 1}

    assert judged(project, {**TEXTS, "model": model}).status is Status.PASSED


@pytest.mark.parametrize(
    ("name", "finding"),
    [
        ("all_positions", "loss.padding"),
        ("of_all_positions", "loss.padding"),
        ("not_shifted", "loss.direction"),
        ("total", "loss.mean"),
        ("softmax_twice", "loss.floor"),
    ],
)
def test_a_planted_fault_of_tokens_is_red(project: Project, name: str, finding: str) -> None:
    """Each by what it is."""
    assert finding in judged(project, TEXTS, f"team:{name}").findings


@pytest.mark.parametrize("loss_of", ["", "team:by_index"])
@pytest.mark.parametrize(
    ("model", "finding"), [({"scale": 50.0}, "loss.start"), ({"last": "ReLU"}, "loss.range")], ids=str
)
def test_outputs_that_are_no_logits_are_red(
    project: Project, model: dict[str, Any], finding: str, loss_of: str
) -> None:
    """Too large at the start, or never negative."""
    assert finding in judged(project, {**TEXTS, "model": {"use": "team:Recurrent", **model}}, loss_of).findings


def test_a_reconstruction_is_asked_too(project: Project) -> None:
    """A sum over the numbers of a row is a mean over rows, one over all is none."""
    spec = {**DIGITS, "task": "reconstruction", "model": "autoencoder", "train": {}}

    assert judged(project, spec).status is Status.PASSED
    assert judged(project, spec, "team:squares").status is Status.PASSED
    assert "loss.mean" in judged(project, spec, "team:all_squares").findings


LIGHTNING = """
import lightning as L
import torch
from torch import nn

class Net(L.LightningModule):
    def __init__(self, reduction="mean", parts=False):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 10))
        self.reduction, self.parts = reduction, parts

    def forward(self, x):
        return self.layers(x)

    def training_step(self, batch, batch_idx):
        outputs = self.layers(batch[0]) if self.parts else self(batch[0])
        loss = nn.functional.cross_entropy(outputs, batch[1], reduction=self.reduction)
        self.log("train_loss", loss)
        return {"loss": loss}

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=1e-2)
"""


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ({}, Status.PASSED),
        ({"reduction": "sum"}, Status.FAILED),
        ({"parts": True}, Status.NOT_APPLICABLE),
        ({"parts": True, "reduction": "sum"}, Status.FAILED),
    ],
    ids=str,
)
def test_the_step_of_a_lightning_module_is_asked(project: Project, arguments: dict[str, Any], status: Status) -> None:
    """One that calls its layers, and not itself, as far as a copy of the batch tells."""
    pytest.importorskip("lightning")
    project.write("module", LIGHTNING)
    spec = {**DIGITS, "model": {"use": "module:Net", **arguments}, "train": {"engine": "lightning"}}

    assert judged(project, spec).status is status
