"""What a baseline file holds of a spec: its data and its untrained model, in as few numbers as tell a change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

SplitBy = Literal["draw", "group", "time", "source", "own"]
"""Who divides the rows: the spec by a draw, whole groups or time; the source, which brings its splits; the team's own code."""


@dataclass(frozen=True)
class Values:
    """How `count` numbers are distributed: each of `shares` is that of the numbers up to its cut, rounding apart.

    Of rows of several numbers each, `count` are the rows: those are what a draw draws. `common` is the most common number, in a
    share `common_share` of them. `grid` are the 101 numbers at 0, 1, … 100 % of the
    sorted ones: how the cuts of another baseline lie among these. A file does not hold it.
    """

    count: int
    cuts: tuple[float, ...] = ()
    shares: tuple[float, ...] = ()
    common: float | None = None
    common_share: float = 0.0
    grid: tuple[float, ...] = ()


@dataclass(frozen=True)
class ColumnDescription:
    """One raw column over all splits: `values` of its numbers, or the lengths of its texts in characters.

    `missing` is a share of `count` rows. `categories` counts the rows of each text that several rows have, where a few texts
    make up the column; `other` those of all other texts. `identifies` says that every row has another value.
    """

    kind: Literal["number", "text", "time"]
    count: int
    missing: float
    values: Values
    categories: Mapping[str, int] = field(default_factory=dict)
    other: int = 0
    identifies: bool = False


@dataclass(frozen=True)
class SplitDescription:
    """The rows of a split, those of each class, and the values of the targets where there are no classes.

    `digest` is one of the features of all its rows, in any order; empty where none was made.
    """

    rows: int
    classes: Mapping[str, int] = field(default_factory=dict)
    targets: Values | None = None
    digest: str = ""


@dataclass(frozen=True)
class GoldenRow:
    """One row by the hash of its features: the splits where it stands, its labels, and what enters the model, by input.

    Several splits or labels are those of rows with equal features. A sketch is a few random sums of the prepared row. `place` is
    the end of its number in the source: where rows are edited in place, those of the others stay.
    """

    splits: tuple[str, ...]
    labels: tuple[str, ...]
    sketches: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    place: str = ""


@dataclass(frozen=True)
class InputDescription:
    """One input of the model: its type, the shape of a row, its values by split, and how far sketches of rows differ."""

    dtype: str
    shape: tuple[int, ...]
    values: Mapping[str, Values] = field(default_factory=dict)
    spread: tuple[float, ...] = ()


@dataclass(frozen=True)
class Structure:
    """A model before its training: `parts` are its parameters by name with type and shape, or the settings of an estimator.

    `layers` are its layers without children, by name. `answers` are what it gives for made-up rows once its parameters are
    filled by their shapes: equal for equal functions, whatever the names of their parts; empty where that is not known.
    `declared` is what the spec says of it; `missing` says why the parts are not known.
    """

    declared: str
    parts: Mapping[str, str] = field(default_factory=dict)
    layers: Mapping[str, str] = field(default_factory=dict)
    answers: tuple[float, ...] = ()
    missing: str = ""


@dataclass(frozen=True)
class Description:
    """What `Describe` found; what a baseline file holds of one spec.

    `declared` is what the spec says of the data by the path of its key: two descriptions compare where it is equal, `split` what
    it says of the split. `order` is a digest of all rows in their order. `columns` stand in the order of the source. `fits` says
    that what enters the model follows from more than its own row: something is fitted on the training rows. `golden` rows are
    those with the lowest hashes of all, so that the same rows are followed however many stand around them; `asked` is how many
    were asked for, and with fewer than that, all rows are there. `missing` says why all the rest is not known.
    """

    declared: Mapping[str, str]
    splits: Mapping[str, SplitDescription]
    split_by: SplitBy
    classes: tuple[str, ...]
    columns: Mapping[str, ColumnDescription]
    inputs: Mapping[str, InputDescription]
    model: Structure
    golden: Mapping[str, GoldenRow] = field(default_factory=dict)
    asked: int = 0
    split: str = ""
    order: str = ""
    fits: bool = True
    missing: str = ""


@dataclass(frozen=True)
class Recorded:
    """What the baseline `file` says of a spec; `description` is None where it says nothing."""

    file: str
    spec_file: str
    description: Description | None = None
