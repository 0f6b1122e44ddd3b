"""`embeddings` is green only where texts keep apart and an embedding depends on its own text alone, on all of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_mlspec.check import Status
from pytest_mlspec.checks.embeddings import EmbeddingsParams, embeddings
from pytest_mlspec.evidence import Geometry

SAME = {"repeat": 0.0, "order": 1e-15, "companion": 2e-15, "padding": 3e-15, "alone": 4e-15}

HEALTHY = Geometry(
    rows=256,
    dimensions=384,
    norm_min=0.9999999,
    norm_max=1.0000001,
    mean_cosine=0.31,
    effective_rank=87.0,
    differences=SAME,
    tolerance=1e-9,
    dtype="float64",
    texts=300,
    truncated=0,
    max_tokens=256,
    ends=32,
    ends_ignored=0,
    normalised=True,
    examples={"padding": "why is my card late?", "truncated": "a long story", "end": "where is it"},
)

DEFAULT = EmbeddingsParams()


def test_healthy_embeddings_pass() -> None:
    """Each of the claims is told."""
    verdict = embeddings(DEFAULT, HEALTHY)

    assert verdict.status is Status.PASSED
    assert verdict.summary == "smallest norm 1, between 0.999 and 1.001"
    assert "mean cosine of different texts 0.31, at most 0.95" in verdict.facts
    assert "effective rank 87, at least 4" in verdict.facts
    assert "share of test texts longer than 256 tokens: 0, at most 0.05" in verdict.facts
    assert "share of texts whose last word changes nothing: 0, at most 0" in verdict.facts
    assert verdict.n == 256
    assert not any("for example" in fact for fact in verdict.facts)


FAULTS: list[tuple[dict[str, Any], str, str]] = [
    ({"norm_max": 5.2}, "largest norm 5.2, between 0.999 and 1.001", "add a Normalize module"),
    ({"norm_min": 0.0}, "smallest norm 0, between 0.999 and 1.001", "add a Normalize module"),
    ({"differences": {**SAME, "repeat": 0.2}}, "the same batch twice: 0.2", "dropout"),
    ({"differences": {**SAME, "order": 0.2}}, "a batch in another order: 0.2", "the whole batch"),
    ({"differences": {**SAME, "companion": 0.2}}, "beside another text of its length: 0.2", "whitening"),
    ({"differences": {**SAME, "padding": 0.2}}, "beside a longer text: 0.2", "attention mask"),
    ({"differences": {**SAME, "alone": 0.2}}, "alone and in a batch: 0.2", "the whole batch"),
    ({"mean_cosine": 0.999}, "mean cosine of different texts 0.999, at most 0.95", "collapse"),
    ({"effective_rank": 1.5}, "effective rank 1.5, at least 4", "collapse"),
    ({"truncated": 60}, "share of test texts longer than 256 tokens: 0.2, at most 0.05", "raise model.max_length"),
    ({"ends_ignored": 8}, "share of texts whose last word changes nothing: 0.25, at most 0", "cuts its input"),
]


@pytest.mark.parametrize(("changes", "summary", "advice"), FAULTS)
def test_a_fault_fails(changes: dict[str, Any], summary: str, advice: str) -> None:
    """With its measured value, the bound and the likely cause."""
    verdict = embeddings(DEFAULT, replace(HEALTHY, **changes))

    assert verdict.status is Status.FAILED
    assert summary in verdict.summary
    assert advice in " ".join(verdict.advice)


def test_the_text_behind_a_fault_is_named() -> None:
    """So that it can be looked at."""
    verdict = embeddings(DEFAULT, replace(HEALTHY, differences={**SAME, "padding": 0.2}))

    assert "for example 'why is my card late?'" in verdict.facts


@pytest.mark.parametrize(
    "changes",
    [
        {"norm_max": float("nan")},
        {"mean_cosine": float("nan")},
        {"effective_rank": float("nan")},
        {"differences": {**SAME, "padding": float("inf")}},
        {"differences": {}},
        {"rows": 1},
        {"rows": 0, "texts": 0},
    ],
)
def test_what_was_not_measured_is_an_error(changes: dict[str, Any]) -> None:
    """NaN is no norm, and no text is no proof."""
    assert embeddings(DEFAULT, replace(HEALTHY, **changes)).status is Status.ERROR


def test_without_a_module_for_it_norms_may_be_any_that_are_none_of_zero() -> None:
    """A model whose similarity is the cosine needs no norm of 1."""
    plain = replace(HEALTHY, normalised=False, norm_min=3.0, norm_max=7.0)

    assert embeddings(DEFAULT, plain).status is Status.PASSED
    assert embeddings(EmbeddingsParams(normalised=True), plain).status is Status.FAILED
    assert embeddings(DEFAULT, replace(plain, norm_min=0.0)).summary == "smallest norm 0, at least 1e-12"


@pytest.mark.parametrize(
    ("params", "changes", "status"),
    [
        ({"mean_cosine_at_most": 0.31}, {}, Status.PASSED),
        ({"mean_cosine_at_most": 0.3099}, {}, Status.FAILED),
        ({"effective_rank_at_least": 87.0}, {}, Status.PASSED),
        ({"effective_rank_at_least": 87.1}, {}, Status.FAILED),
        ({"truncated_at_most": 0.2}, {"truncated": 60}, Status.PASSED),
        ({"truncated_at_most": 0.19}, {"truncated": 60}, Status.FAILED),
        ({"tail_at_most": 0.25}, {"ends_ignored": 8}, Status.PASSED),
        ({}, {"rows": 3, "texts": 3, "effective_rank": 1.5}, Status.PASSED),
        ({}, {"ends": 0}, Status.PASSED),
    ],
)
def test_a_figure_may_reach_its_bound(params: dict[str, Any], changes: dict[str, Any], status: Status) -> None:
    """And three texts are not asked for four dimensions."""
    assert embeddings(EmbeddingsParams(**params), replace(HEALTHY, **changes)).status is status
