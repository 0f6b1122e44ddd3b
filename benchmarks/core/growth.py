"""How the time of a training grows with rows, parameters and batch: an MLP of 32 inputs and two hidden layers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import torch
from torch import nn

from .contestants import OURS, by_hand
from .measure import machine, write
from .tasks import Task

_FEATURES, _CLASSES = 32, 4
# A run of few rows takes more epochs, so that every run is long enough to be measured.
_ROWS_OF_A_RUN = 50_000
_ROUNDS = 3


@dataclass(frozen=True)
class Point:
    """One size: CPU time of the core, and how often as fast it is as the loop written by hand; medians of n runs."""

    rows: int
    width: int
    parameters: int
    batch_size: int
    microseconds_per_row: float
    microseconds_per_step: float
    ratio: float
    n: int

    def __str__(self) -> str:
        return (
            f"{self.rows:>9,} {self.parameters:>10,} {self.batch_size:>6,}"
            f" {self.microseconds_per_row:>9.2f} {self.microseconds_per_step:>10.0f} {self.ratio:>7.2f}  n={self.n}"
        )


def run(*, quick: bool, only_ours: bool, json: Path | None) -> dict[str, list[Point]]:
    """Prints a table for each of the three and returns it by name."""
    print(machine(), "the core, with clipping and history, against the loop written by hand", sep="\n")
    sizes = {
        "rows": [(10**power, 64, 256) for power in ((3, 4) if quick else (3, 4, 5, 6))],
        "parameters": [(10_000, width, 64) for width in ((16, 64) if quick else (16, 64, 256, 1024))],
        "batch": [(20_000, 64, size) for size in ((64, 1024) if quick else (16, 64, 256, 1024, 4096))],
    }
    tables: dict[str, list[Point]] = {}
    for name, points in sizes.items():
        print(f"\nby {name}\n     rows parameters  batch    µs/row    µs/step   ratio", flush=True)
        tables[name] = list(_points(points, rounds=1 if quick else _ROUNDS))
    write(json, "growth", tables)
    return tables


def _points(sizes: Iterable[tuple[int, int, int]], *, rounds: int) -> Iterable[Point]:
    train = OURS["core, clip_norm"]
    for rows, width, batch_size in sizes:
        task = _task(rows, width, batch_size)
        pairs = [(by_hand(task), train(task)) for _ in range(rounds)]
        seconds = median(ours for _, ours in pairs)
        point = Point(
            rows,
            width,
            task.parameters,
            batch_size,
            1e6 * seconds / (rows * task.epochs),
            1e6 * seconds / task.steps,
            median(theirs / ours for theirs, ours in pairs),
            rounds,
        )
        print(point, flush=True)
        yield point


def _task(rows: int, width: int, batch_size: int) -> Task:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(rows, _FEATURES, generator=generator)
    targets = torch.randint(_CLASSES, (rows,), generator=generator)
    epochs = max(1, _ROWS_OF_A_RUN // rows)
    return Task(f"{rows} rows", inputs, targets, partial(_model, width), epochs, batch_size)


def _model(width: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(_FEATURES, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, _CLASSES)
    )
