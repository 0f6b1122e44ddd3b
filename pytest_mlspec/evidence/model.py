"""What was measured on a model: its gradients, the independence of its rows, its metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


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
