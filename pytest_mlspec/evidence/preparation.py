"""What was found where the data were prepared once more, and where the targets were shuffled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Way = Literal["repeat", "again", "part", "order", "alone", "numbers", "nudged", "others"]
"""How examples that should be equal were made: the same rows prepared twice (`repeat`), the data loaded, split and fitted once
more (`again`), some rows without the others (`part`), in another order (`order`), one by itself (`alone`), under numbers that no
row has had (`numbers`), changed by a rounding error (`nudged`), or with other rows in the held-out splits (`others`)."""


@dataclass(frozen=True)
class Comparison:
    """Examples of `rows` rows of a split that should be equal.

    `apart` is the largest difference of two values as a share of the scale of their column, infinite where one is missing,
    or where what stands in `told` kept them from being compared; `tolerance` is what rounding explains. `where` names the
    value that differs most.
    """

    way: Way
    split: str
    rows: int
    apart: float
    tolerance: float
    where: str = ""
    told: str = ""


@dataclass(frozen=True)
class Scaled:
    """A column whose scale is exactly that of all rows together, and not that of the training rows.

    `standardized`: mean 0 and deviation 1; `limits`: from 0 to 1. `train` has these two numbers for the training rows.
    """

    column: str
    how: Literal["standardized", "limits"]
    train: tuple[float, float]


@dataclass(frozen=True)
class FitSeen:
    """A transformer that learned from `rows` rows in `load` or `split`, where held-out rows are among them."""

    name: str
    rows: int
    point: str


@dataclass(frozen=True)
class Refitted:
    """The preparation made once more. `rows` counts those of each split.

    `moved` counts the rows of each split that were not in it the second time. `scaled` columns and the transformers of
    `fitted` tell of statistics over held-out rows. `by_number` says that prepared rows follow the number of a row, not what
    stands in it. `loaded` counts the rows before the split, 0 where the source brings the splits, and `left_out` those of them
    that are in none. `unmeasured` says what could not be asked, and why.
    """

    rows: Mapping[str, int]
    comparisons: tuple[Comparison, ...]
    moved: Mapping[str, int] = field(default_factory=dict)
    scaled: tuple[Scaled, ...] = ()
    fitted: tuple[FitSeen, ...] = ()
    by_number: bool = False
    loaded: int = 0
    left_out: int = 0
    unmeasured: tuple[str, ...] = ()


@dataclass(frozen=True)
class Agreement:
    """How predictions of `rows` rows of `split` agree with targets that were shuffled before the split.

    For classes, or for values by their side of the median where many are equal (`cut`), `predicted` and `true` count the rows
    of each class, and `hits` those that are equal. `correlations` are those of ranks (Spearman): of the values, or of the
    probability of each class with the rows that are of it; none where many are equal.
    """

    split: str
    rows: int
    train_rows: int
    steps: int
    hits: int | None = None
    predicted: tuple[int, ...] = ()
    true: tuple[int, ...] = ()
    correlations: tuple[float, ...] = ()
    cut: bool = False


@dataclass(frozen=True)
class LayerInput:
    """The numbers that one layer takes of some rows, where no learned layer stands before it.

    `root_mean_square` is over all numbers; `column` is the position of the largest one by it, among the `columns` of the last
    axis or the channels. `zeros` is the share of numbers that are 0; `counts` says that all are whole and none is below 0;
    `same` that every row has the same ones.
    """

    layer: str
    kind: str
    dtype: str
    columns: int
    root_mean_square: float
    mean: float
    deviation: float
    low: float
    high: float
    column: int
    column_root_mean_square: float
    zeros: float = 0.0
    counts: bool = False
    same: bool = False


@dataclass(frozen=True)
class LayerInputs:
    """What the layers take that see the prepared inputs of `rows` training rows first."""

    rows: int
    layers: tuple[LayerInput, ...]
    device: str = "cpu"
