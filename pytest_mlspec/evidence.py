"""What jobs give back: plain frozen values with units, and arrays that are read when they are asked for.

Every engine and probe answers with one of these; every check reads nothing else. `to_record` and `from_record` carry them
to and from the store: numbers and text as JSON, arrays apart, under the path of the field that holds them.

Shape letters: S optimiser steps, E epochs, N rows, C classes or outputs.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")


class Array:
    """An array of evidence, read at the first use of `values`.

    Made from an array at hand (`Array.of`) or from a function that reads it.
    """

    def __init__(self, read: Callable[[], np.ndarray[Any, Any]]) -> None:
        self._read = read

    @classmethod
    def of(cls, values: Any) -> Array:
        """The handle of `values`, anything that numpy makes an array of."""
        import numpy as np

        array = np.asarray(values)
        return cls(lambda: array)

    @cached_property
    def values(self) -> np.ndarray[Any, Any]:
        """The array."""
        return self._read()

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class SplitProfile:
    """The raw rows of one split, before anything is imputed or scaled.

    `nulls` and `infinite` count values per column, columns without any left out; `duplicates` counts the rows that repeat
    an earlier row of the same split; `classes` counts rows per class (empty for a regression); `prepared_nonfinite` counts
    the values per column that are still not finite when they reach the model. `examples` names the first rows behind these
    counts, by column, those of the target under its name.
    """

    rows: int
    duplicates: int = 0
    nulls: Mapping[str, int] = field(default_factory=dict)
    infinite: Mapping[str, int] = field(default_factory=dict)
    target_nonfinite: int = 0
    classes: Mapping[str, int] = field(default_factory=dict)
    prepared_nonfinite: Mapping[str, int] = field(default_factory=dict)
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Telling:
    """How well one column alone gives the target of rows that it was not learned from: 0 as a constant does, 1 without error.

    The score is the share of what a constant leaves wrong: rows of other classes than the most common one, or variance. `how`
    says in which way it gives every row: it is the `same`, rises or falls with it (`monotone`), parts the classes by `limits`,
    or has values with one target each (`values`).
    """

    column: str
    score: float
    how: Literal["same", "monotone", "limits", "values", ""] = ""


@dataclass(frozen=True)
class Relation:
    """The target, or the number of its class, as Σ slope · column + constant in every row, up to rounding."""

    terms: tuple[tuple[str, float], ...]
    constant: float = 0.0


@dataclass(frozen=True)
class Leaks:
    """What gives the target away, found in `rows` rows (0: too few): columns, the highest score first, an exact relation.

    `prepared` says that the columns are those that a preparation of the team gives, not raw ones.
    """

    rows: int
    columns: tuple[Telling, ...] = ()
    relation: Relation | None = None
    prepared: bool = False


@dataclass(frozen=True)
class Mixed:
    """A column of text in which almost all of `values` read as numbers, and `texts` do not; examples are (row, text)."""

    texts: int
    values: int
    examples: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class DataProfile:
    """What `Prepare` found, and the digest of the prepared examples.

    `shared` counts the distinct rows, by the values of their features, that stand in both splits of a pair such as
    `train/test`, `near` those of the second that equal one of the first up to rounding, case and blanks alone; examples name a
    few of them as (first, second). `accepts_nulls` says that the model handles missing values itself. `crossing` counts, where
    the split goes by `group` or `time`, the groups in both splits of a pair, or the rows of the second that are earlier than
    the last of the first. `leaks` is None where the task has no target. `constant` columns have one value in training,
    `identifiers` another one in every row.
    """

    splits: Mapping[str, SplitProfile]
    shared: Mapping[str, int]
    features: int
    digest: str
    shared_examples: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    near: Mapping[str, int] = field(default_factory=dict)
    near_examples: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    split_by: Literal["draw", "group", "time"] = "draw"
    split_column: str = ""
    crossing: Mapping[str, int] = field(default_factory=dict)
    crossing_examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    target: str = "target"
    accepts_nulls: bool = False
    leaks: Leaks | None = None
    mixed: Mapping[str, Mixed] = field(default_factory=dict)
    constant: tuple[str, ...] = ()
    identifiers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cost:
    """What a training took of its machine: figures of this one run.

    `rows` counts every row of every step, `rows_per_second` over the time of the steps. `phase_seconds` is the time of `fetch`
    and `evaluation`, and of `forward and backward` and `update` as estimated from sampled steps (of both as `steps`, where too
    few were). `peak_memory` is the largest resident memory of the job, `peak_device_memory` the most that torch held on a GPU,
    in bytes. `utilisation` is the share of time in which the GPU was busy; None where nothing tells, and
    `utilisation_missing` says why.
    """

    rows: int
    rows_per_second: float
    phase_seconds: Mapping[str, float]
    peak_memory: int
    peak_device_memory: int | None = None
    utilisation: float | None = None
    utilisation_missing: str = ""


@dataclass(frozen=True)
class TrainingRun:
    """One training, whatever the engine. Losses are in units of the declared loss, mean over rows.

    `loss_S`, `gradient_norm_S` and `learning_rate_S` hold one value per optimiser step (length 0 where the engine keeps no
    history; the norm is that before clipping). `losses_before` and `losses` hold the loss of each split in evaluation mode
    before the first step and at the end. `weights_digest` is the SHA-256 of every parameter and buffer, empty where the
    engine has none that can be read; `predictions_digest` that of the outputs on all splits. `examples_digest` is that of
    the prepared data it was trained on. `parameters` counts trainable scalars. `predictions` says what the stored ones are:
    `probabilities`, `values`, `clusters`, `tokens`, or `labels`, certain ones of an estimator that gives no probabilities;
    their arrays stand in `engines/predictions.py`. `skipped_steps` counts
    the steps of an fp16 training that the scaler left out; `update_ratio_U` is |update| / |weights| of the steps
    `update_step_U`, counted from 0, that were looked at more closely.
    """

    engine: str
    seed: int
    device: str
    device_reason: str
    threads: int
    steps: int
    epochs: int
    planned_steps: int
    rows: int
    parameters: int | None
    stopped: str
    best_epoch: int | None
    loss_S: Array
    gradient_norm_S: Array
    learning_rate_S: Array
    epochs_log: tuple[Mapping[str, float], ...]
    losses_before: Mapping[str, float]
    losses: Mapping[str, float]
    weights_digest: str
    predictions_digest: str
    examples_digest: str
    resumed_at: int | None = None
    loss_floor: float = 0.0
    predictions: str = "probabilities"
    notes: tuple[str, ...] = ()
    seconds: float = field(default=0.0, metadata={"volatile": True})
    hash_seed: str = field(default="", metadata={"volatile": True})
    skipped_steps: int = 0
    update_ratio_U: Array = field(default_factory=lambda: Array.of(()))
    update_step_U: Array = field(default_factory=lambda: Array.of(()))
    cost: Cost | None = field(default=None, metadata={"volatile": True})


@dataclass(frozen=True)
class SeedRuns:
    """The trainings of several seeds, in their order."""

    runs: tuple[TrainingRun, ...]


@dataclass(frozen=True)
class Interruption:
    """A training that was saved after `step` of its optimiser steps; `losses_before` as in `TrainingRun`."""

    step: int
    losses_before: Mapping[str, float]


@dataclass(frozen=True)
class Independence:
    """Differences of outputs that should be equal, in evaluation mode, as max |a − b| over rows and outputs.

    `alone`: a row by itself against the same row in a batch; `order`: the batch in another order; `repeat`: the same batch
    twice; `scale`: the largest |output|; `worst_row`: the row with the largest difference alone. `dtype` is that of the
    comparison and `tolerance` what rounding explains in it.
    """

    rows: int
    alone: float
    order: float
    repeat: float
    scale: float
    tolerance: float
    dtype: str
    worst_row: int
    device: str = "cpu"


@dataclass(frozen=True)
class ParameterGradient:
    """One parameter: `gradient_norm` is None where backward left no gradient; `change` is max |after − before| of a step.

    `frozen`: the spec says so under `train.freeze`.
    """

    name: str
    elements: int
    trainable: bool
    gradient_norm: float | None
    change: float
    frozen: bool = False


@dataclass(frozen=True)
class Gradients:
    """What one optimiser step does to every parameter.

    `poisoned` is the largest |difference| between the parameters after a clean step and after the same step begun with
    gradients left over from elsewhere; 0 where the step clears them. `steps` clean steps were taken from initialisation.
    """

    parameters: tuple[ParameterGradient, ...]
    poisoned: float
    poisoned_parameter: str
    rows: int
    steps: int = 1
    device: str = "cpu"


@dataclass(frozen=True)
class ConstantPrediction:
    """The lowest training loss of a constant output, in units of the declared loss; for cross-entropy that of the prior.

    `held_out` is the loss of that same output on each of the other splits; that of a language model counts each id once
    more there, so that a token which training never saw is not impossible.
    """

    loss: float
    rows: int
    outputs: tuple[float, ...] = ()
    held_out: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Score:
    """One metric: its value over `rows` rows, or the reason why it has none."""

    value: float | None
    rows: int
    error: str = ""
    advice: str = ""


@dataclass(frozen=True)
class ScoreTable:
    """Metrics by the key of their request; `confused` lists (true class, predicted class, rows) per split, most first."""

    scores: Mapping[str, Score]
    confused: Mapping[str, tuple[tuple[str, str, int], ...]] = field(default_factory=dict)


Evidence = (
    DataProfile | TrainingRun | SeedRuns | Interruption | Independence | Gradients | ConstantPrediction | ScoreTable
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
