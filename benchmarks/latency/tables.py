"""The table: how often each statistic was right, and how far the neighbours move it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from .models import SIZES
from .trials import BUSY, QUIET, SLOW, SLOW_AND_BUSY, read

STATISTICS = ("latency.min", "latency.p50", "minimum", "p95", "mean", "torch")

ALLOWED = 1.25
"""What a bound allows above the model as it was: nearly the middle between it and one that takes 1.5 times as long."""


def table(path: Path) -> str:
    """A row for each model and statistic."""
    records = read(path)
    head = [
        "| model | statistic | alone, ms | beside neighbours | silent beside neighbours | slowdown caught | caught beside them |",
        "|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *(row for size in SIZES for row in _rows(size.name, records))])


def _rows(size: str, records: list[dict[str, Any]]) -> Iterator[str]:
    cases = {
        case: [record for record in records if (record["size"], record["case"]) == (size, case)]
        for case in (QUIET, BUSY, SLOW, SLOW_AND_BUSY)
    }
    if not all(cases.values()):
        return
    for name in STATISTICS:
        alone = median(record[name] for record in cases[QUIET])
        above = {case: [record[name] > ALLOWED * alone for record in found] for case, found in cases.items()}
        worst = max(record[name] for record in cases[BUSY]) / alone
        beside = median(record[name] for record in cases[BUSY]) / alone
        silent = f"{above[BUSY].count(False)} of {len(above[BUSY])}"
        caught = [f"{above[case].count(True)} of {len(above[case])}" for case in (SLOW, SLOW_AND_BUSY)]
        yield f"| {size} | {name} | {alone:.3g} | {beside:.2f}x (at most {worst:.2f}x) | {silent} | {' | '.join(caught)} |"
