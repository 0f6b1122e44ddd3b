"""What a split by group or by time was to keep apart, recomputed from the raw rows of the splits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal

from pytest_mlspec.language.spec import Split
from pytest_mlspec.probes.counts import row_names
from pytest_mlspec.recipe.protocol import Rows
from pytest_mlspec.recipe.splitting import column_of, times_of

_EXAMPLES = 3


@dataclass(frozen=True)
class Crossing:
    """By pair of splits: the groups in both, or the rows of the second that are earlier than the last of the first."""

    by: Literal["draw", "group", "time"] = "draw"
    column: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def what_crosses(rows: Mapping[str, Rows], split: Split) -> Crossing:
    """What crosses from one split into another; raises DataError where the column is not there, or holds no times."""
    if split.time is not None:
        return _earlier(rows, split.time)
    return Crossing() if split.group is None else _in_both(rows, split.group)


def _earlier(rows: Mapping[str, Rows], column: str) -> Crossing:
    times = {name: times_of(part, column) for name, part in rows.items()}
    counts: dict[str, int] = {}
    examples: dict[str, tuple[str, ...]] = {}
    for first, second in combinations(rows, 2):
        early = (times[second] < times[first].max()).nonzero()[0]
        counts[f"{first}/{second}"] = len(early)
        examples[f"{first}/{second}"] = row_names(rows[second], early[:_EXAMPLES])
    return Crossing("time", column, counts, examples)


def _in_both(rows: Mapping[str, Rows], column: str) -> Crossing:
    groups = {name: set(column_of(part, column, key="data.split.group").astype(str)) for name, part in rows.items()}
    counts: dict[str, int] = {}
    examples: dict[str, tuple[str, ...]] = {}
    for first, second in combinations(rows, 2):
        both = sorted(groups[first] & groups[second])
        counts[f"{first}/{second}"] = len(both)
        examples[f"{first}/{second}"] = tuple(both[:_EXAMPLES])
    return Crossing("group", column, counts, examples)
