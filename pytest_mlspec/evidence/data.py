"""What was found in the data: a profile of each split, and what gives the target away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


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
class Filled:
    """A column of numbers in which `rows` rows have a 0 that lies far from all others, which go from `low` to `high`."""

    rows: int
    low: float
    high: float


@dataclass(frozen=True)
class Shortened:
    """Lengths of a text or a sequence in two splits: `longer_rows` of `other` are longer than the `longest` of `split`.

    `rows_at_longest` of the `rows` of `split` have just that length; `unit` is what is counted.
    """

    column: str
    unit: str
    split: str
    longest: int
    rows: int
    rows_at_longest: int
    other: str
    other_rows: int
    longer_rows: int


@dataclass(frozen=True)
class Contradicted:
    """Of `rows` training rows, and of the `held_out` ones, how many have a label that almost all neighbours contradict.

    `examples` are (row, label) of some training rows.
    """

    rows: int
    against: int
    held_out: int = 0
    held_out_against: int = 0
    examples: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class InputSummary:
    """What enters the model of the training rows: the type and shape of a row, and figures over all numbers that are finite.

    `distinct` is how many different numbers there are; `whole` says that none has a fraction.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    mean: float
    deviation: float
    low: float
    high: float
    distinct: int = 0
    whole: bool = False


@dataclass(frozen=True)
class DataProfile:
    """What `Prepare` found, and the digest of the prepared examples.

    `shared` counts the distinct rows, by the values of their features, that stand in both splits of a pair such as
    `train/test`, `near` those of the second that equal one of the first up to rounding, case and blanks alone; examples name a
    few of them as (first, second). `accepts_nulls` says that the model handles missing values itself. `crossing` counts, where
    the split goes by `group` or `time`, the groups in both splits of a pair, or the rows of the second that are earlier than
    the last of the first. `leaks` is None where the task has no target. `constant` columns have one value in training,
    `identifiers` another one in every row. `one_pool` says that the splits were drawn from rows that were loaded as one.
    `contradicted` is None where no neighbours could be asked. `raw_numbers` is how many different numbers the raw training rows
    hold, of those that `inputs` summarises.
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
    filled: Mapping[str, Filled] = field(default_factory=dict)
    one_pool: bool = False
    shortened: tuple[Shortened, ...] = ()
    contradicted: Contradicted | None = None
    inputs: tuple[InputSummary, ...] = ()
    raw_numbers: int = 0
