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

    `alone_error` is what the model raises for a single row. `large`: a row in a batch of `large_rows` rows; `padding`: a text
    with another length of padding; `causal`: the outputs up to a position where the ids behind it are others. Each of the three
    is None where it could not be asked, and `left_out` says why, by its name.
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
    alone_error: str = ""
    large: float | None = None
    large_rows: int = 0
    padding: float | None = None
    causal: float | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ParameterGradient:
    """One parameter: `gradient_norm` is None where backward left no gradient; `change` is max |after − before| of a step.

    `frozen`: the spec says so under `train.freeze`. `symmetric` counts the units of a weight where each began equal to another
    one and got the same gradient as that one in every step; 0 where any did not. `dtype` is that of the values, and `lost` the
    share of those with a gradient that no step moved. `is_weight`: it has two dimensions or more. `rate` is the learning rate of
    the optimiser's group that holds it, 0 where none does; None where an engine keeps its optimiser to itself.
    """

    name: str
    elements: int
    trainable: bool
    gradient_norm: float | None
    change: float
    frozen: bool = False
    symmetric: int = 0
    dtype: str = "float32"
    lost: float = 0.0
    is_weight: bool = False
    rate: float | None = None


@dataclass(frozen=True)
class Gradients:
    """What one optimiser step does to every parameter.

    `poisoned` is the largest |difference| between the parameters after a clean step and after the same step begun with
    gradients left over from elsewhere; 0 where the step clears them. `steps` clean steps were taken from initialisation.
    `strangers` counts the tensors of the optimiser that are no parameters of the model, `repeated` names the parameters that
    it holds more than once; both are unknown, and 0, where an engine keeps its optimiser to itself. `update_ratio` is
    |change| / |start| of all parameters that learn, as norms over all steps; None where they start at 0. `constant_start`: there
    are several weights, and each begins with one value everywhere.
    """

    parameters: tuple[ParameterGradient, ...]
    poisoned: float
    poisoned_parameter: str
    rows: int
    steps: int = 1
    device: str = "cpu"
    strangers: int = 0
    repeated: tuple[str, ...] = ()
    update_ratio: float | None = None
    constant_start: bool = False


@dataclass(frozen=True)
class SeedsTried:
    """The beginnings of two trainings with different `seeds`.

    `same` names the global generators that both leave in one state, `places` where the team's code seeds one, with the same
    number in both. `left_out` says why nothing was tried, and is empty where it was.
    """

    seeds: tuple[int, int]
    same: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    left_out: str = ""


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
