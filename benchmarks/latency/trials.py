"""The trials: which are missing, and the figures of each, from the same calls.

Shape letters: R calls.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.benchmark import Timer

from pytest_mlspec.probes.stopwatch import stopwatch
from pytest_mlspec.probes.timing import matrix_products, timed

from .models import NEIGHBOURS, Size, call_of, neighbours

CALLS = 10
"""As a gate on `latency.min` asks for."""

QUIET, BUSY, SLOW, SLOW_AND_BUSY = "alone", "neighbours", "slower", "slower, neighbours"
CASES: Mapping[str, tuple[bool, int]] = {
    QUIET: (False, 0),
    BUSY: (False, NEIGHBOURS),
    SLOW: (True, 0),
    SLOW_AND_BUSY: (True, NEIGHBOURS),
}
"""Whether the model is slower, and how many neighbours there are. The first one gives the bounds."""

_OF_THE_BOUND = 5


def missing(records: Path, sizes: Sequence[Size], wanted: int, *, deadline: float) -> Iterator[str]:
    """The records that `records` lacks, made one after another, a few of each case in turn, until the deadline."""
    made = Counter((record["size"], record["case"]) for record in read(records))
    for goal in range(1, wanted + 1):
        for case, (slower, count) in CASES.items():
            lacking = [size for size in sizes if made[size.name, case] < min(goal, _needed(case, wanted))]
            if not lacking:
                continue
            with neighbours(count):
                for size in lacking:
                    if time.monotonic() > deadline:
                        return
                    yield json.dumps({"size": size.name, "case": case, **_figures(call_of(size, slower=slower))})
                    made[size.name, case] += 1


def read(records: Path) -> list[dict[str, Any]]:
    """What is there already."""
    return [json.loads(line) for line in records.read_text("utf-8").splitlines()] if records.exists() else []


def _needed(case: str, wanted: int) -> int:
    return min(_OF_THE_BOUND, wanted) if case == QUIET else wanted


def _figures(call: Callable[[], object]) -> dict[str, float]:
    """Every statistic in milliseconds."""
    with stopwatch() as watch:
        ours = timed(call, calls=CALLS, watch=watch, reference=matrix_products())
    wall_R = ours.wall_ms_R
    return {
        "calls": len(wall_R),
        "latency.min": ours.relative * ours.reference_ms,
        "latency.p50": float(np.median(ours.own_ms_R)),
        "minimum": float(wall_R.min()),
        "p95": float(np.percentile(wall_R, 95)),
        "mean": float(wall_R.mean()),
        "torch": 1e3 * Timer("call()", globals={"call": call}).blocked_autorange(min_run_time=0.1).median,
    }
