"""What mteb gives, as evidence: every score that is a number, by split and subset."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any

from pytest_mlspec.errors import MeasurementError
from pytest_mlspec.evidence import SubsetScore, TaskScore
from pytest_mlspec.probes.mteb.embedders import Embedder
from pytest_mlspec.quantities.mteb import MAIN

if TYPE_CHECKING:
    from mteb import AbsTask
    from mteb.results import ModelResult


def score_of(
    found: ModelResult,
    task: AbsTask,
    *,
    of: str,
    data_revision: str,
    embedder: Embedder,
    notes: tuple[str, ...],
    seconds: float,
) -> TaskScore:
    """The evidence of one evaluation. Raises MeasurementError where a main score is no number."""
    (result,) = found.task_results
    return TaskScore(
        task=task.metadata.name,
        of=of,
        main=task.metadata.main_score,
        parts=parts_of(result.scores, task, key=f"mteb.{task.metadata.name}"),
        data_revision=data_revision,
        mteb_version=str(result.mteb_version),
        model_revision=embedder.digest,
        device=embedder.device,
        notes=notes,
        seconds=seconds,
    )


def parts_of(scores: Mapping[str, Iterable[Mapping[str, Any]]], task: AbsTask, *, key: str) -> tuple[SubsetScore, ...]:
    """The scores on the splits and subsets of `task`, in its order. Raises MeasurementError where one is missing."""
    return tuple(_parts(scores, task, key))


def _parts(scores: Mapping[str, Iterable[Mapping[str, Any]]], task: AbsTask, key: str) -> Iterator[SubsetScore]:
    for split in task.eval_splits:
        given = {str(each["hf_subset"]): each for each in scores.get(split, ())}
        for subset in task.hf_subsets:
            where = f"{task.metadata.name} on {split}/{subset}"
            if subset not in given:
                raise MeasurementError(f"there is no score of {where}", key=key)
            numbers = {name: float(value) for name, value in given[subset].items() if _is_number(value)}
            if MAIN not in numbers:
                raise MeasurementError(f"the score of {where} is {given[subset].get(MAIN)!r}, no number", key=key)
            languages = tuple(given[subset].get("languages", ()))
            yield SubsetScore(split, subset, languages, numbers, _rows(task, split, subset))


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and math.isfinite(value)


def _rows(task: AbsTask, split: str, subset: str) -> int | None:
    """How many rows the subset holds, queries of a retrieval; None where the data are not at hand."""
    dataset: Any = task.dataset
    if dataset is None:
        return None
    rows = dataset.get(subset, dataset)[split]
    return len(rows["queries"] if isinstance(rows, dict) else rows)
