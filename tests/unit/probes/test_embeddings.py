"""The probe of embeddings, on a healthy encoder and on planted faults, each of which the check turns red."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from encoders import PAIRS, write_encoder, write_pairs
from projects import Project

from pytest_mlspec.check import Status, Verdict
from pytest_mlspec.checks.embeddings import EmbeddingsParams, embeddings
from pytest_mlspec.errors import MeasurementError
from pytest_mlspec.evidence import Geometry
from pytest_mlspec.jobs import Embed

FAULTY = """
from pathlib import Path

import torch
import torch.nn.functional as F
from sentence_transformers import SentenceTransformer
from torch import nn

NAME = "sentence_embedding"


def built(*more, without=0, **named):
    encoder = SentenceTransformer(str(Path(__file__).parent / "tiny"), device="cpu", **named)
    kept = list(encoder)[: len(list(encoder)) - without]
    return SentenceTransformer(modules=[*kept, *more], device="cpu")


class Change(nn.Module):
    def __init__(self, change):
        super().__init__()
        self.change = change

    def forward(self, features):
        features[NAME] = self.change(features[NAME])
        return features


class MeanOfAll(nn.Module):
    def forward(self, features):
        features[NAME] = features["token_embeddings"].mean(1)
        return features


class FirstTokens(nn.Module):
    def forward(self, features):
        features["attention_mask"] = features["attention_mask"].clone()
        features["attention_mask"][:, 16:] = 0
        return features


def unnormalised():
    return built(Change(lambda values: 3 * values))


def without_mask():
    return built(MeanOfAll(), without=2)


def collapsed():
    return built(Change(lambda values: torch.ones_like(values) / values.shape[1] ** 0.5 + 1e-9 * values))


def dropout_left_on():
    return built(Change(lambda values: F.dropout(values, 0.1)))


def whitened():
    return built(Change(lambda values: values - 0.1 * values.mean(0)))


def cut_to_16():
    encoder = built()
    encoder.max_seq_length = 16
    return encoder


def cut_inside():
    encoder = built()
    transformer, *others = list(encoder)
    return SentenceTransformer(modules=[Cut(transformer), *others], device="cpu")


class Cut(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner
        self.max_seq_length = inner.max_seq_length
        self.tokenizer = inner.tokenizer
        self.modalities = ["text"]

    def preprocess(self, inputs, prompt=None, **named):
        return self.inner.preprocess([" ".join(text.split()[:8]) for text in inputs])

    def forward(self, features):
        return self.inner(features)
"""


@pytest.fixture
def texts(project: Project) -> Project:
    """A project with the encoder, the pairs, and a module of encoders with faults."""
    write_encoder(project.root / "tiny")
    write_pairs(project.root)
    project.write("faulty", FAULTY)
    return project


def geometry(project: Project, model: Mapping[str, Any] | str | None = None) -> Geometry:
    """That of the encoder before a training."""
    spec = PAIRS if model is None else {**PAIRS, "model": model}
    evidence = project.run(Embed(of=None), spec).evidence
    assert isinstance(evidence, Geometry)
    return evidence


def judged(project: Project, model: Mapping[str, Any] | str | None = None, **params: Any) -> Verdict:
    """The verdict of the check on the encoder before a training."""
    # a random encoder keeps texts apart only a little
    return embeddings(
        EmbeddingsParams(mean_cosine_at_most=0.99999, effective_rank_at_least=2, **params), geometry(project, model)
    )


def test_a_healthy_encoder_is_measured(texts: Project) -> None:
    """Norms of 1, nothing that changes an embedding, every end read."""
    found = geometry(texts)

    assert (found.split, found.dimensions, found.dtype, found.max_tokens) == ("test", 32, "float64", 32)
    assert found.rows == found.texts == 32
    assert found.norm_min == pytest.approx(1, abs=1e-6)
    assert max(found.differences.values()) < 1e-12
    assert set(found.differences) == {"repeat", "order", "companion", "padding", "alone"}
    assert (found.truncated, found.ends, found.ends_ignored) == (0, 32, 0)
    assert found.normalised
    assert judged(texts).status is Status.PASSED


@pytest.mark.parametrize(
    ("fault", "summary"),
    [
        ("unnormalised", "smallest norm 3, between 0.999 and 1.001"),
        ("without_mask", "beside a longer text"),
        ("collapsed", "mean cosine of different texts"),
        ("dropout_left_on", "the same batch twice"),
        ("whitened", "beside another text of its length"),
        ("cut_to_16", "longer than 16 tokens"),
        ("cut_inside", "whose last word changes nothing"),
    ],
)
def test_a_planted_fault_is_red(texts: Project, fault: str, summary: str) -> None:
    """And the verdict or one of its facts names it."""
    normalised = True if fault == "unnormalised" else False if fault in ("dropout_left_on", "whitened") else None
    verdict = judged(texts, f"faulty:{fault}", normalised=normalised)

    assert verdict.status is Status.FAILED
    assert summary in " ".join([verdict.summary, *verdict.facts])


def test_one_text_has_no_geometry(texts: Project) -> None:
    """Two different ones are needed."""
    (texts.root / "same.csv").write_text("question,answer\n" + "w1,w1\n" * 8, "utf-8")
    spec = {**PAIRS, "data": {**PAIRS["data"], "source": "same.csv"}}

    with pytest.raises(MeasurementError, match="split test has 1 different text: 2 are needed"):
        texts.run(Embed(of=None), spec)
