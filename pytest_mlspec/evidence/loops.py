"""What the loop around the steps of a training did: the rows that it used, and what became of gradients and state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class LostClass:
    """A class of which no row was trained on: its `rows`, and log10 of the `chance` of that where rows are drawn at random."""

    name: str
    rows: int
    chance: float


@dataclass(frozen=True)
class RowUse:
    """Which training rows the steps used.

    `unknown` says why the rows could not be told, and is empty where they could. Of `rows` in all, `unused` were in no step
    while `draws` rows were drawn; `unused_chance` is log10 of a bound on the probability of so many under random draws, and
    None where it cannot be told, as for draws with replacement. `given` rows stood in the batches that the steps were
    given; None where that is not known. `held_out` more were only ever evaluated, by themselves: the loop's own validation
    rows. `order_unknown` says why the order is not judged. `passes` over the rows were compared, of which
    `repeated` had the order of the first; `equal_for_seeds`: two seeds gave one order, which is not that of the rows; None where
    that was not looked at. In `batches` batches, `same_class` is how much more often two rows of a batch are of one class than
    in batches drawn from the same rows at random: 0 for such, 1 for rows sorted by class; `same_class_sigmas` is that in
    standard deviations of random batches. None where there are no classes. `batch_size` is the rows of a micro-batch of the
    most batches, `batch_share` the share that have so many, `step_rows` the rows of the most steps. `in_order` is the share of
    rows that come after one that stands before them in the split: 1 for rows in their order, and about a half for shuffled ones;
    None where the rows are not told apart.
    """

    rows: int
    unknown: str = ""
    draws: int = 0
    given: int | None = None
    unused: int = 0
    unused_chance: float | None = None
    held_out: int = 0
    lost_classes: tuple[LostClass, ...] = ()
    order_unknown: str = ""
    passes: int = 0
    repeated: int = 0
    equal_for_seeds: bool | None = None
    batches: int = 0
    same_class: float | None = None
    same_class_sigmas: float | None = None
    batch_size: int = 0
    batch_share: float = 0.0
    step_rows: int = 0
    in_order: float | None = None


@dataclass(frozen=True)
class LoopTrace:
    """What was seen of the steps of a training.

    `steps` optimiser steps were watched where `expected` were declared (None where nothing declares them); `whole` says that
    it was the whole training. `declared_batch` is the number of rows of a batch where the spec says it; `shuffled` is false
    where the spec says that rows keep their order, `in_time` is true where it splits them by time. `leftover` steps used
    gradients from before the step before, as in `leftover_name`; `late` forwards got their gradients after a step; `restarts`
    counts the times at which the optimiser forgot its state. `accumulated` is the number of backward passes of the most
    steps; the gradients of `dropped` windows of fewer passes were thrown away, or went into another window. `unheld` are
    parameters that get gradients, do not move and are in no optimiser that steps, `stale` modules of which that is true as a
    whole, `idle` optimisers that step and never find a gradient. `lost` is the mean share of updates that weights of the type
    `half` swallowed. `single_rows` steps took the statistics of a batch norm from one row. In evaluation, `changed` buffers
    changed, `evaluation_backward` forwards of other splits brought the parameters gradients, and `evaluation_in_training` ran
    in training mode, of a model for which that matters. `stands` names what is evaluated at the end with the weights of the
    beginning, while others moved. `equal_starts`: two seeds began with equal weights. `entered` is how many rows of a split
    that is neither for training nor for validation entered a model of a fit of the team's own, by the name of the split. `notes`
    say what is not judged.
    """

    engine: str
    rows: RowUse
    steps: int
    whole: bool
    expected: int | None = None
    declared_batch: int | None = None
    shuffled: bool = True
    in_time: bool = False
    leftover: int = 0
    leftover_name: str = ""
    late: int = 0
    restarts: int = 0
    accumulated: int = 1
    dropped: int = 0
    unheld: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    idle: tuple[str, ...] = ()
    half: str = ""
    lost: float | None = None
    single_rows: int = 0
    changed: tuple[str, ...] = ()
    evaluation_backward: int = 0
    evaluation_in_training: int = 0
    stands: str = ""
    equal_starts: bool | None = None
    entered: Mapping[str, int] = field(default_factory=dict)
    device: str = "cpu"
    seed: int = 0
    notes: tuple[str, ...] = ()
