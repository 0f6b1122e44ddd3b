"""Whether padding, later tokens and large batches matter: the probe of independence on texts, healthy and with planted faults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from projects import DIGITS, Project

from pytest_mlspec.check import Status, Verdict
from pytest_mlspec.checks.independence import IndependenceParams, independence
from pytest_mlspec.evidence import Independence
from pytest_mlspec.jobs import RowIndependence

TEAM = """
import math
import numpy as np
import torch
from torch import nn
import torch.nn.functional as F

VOCABULARY, LENGTH = 12, 14

class Words:
    '''Texts of 3 to 13 words, ids from 1, padding 0; the class is told by one of them.'''

    def __init__(self, mask=None):
        self.mask = mask

    def load(self):
        return np.arange(120, dtype=np.float32).reshape(-1, 1), np.arange(120) % 3

    def prepare(self, rows, fitted):
        draw = np.random.default_rng(0)
        ids = draw.integers(4, VOCABULARY, (120, LENGTH))
        ids[:, 0] = 1 + np.arange(120) % 3
        ids[np.arange(LENGTH) >= draw.integers(3, LENGTH, 120)[:, None]] = 0
        ids = ids[rows.index]
        if self.mask is None:
            return ids, rows.targets
        return {"ids": ids, "mask": (ids != 0).astype(self.mask)}, rows.targets

class Sentences(Words):
    def load(self):
        return np.arange(120, dtype=np.float32).reshape(-1, 1)

class Text(nn.Module):
    def __init__(self, *, classes=3):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, 8)
        self.head = nn.Linear(8, classes)

class Masked(Text):
    def forward(self, ids):
        words = (ids != 0).unsqueeze(-1)
        return self.head((self.embedding(ids) * words).sum(1) / words.sum(1).clamp(min=1))

class Unmasked(Text):
    def forward(self, ids):
        return self.head(self.embedding(ids).mean(1))

class WithMask(Text):
    def forward(self, ids, mask):
        mask = mask.unsqueeze(-1).to(self.head.weight.dtype)
        return self.head((self.embedding(ids) * mask).sum(1) / mask.sum(1).clamp(min=1))

class IgnoresMask(Text):
    def forward(self, ids, mask):
        return self.head(self.embedding(ids).mean(1) + 0 * mask.sum())

class Filters(Text):
    '''Filters without a mask, and the strongest answer of each: padding behind the end is one answer among others.'''

    def __init__(self):
        super().__init__()
        self.filters = nn.Conv1d(8, 8, 3)

    def forward(self, ids):
        return self.head(self.filters(self.embedding(ids).transpose(1, 2)).amax(2))

class OneLength(Text):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(8 * LENGTH, 3)

    def forward(self, ids):
        return self.head(self.embedding(ids).flatten(1))

class Attention(Text):
    def __init__(self, masked=True, places=LENGTH):
        super().__init__()
        self.places = nn.Embedding(places, 8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.masked = masked

    def forward(self, ids):
        x = self.embedding(ids) + self.places(torch.arange(ids.shape[1]))
        x, _ = self.attention(x, x, x, key_padding_mask=(ids == 0) if self.masked else None)
        return self.head(x[:, 0])

class Recurrent(Text):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(8, 8, batch_first=True)

    def forward(self, ids):
        _, last = self.rnn(self.embedding(ids))
        return self.head(last[0])

class Packed(Recurrent):
    def forward(self, ids):
        lengths = (ids != 0).sum(1)
        packed = nn.utils.rnn.pack_padded_sequence(self.embedding(ids), lengths, batch_first=True, enforce_sorted=False)
        _, last = self.rnn(packed)
        return self.head(last[0])

class Speaker(Text):
    def __init__(self, mask="causal"):
        super().__init__(classes=VOCABULARY)
        self.places = nn.Embedding(LENGTH, 8)
        self.query = nn.Linear(8, 8)
        self.mask = mask

    def forward(self, ids):
        x = self.embedding(ids) + self.places(torch.arange(ids.shape[1]))
        seen = torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool)
        seen = {"causal": seen.tril(), "inverted": seen.triu(), "none": seen, "one ahead": seen.tril(1)}[self.mask]
        weights = (self.query(x) @ x.transpose(1, 2)).masked_fill(~seen, -math.inf).softmax(-1)
        return self.head(x + weights @ x)

class Steps(Text):
    '''A recurrent language model looks back alone.'''

    def __init__(self):
        super().__init__(classes=VOCABULARY)
        self.rnn = nn.LSTM(8, 8, batch_first=True)

    def forward(self, ids):
        return self.head(self.rnn(self.embedding(ids))[0])
"""

LARGE = """
import torch
from torch import nn

class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 10)

    def forward(self, inputs):
        return self.layer(inputs)

class CentredWhenLarge(Plain):
    def forward(self, inputs):
        return self.layer(inputs - inputs.mean(0) if len(inputs) > 32 else inputs)

class Squeezed(Plain):
    def forward(self, inputs):
        return self.layer(inputs).squeeze()

class BatchStatistics(Plain):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(64, track_running_stats=False)

    def forward(self, inputs):
        return self.layer(self.norm(inputs))
"""


def measured(project: Project, spec: Mapping[str, Any]) -> Independence:
    evidence = project.run(RowIndependence(), spec, project.trained(spec)).evidence
    assert isinstance(evidence, Independence)
    return evidence


def text_spec(
    model: Mapping[str, Any] | str, recipe: str = "Words", task: str = "multiclass", **given: Any
) -> dict[str, Any]:
    return {
        "task": task,
        "recipe": {"use": f"team:{recipe}", "with": given},
        "data": {"split": {"test": 0.3}},
        "model": model,
        "train": {"epochs": 1, "batch_size": 16},
    }


def judged(project: Project, spec: Mapping[str, Any], **params: Any) -> Verdict:
    project.write("team", TEAM)
    return independence(IndependenceParams(**params), measured(project, spec))


@pytest.mark.parametrize(
    ("model", "given"),
    [
        ("team:Masked", {}),
        ("team:Filters", {}),
        ("team:Attention", {}),
        ("team:Packed", {}),
        ("mean_embedding", {}),
        ("text_cnn", {}),
        ({"use": "transformer", "dim": 8, "layers": 1}, {}),
        ("team:WithMask", {"mask": "float32"}),
        ("team:WithMask", {"mask": "bool"}),
        ("team:WithMask", {"mask": "int64"}),
    ],
    ids=str,
)
def test_padding_that_is_masked_is_no_alarm(project: Project, model: Any, given: Mapping[str, Any]) -> None:
    """By the ids, by a mask beside them, by packing, and by the strongest answer."""
    project.write("team", TEAM)
    found = measured(project, text_spec(model, **given))

    assert found.padding is not None
    assert independence(IndependenceParams(), found).status is Status.PASSED


@pytest.mark.parametrize(
    ("model", "given"),
    [
        ("team:Unmasked", {}),
        ({"use": "team:Attention", "masked": False}, {}),
        ("team:Recurrent", {}),
        ("team:IgnoresMask", {"mask": "float32"}),
    ],
    ids=str,
)
def test_padding_that_counts_is_red(project: Project, model: Any, given: Mapping[str, Any]) -> None:
    """A row alone, a batch and another order are innocent."""
    verdict = judged(project, text_spec(model, **given))

    assert verdict.status is Status.FAILED
    assert verdict.findings == ("independence.padding",)


def test_padding_may_be_declared_as_always_the_same(project: Project) -> None:
    """Where every text that will come is padded to one length, it is no fault."""
    assert judged(project, text_spec("team:Unmasked"), padding=False).status is Status.PASSED


def test_a_model_of_one_length_is_not_asked(project: Project) -> None:
    """And a fact says so."""
    verdict = judged(project, text_spec("team:OneLength"))

    assert verdict.status is Status.PASSED
    assert "padding was not compared: the model takes texts of one length alone" in verdict.facts


@pytest.mark.parametrize("model", ["team:Speaker", "team:Steps", "causal_lm"])
def test_a_language_model_that_looks_back_is_no_alarm(project: Project, model: str) -> None:
    """With padding behind the texts."""
    project.write("team", TEAM)
    found = measured(project, text_spec(model, "Sentences", "language_model"))

    assert found.causal is not None
    assert independence(IndependenceParams(), found).status is Status.PASSED


@pytest.mark.parametrize("mask", ["none", "inverted", "one ahead"])
def test_a_language_model_that_looks_ahead_is_red(project: Project, mask: str) -> None:
    """However far."""
    verdict = judged(project, text_spec({"use": "team:Speaker", "mask": mask}, "Sentences", "language_model"))

    assert verdict.status is Status.FAILED
    assert "independence.causal" in verdict.findings


@pytest.mark.parametrize("model", ["CentredWhenLarge", "Squeezed", "BatchStatistics"])
def test_a_batch_that_matters_is_red(project: Project, model: str) -> None:
    """Above some number of rows, for a single row, or in every batch."""
    project.write("team", LARGE)
    verdict = independence(IndependenceParams(), measured(project, {**DIGITS, "model": f"team:{model}"}))

    assert verdict.status is Status.FAILED
    assert set(verdict.findings) == {"independence.alone"}


def test_pixels_that_are_whole_numbers_are_no_texts(project: Project) -> None:
    """Zeros stand in the middle of a row too."""
    project.write("team", LARGE)
    found = measured(project, {**DIGITS, "model": "team:Plain"})

    assert (found.padding, found.causal) == (None, None)
    assert found.large is not None
    assert found.large < found.tolerance
    assert found.large_rows > 200
