"""Evidence taken apart for the store and put together again: numbers and text as JSON, arrays apart, by field path."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin, get_type_hints

from pytest_mlspec.evidence.array import Array
from pytest_mlspec.evidence.baselines import Description, Recorded
from pytest_mlspec.evidence.capacity import Capacity
from pytest_mlspec.evidence.data import DataProfile
from pytest_mlspec.evidence.deployment import Exported, MemoryTrace, ModelCost, Parity, Served, Timing
from pytest_mlspec.evidence.embeddings import Geometry, TaskScore
from pytest_mlspec.evidence.evaluations import Evaluation, RoundTripped
from pytest_mlspec.evidence.extension import Measured
from pytest_mlspec.evidence.loops import LoopTrace
from pytest_mlspec.evidence.losses import LossAnswers
from pytest_mlspec.evidence.model import ConstantPrediction, Gradients, Independence, ScoreTable, SeedsTried
from pytest_mlspec.evidence.preparation import Agreement, LayerInputs, Refitted
from pytest_mlspec.evidence.properties import Search
from pytest_mlspec.evidence.schedules import DeclaredRates
from pytest_mlspec.evidence.steps import StepComparison
from pytest_mlspec.evidence.training import Interruption, SeedRuns, TrainingRun

if TYPE_CHECKING:
    import numpy as np

Evidence = (
    DataProfile
    | Refitted
    | LayerInputs
    | Agreement
    | TrainingRun
    | SeedRuns
    | Interruption
    | LossAnswers
    | DeclaredRates
    | Independence
    | Capacity
    | Evaluation
    | RoundTripped
    | StepComparison
    | LoopTrace
    | Gradients
    | SeedsTried
    | ConstantPrediction
    | ScoreTable
    | Timing
    | ModelCost
    | MemoryTrace
    | Exported
    | Parity
    | Served
    | TaskScore
    | Geometry
    | Description
    | Recorded
    | Measured
    | Search
)


@dataclass(frozen=True)
class Record:
    """Evidence taken apart: `fields` equal for equal results, `volatile` such as durations, and `arrays` by field path."""

    fields: dict[str, Any]
    volatile: dict[str, Any]
    arrays: dict[str, np.ndarray[Any, Any]]


def to_record(evidence: Evidence) -> Record:
    """`evidence` taken apart for the store."""
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    plain: dict[str, Any] = {}
    volatile: dict[str, Any] = {}
    for item in fields(evidence):
        target = volatile if item.metadata.get("volatile") else plain
        target[item.name] = _taken_apart(getattr(evidence, item.name), item.name, arrays)
    return Record({"evidence": type(evidence).__name__, **plain}, volatile, arrays)


def from_record(
    record: Mapping[str, Any], volatile: Mapping[str, Any], array: Callable[[str], np.ndarray[Any, Any]]
) -> Evidence:
    """The evidence that `to_record` took apart; `array` reads an array by its path, when it is first needed."""
    kinds = {kind.__name__: kind for kind in get_args(Evidence)}
    values = {name: value for name, value in {**record, **volatile}.items() if name != "evidence"}
    evidence: Evidence = _put_together(kinds[record["evidence"]], values, array)
    return evidence


def _taken_apart(value: Any, path: str, arrays: dict[str, np.ndarray[Any, Any]]) -> Any:
    if isinstance(value, Array):
        arrays[path] = value.values
        return {"array": path}
    if is_dataclass(value) and not isinstance(value, type):
        return {
            item.name: _taken_apart(getattr(value, item.name), f"{path}.{item.name}", arrays) for item in fields(value)
        }
    if isinstance(value, Mapping):
        return {str(key): _taken_apart(item, f"{path}.{key}", arrays) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_taken_apart(item, f"{path}.{number}", arrays) for number, item in enumerate(value)]
    return value


@lru_cache(maxsize=64)
def _hints(kind: type[Any]) -> dict[str, Any]:
    return get_type_hints(kind)


def _put_together(kind: Any, value: Any, array: Callable[[str], np.ndarray[Any, Any]]) -> Any:
    origin = get_origin(kind)
    if origin is Literal:
        return value
    if origin in (Union, types.UnionType):
        present = [option for option in get_args(kind) if option is not type(None)]
        return None if value is None else _put_together(present[0], value, array)
    if kind is Array:
        path = value["array"]
        return Array(lambda: array(path))
    if origin is tuple:
        items = get_args(kind)
        if len(items) == 2 and items[1] is Ellipsis:
            return tuple(_put_together(items[0], item, array) for item in value)
        return tuple(_put_together(item_kind, item, array) for item_kind, item in zip(items, value, strict=True))
    if origin is not None and issubclass(origin, Mapping):
        return {key: _put_together(get_args(kind)[1], item, array) for key, item in value.items()}
    if is_dataclass(kind):
        hints = _hints(kind)  # type: ignore[arg-type]
        return kind(**{name: _put_together(hints[name], item, array) for name, item in value.items()})  # type: ignore[operator]
    return float(value) if kind is float else value
