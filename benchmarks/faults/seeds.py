"""What a plain threshold on accuracy has to go by: the metric of the healthy projects with twenty seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks.faults.catalogue import PIPELINES
from benchmarks.faults.edits.edit import Lines
from benchmarks.faults.instances import Instance

SEEDS = 20
TOLERANCE = 3.30
"""Standard deviations below the mean of 20 runs that hold 99 % of the runs at 95 % confidence."""
POINTS = 0.05


def trainings() -> list[Instance]:
    """Each healthy project with each seed, without its checks."""
    found = []
    for pipeline in PIPELINES:
        for seed in range(SEEDS):
            change = Lines(f"{pipeline}.mlspec.yaml", partial(_with_seed, seed=seed))
            found.append(Instance(f"seed.{seed}.{pipeline}", "seed", pipeline, (change,)))
    return found


def _with_seed(lines: list[str], *, seed: int) -> list[str]:
    """The lines of a spec with this seed and no checks."""
    kept, inside = [], False
    for line in lines:
        inside = line.startswith("checks:") or (inside and line.startswith(" "))
        if not inside:
            seeded = f"train:\n  seed: {seed}" if line == "train:" else line
            kept.append(seeded.replace("engine: callable", f"engine: callable, seed: {seed}"))
    return kept


@dataclass(frozen=True)
class Thresholds:
    """The least that the metric of a pipeline may be: its mean less five points, and its calibrated bound."""

    mean: float
    deviation: float

    @property
    def plain(self) -> float:
        """Mean less 5 points."""
        return self.mean - POINTS

    @property
    def calibrated(self) -> float:
        """The bound that 99 % of healthy runs keep, at 95 % confidence."""
        return self.mean - TOLERANCE * self.deviation


def thresholds(metrics: Mapping[str, Sequence[float]]) -> dict[str, Thresholds]:
    """The thresholds of each pipeline from the metrics of its seeds."""
    found = {}
    for pipeline, values in metrics.items():
        mean = sum(values) / len(values)
        spread = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
        found[pipeline] = Thresholds(mean, spread)
    return found
