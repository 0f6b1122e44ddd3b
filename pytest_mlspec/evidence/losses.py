"""How the loss of a training behaves as a function of the outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Extent = Literal["free", "probabilities", "log-probabilities", "between 0 and 1", "never negative"]
"""What the outputs of a model stay within, whatever its parameters; probabilities and their logarithms sum to 1 in each row."""

Told = Literal["classes", "values", "tokens"]
"""What the outputs of a model tell."""


@dataclass(frozen=True)
class StartLoss:
    """The loss of a new model, and that of outputs drawn at random with the standard deviation `deviation`.

    `of_larger` is that of outputs drawn twice as large.
    """

    loss: float
    of_random: float
    of_larger: float
    deviation: float


@dataclass(frozen=True)
class RowsOfLoss:
    """Relations between the loss of a batch and that of its rows, each 0 for a mean over rows that count for themselves.

    `times` is the loss of the batch repeated over that of the batch, 1 for a mean. `coupled` is how far the gradients of the
    other rows change, but for a common factor, when one row is replaced, as a share of the largest; `reordered` is the change
    of the loss in another order of the rows, as a share of it. `of_halves` is the loss of the batch over the larger one of its
    halves, at most 1 for any mean. `over_batch`: nothing changes where the outputs of all rows for
    a class are raised by the same number, as where a softmax or a mean goes over the batch.
    """

    times: float
    coupled: float
    reordered: float
    of_halves: float | None = None
    over_batch: bool = False


@dataclass(frozen=True)
class CertainLoss:
    """The loss where the outputs tell every target with certainty, `once` and twice as surely, and where they tell nothing.

    The outputs are such as the model can give. `lowest` is the loss of ones without bounds that tell every target, where that
    of wrong ones has no bound: None where it has one.
    """

    once: float
    twice: float
    undecided: float
    lowest: float | None = None


@dataclass(frozen=True)
class LossCalls:
    """The calls of losses by name in the first steps of a team's own fit, as far as it learned from them.

    `outputs` is how many numbers they took in all. `ranged` says whether these told what they stay within. `notes` say what
    could not be told.
    """

    count: int
    outputs: int
    ranged: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class LossAnswers:
    """How the loss answers to outputs put in the place of the model's; None where a relation could not be asked.

    With `calls` nothing was put in their place: the team's own calls were watched. Then `extent` is that of the outputs in
    them, `weights` are what the losses were given, `rows` those that they took, and nothing else is known.

    `subject` names the function, `declared` the loss by name that it is, else empty; `told` is what the outputs tell.
    `refused` says why the function could not be asked as one of the outputs, and `draws` that it gives equal outputs another
    loss with another seed: its rows are then not compared. In both cases `times_drawn` is about the loss of a batch and its copy,
    in losses of the batch. `takes_logits`: a number added to all outputs of a row changes
    nothing. `counted` of the `rows` have a gradient; `uncounted` are the classes none of whose rows has one, though they were
    not declared to be left out. `finite` says whether loss and gradients are.
    `agreement` is the share of targets, by class for a classification and under `all` otherwise, that the outputs tell after
    a descent of the loss; for values the share of pairs that stand in the order of their targets. `unseen` is the share of
    rows whose target may change without a change of the loss. `at_padding` is the largest gradient of an output whose target
    is padding, as a share of the largest, and `padded` how far more padding changes the loss, as a share of it.
    `weights` are those of the classes as gradients tell them, with a mean of 1, and `class_rows` the training rows of each.
    """

    subject: str
    declared: str
    told: Told
    rows: int
    extent: Extent
    floor: float = 0.0
    refused: str = ""
    draws: bool = False
    times_drawn: float | None = None
    tolerance: float = 0.0
    finite: bool = True
    takes_logits: bool = False
    start: StartLoss | None = None
    of_rows: RowsOfLoss | None = None
    certain: CertainLoss | None = None
    counted: int | None = None
    uncounted: tuple[str, ...] = ()
    agreement: Mapping[str, float] = field(default_factory=dict)
    unseen: float | None = None
    at_padding: float | None = None
    padded: float | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    class_rows: Mapping[str, int] = field(default_factory=dict)
    calls: LossCalls | None = None
    device: str = "cpu"
