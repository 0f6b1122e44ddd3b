"""Measures of embeddings: what a model scores on a task of MTEB."""

from __future__ import annotations

from statistics import fmean
from typing import Literal

from pydantic import Field

from pytest_mlspec.errors import did_you_mean
from pytest_mlspec.evidence import SubsetScore, TaskScore
from pytest_mlspec.jobs import EvaluateTask, ReadPublished, Train
from pytest_mlspec.quantities.measures import Reading, Selectors, quantity

MAIN = "main_score"
"""The name under which mteb repeats the score that stands for the task."""


class OfATask(Selectors):
    """Which model, which score, and where a task has several splits and subsets, on which of them."""

    task: str = Field(min_length=1)
    of: Literal["model", "base"] = "model"
    score: str = MAIN
    split: str | None = None
    subset: str | None = None


def _evaluated(of: OfATask) -> EvaluateTask:
    return EvaluateTask(of.task, of=None if of.of == "base" else Train())


@quantity(
    "mteb.{task}",
    higher_is_better=True,
    needs=_evaluated,
    references={
        "base": lambda of: EvaluateTask(of.task, of=None),
        "published": lambda of, file: ReadPublished(of.task, file),
    },
    lowest=-1.0,
    highest=1.0,
)
def task_score(of: OfATask, found: TaskScore) -> Reading:
    """The main score of a task of MTEB, the mean over its splits and subsets as mteb takes it; `score` names another."""
    parts = [part for part in found.parts if of.split in (None, part.split) and of.subset in (None, part.subset)]
    if not parts:
        there = sorted({f"{part.split}/{part.subset}" for part in found.parts})
        return Reading(None, facts=(f"{found.task} was evaluated on {', '.join(there)} alone",))
    known = set.intersection(*({*part.scores} for part in parts))
    if of.score not in known:
        return Reading(None, facts=(f"{found.task} has no score {of.score!r}",), advice=did_you_mean(of.score, known))
    value = fmean(part.scores[of.score] for part in parts)
    return Reading(value, n=_rows(parts), facts=_facts(of, found, parts), device=found.device)


def _rows(parts: list[SubsetScore]) -> int | None:
    rows = [part.rows for part in parts if part.rows is not None]
    return sum(rows) if rows else None


def _facts(of: OfATask, found: TaskScore, parts: list[SubsetScore]) -> tuple[str, ...]:
    score = found.main if of.score == MAIN else of.score
    over = "" if len(parts) == 1 else f", mean of {len(parts)}"
    where = ", ".join(f"{part.split}/{part.subset}" for part in parts[:5])
    model = f"; model {found.model_revision[:12]}" if found.model_revision else ""
    name = {"model": "the model", "base": "the model before the training"}.get(found.of, found.of)
    return (
        f"{name}: {score} on {where}{', …' if len(parts) > 5 else ''}{over}; data {found.data_revision[:12]}{model}"
        f"; mteb {found.mteb_version}",
        *found.notes,
    )
