"""The score of a run, from its records: what counts as caught is decided here and nowhere else.

A fault is caught where a check of its committed list is red and the healthy project passes entirely. A pair without a record, or
one that is not planted, is missed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.faults.catalogue import FAULTS, Fault, Pair

Record = Mapping[str, Any]
Bounds = Mapping[str, float]


@dataclass(frozen=True)
class Scored:
    """One pair. `right` are the right checks that were red, `wrong` the others; `causes` says whether a true one was named.

    `silent` says that the metric kept its calibrated bound, and is None where there was no metric.
    """

    pair: Pair
    fault: Fault
    caught: bool
    right: tuple[str, ...]
    wrong: tuple[str, ...]
    causes: bool
    metric: float | None
    silent: bool | None
    measured: bool

    @property
    def any_red(self) -> bool:
        """Whether any check at all was red."""
        return bool(self.right or self.wrong)


def score(pair: Pair, records: Mapping[str, Record], bounds: Bounds) -> Scored:
    """What came of one pair; `bounds` are the calibrated ones by pipeline."""
    fault = FAULTS[pair.fault]
    record = records.get(pair.name)
    healthy = records.get(f"healthy.{pair.pipeline}")
    is_healthy = healthy is not None and bool(healthy["status"]) and not healthy["red"]
    red = [claim for claim in (record["red"] if record else ()) if not claim.startswith("test.")]
    right = tuple(claim for claim in red if claim in fault.right)
    metric = record["metric"] if record else None
    bound = bounds.get(pair.pipeline)
    return Scored(
        pair,
        fault,
        caught=is_healthy and bool(right),
        right=right,
        wrong=tuple(claim for claim in red if claim not in fault.right),
        causes=bool(record and set(record["suspects"][:3]) & set(fault.causes)),
        metric=metric,
        silent=None if bound is None or record is None else metric is not None and metric >= bound,
        measured=bool(record and record["status"]),
    )


@dataclass(frozen=True)
class Share:
    """So many of so many."""

    count: int
    of: int

    def __str__(self) -> str:
        return f"{self.count} of {self.of}" + (f" ({self.count / self.of:.0%})" if self.of else "")

    @property
    def interval(self) -> tuple[float, float]:
        """The exact 95 % interval of Clopper and Pearson."""
        from scipy.stats import beta

        low = 0.0 if self.count == 0 else float(beta.ppf(0.025, self.count, self.of - self.count + 1))
        high = 1.0 if self.count == self.of else float(beta.ppf(0.975, self.count + 1, self.of - self.count))
        return low, high


def share(found: Collection[bool]) -> Share:
    """How many are true."""
    return Share(sum(found), len(found))
