"""`embeddings`: texts keep apart, and an embedding depends on its text alone, on all of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import Field

from pytest_mlspec.check import Params, Status, Verdict, at_least, at_most, check, errored, first_red, within
from pytest_mlspec.evidence import Geometry
from pytest_mlspec.jobs import Embed

# What rounding in single precision leaves of a norm of 1.
_NORM = 1e-3
# Beyond these a norm is that of no direction, or its square is no number in single precision.
_SMALLEST, _LARGEST = 1e-12, 1e18

_CAUSES: Mapping[str, tuple[str, str]] = {
    "repeat": (
        "the same batch twice",
        "something is drawn at random: a dropout that does not ask for the mode, or one that eval() does not reach",
    ),
    "order": (
        "a batch in another order",
        "something looks at the whole batch, such as a whitening, batch statistics, or a sum over the wrong axis",
    ),
    "companion": (
        "beside another text of its length",
        "something looks at the whole batch, such as a whitening, batch statistics, or a mean that is taken out",
    ),
    "padding": (
        "beside a longer text",
        "padding counts: does the pooling use the attention mask, and does the model get it?",
    ),
    "alone": ("alone and in a batch", "something looks at the whole batch, or at its padding"),
}

_FINDINGS: Mapping[str, str] = {"repeat": "repeat", "padding": "padding"}
"""What is found where these differ; every other difference is one of the texts beside."""


class EmbeddingsParams(Params):
    """What the geometry of embeddings may be.

    `rows` texts of the test split are looked at. `normalised` says whether each norm must be 1, by default where the model has a
    module for it. `mean_cosine_at_most` bounds the mean cosine of different texts, `effective_rank_at_least` the effective
    number of dimensions in which they differ. `truncated_at_most` is the share of the texts that may be longer than the
    model reads; `tail_at_most` that of the others whose last word may change nothing.
    """

    rows: int = Field(256, ge=2, le=4096)
    normalised: bool | None = None
    mean_cosine_at_most: float = Field(0.95, gt=-1, lt=1)
    effective_rank_at_least: float = Field(4.0, gt=1)
    truncated_at_most: float = Field(0.05, ge=0, lt=1)
    tail_at_most: float = Field(0.0, ge=0, lt=1)


@check("embeddings", needs=lambda p: {"geometry": Embed(rows=p.rows)})
def embeddings(params: EmbeddingsParams, geometry: Geometry) -> Verdict:
    """Embeddings keep texts apart, and each depends on its own text alone, on all of it."""
    if at_least(geometry.texts, geometry.rows).status is Status.FAILED or at_least(geometry.rows, 2).status.red:
        return errored(f"{geometry.rows} of {geometry.texts} texts: at least 2 are needed")
    return first_red(
        *_norms(params, geometry), *_sameness(geometry), *_spread(params, geometry), *_ends(params, geometry)
    ).on(n=geometry.rows, device=geometry.device)


def _norms(params: EmbeddingsParams, geometry: Geometry) -> Iterator[Verdict]:
    low, high = geometry.norm_min, geometry.norm_max
    must_be_1 = geometry.normalised if params.normalised is None else params.normalised
    if must_be_1:
        for value, of in ((low, "smallest norm"), (high, "largest norm")):
            yield within(value, 1 - _NORM, 1 + _NORM, of=of).explained(
                advice="add a Normalize module after the pooling, or state `normalised: false`",
                finding="embeddings.norm",
            )
        return
    yield at_most(high, _LARGEST, of="largest norm")
    yield at_least(low, _SMALLEST, of="smallest norm").explained(
        advice="an embedding of zeros has no direction: what does the model give for this text?",
        finding="embeddings.norm",
    )


def _sameness(geometry: Geometry) -> Iterator[Verdict]:
    for name, (when, cause) in _CAUSES.items():
        if name not in geometry.differences:
            yield errored(f"not measured: {when}")
            continue
        verdict = at_most(geometry.differences[name], geometry.tolerance, of=f"change of an embedding, {when}:")
        fact = f"compared in {geometry.dtype}"
        yield _told(verdict, geometry, name, fact, advice=cause, finding=_FINDINGS.get(name, "alone"))


def _spread(params: EmbeddingsParams, geometry: Geometry) -> Iterator[Verdict]:
    collapsed = "texts collapse to one direction: a rate too high, a loss without negatives, or too few different texts"
    yield at_most(geometry.mean_cosine, params.mean_cosine_at_most, of="mean cosine of different texts").explained(
        advice=collapsed, finding="embeddings.collapse"
    )
    # So few texts cannot differ in more dimensions than that.
    possible = min(geometry.rows - 1, geometry.dimensions)
    wanted = min(params.effective_rank_at_least, max(1.0, possible / 2))
    yield at_least(geometry.effective_rank, wanted, of="effective rank").explained(
        f"of {possible} possible dimensions", advice=collapsed, finding="embeddings.collapse"
    )


def _ends(params: EmbeddingsParams, geometry: Geometry) -> Iterator[Verdict]:
    share = geometry.truncated / geometry.texts
    of = f"share of {geometry.split} texts longer than {geometry.max_tokens} tokens:"
    verdict = at_most(share, params.truncated_at_most, of=of)
    cut = f"{geometry.truncated} of {geometry.texts} texts are cut"
    advice = "raise model.max_length, split long texts, or state truncated_at_most"
    yield _told(verdict, geometry, "truncated", cut, advice=advice, finding="truncated")
    if geometry.ends:
        ignored = geometry.ends_ignored / geometry.ends
        verdict = at_most(ignored, params.tail_at_most, of="share of texts whose last word changes nothing:")
        tested = f"{geometry.ends_ignored} of the {geometry.ends} longest texts that the model should read to their end"
        advice = "the model cuts its input before max_seq_length: look at the tokenizer and at each module"
        yield _told(verdict, geometry, "end", tested, advice=advice, finding="truncated")


def _told(verdict: Verdict, geometry: Geometry, name: str, fact: str, *, advice: str, finding: str) -> Verdict:
    """A red verdict with its facts, the text behind it and advice; another as it is."""
    if not verdict.status.red:
        return verdict
    example = f"for example {geometry.examples[name]!r}" if name in geometry.examples else ""
    return verdict.explained(fact, example, advice=advice, finding=f"embeddings.{finding}")
