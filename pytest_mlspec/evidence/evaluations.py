"""What was measured on a team's own evaluation, and on its own checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Mistake = Literal["", "other_split", "rows", "batches", "averaging"]
"""What a number is in place of the metric that its name stands for, where that was found."""


@dataclass(frozen=True)
class OwnMetric:
    """One number that the team's `evaluate` gave for `rows` rows of a split, and what it should be.

    `case`: `whole`, the split against scikit-learn on the stored predictions; `fewer`, less of its rows against the same;
    `again` and `order`, the rows once more and in another order, against the first call. `metric` is the quantity that the
    name stands for, `expected` its value (None where there is none, and `unscored` says why), `allowed` the difference that
    rounding explains. `like` says in words what the number is instead, and `mistake` names its kind.
    """

    name: str
    split: str
    case: Literal["whole", "fewer", "again", "order"]
    value: float
    metric: str
    expected: float | None
    allowed: float
    rows: int
    like: str = ""
    mistake: Mistake = ""
    unscored: str = ""


@dataclass(frozen=True)
class Slice:
    """How the model does on the rows of one class, or of one value of a raw column, of the split `Evaluation.split`.

    `correct` of its `rows` are answered right. `useless` is the share of right answers that is had without looking at a row:
    the lower one of the commonest class of training, and of predictions drawn from those for all rows. `rest_*` are the other
    rows, `train_*` the same slice of the training rows. `raw` of the rows are different as they were read, `inputs` as they
    enter the model, `outputs` as it answers them; `rest_inputs` and `rest_outputs` are these as shares of the other rows that
    were read as different. 0 where nothing of it was counted.
    """

    name: str
    rows: int
    correct: int
    useless: float
    rest_rows: int
    rest_correct: int
    train_rows: int
    train_correct: int
    raw: int = 0
    inputs: int = 0
    outputs: int = 0
    rest_inputs: float = 0.0
    rest_outputs: float = 0.0


@dataclass(frozen=True)
class Evaluation:
    """A trained model and its evaluation.

    `own`: the recipe gives `evaluate`; `metrics` are its numbers whose name is known, `unknown` the others, by split and name.
    `changed` names what it changed, by part: parameters, buffers, gradients, requires_grad, optimizer, schedule, arrays.
    `failed` says what it raised, by case. `forward_changed` is what the forward of the model in evaluation mode changes, by part;
    None where there is no such model. `repeats` are the largest differences between two evaluations of the same rows, relative to
    the largest number: of the `inputs` of the model, of its `outputs`, of what it answers to the team's `evaluate` (`own`).
    `in_training` says that this calls the model in training mode. `answered` is how many rows of those given it asks the model
    for; None where it calls parts of the model alone. `slices` are those of the split `split`; None where there are no classes.
    """

    own: bool
    metrics: tuple[OwnMetric, ...] = ()
    unknown: Mapping[str, float] = field(default_factory=dict)
    changed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    forward_changed: Mapping[str, tuple[str, ...]] | None = None
    repeats: Mapping[str, float] = field(default_factory=dict)
    in_training: bool = False
    answered: int | None = None
    slices: tuple[Slice, ...] | None = None
    split: str = ""
    rows: int = 0
    device: str = "cpu"
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class RoundTripped:
    """A training saved by the team's own `save` and restored by its own `restore`.

    `unasked` says why there was nothing to try; else `steps` steps were taken, `compared` tensors and values held against each
    other, and `lost` are those that a restored training has not, or has otherwise; `moved` those that were right, and no longer
    are after one more step of the training that was saved. `outputs` is max |a − b| of the restored model's outputs. `torn` says,
    by the bytes that could be written of the second of two checkpoints, what was restored then, and is empty where that was one
    of the two; `whole` says which. `not_torn` is why none was torn. `failed` is what `restore` raised right after `save`.
    """

    unasked: str = ""
    steps: int = 0
    compared: int = 0
    lost: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    outputs: float = 0.0
    torn: Mapping[str, str] = field(default_factory=dict)
    whole: Mapping[str, str] = field(default_factory=dict)
    not_torn: str = ""
    failed: str = ""
    device: str = "cpu"
