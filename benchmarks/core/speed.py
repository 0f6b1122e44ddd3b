"""Everybody on tasks A, B and C, each run against one of the loop written by hand just before it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from .contestants import OURS, Contestant, by_hand, others
from .measure import Ratio, machine, write
from .tasks import Task, tasks

# The first of several rounds warms up, and is not counted.
_ROUNDS = {"A": 12, "B": 10, "C": 6}
_TO = "everybody against the loop written by hand: how often as fast"


def run(*, quick: bool, only_ours: bool, json: Path | None) -> dict[str, list[Ratio]]:
    """Prints a table for each task and returns it by the task's name."""
    print(machine(), _TO, sep="\n")
    found, missing = ({}, []) if only_ours else others()
    if missing:
        print(f"not installed, and left out: {', '.join(missing)} (pip install {' '.join(missing)})")
    tables: dict[str, list[Ratio]] = {}
    for task in tasks():
        rounds = 1 if quick else _ROUNDS[task.name]
        one = replace(task, epochs=1) if quick else task
        tables[task.name] = list(_table(one, {**OURS, **found}, rounds))
    write(json, "speed", tables)
    return tables


def _table(task: Task, contestants: dict[str, Contestant], rounds: int) -> Iterable[Ratio]:
    ratios: dict[str, list[float]] = {name: [] for name in contestants}
    against_lightning: list[float] = []
    for number in range(rounds):
        taken: dict[str, float] = {}
        for name, train in contestants.items():
            reference = by_hand(task)
            taken[name] = reference / train(task)
        if number or rounds == 1:
            for name, ratio in taken.items():
                ratios[name].append(ratio)
            if "lightning, everything off" in taken:
                against_lightning.append(taken["core"] / taken["lightning, everything off"])
    print(f"\ntask {task.name}: {task.parameters:,} parameters, {task.steps} steps a run")
    if against_lightning:
        ratios["core against lightning off"] = against_lightning
    for name, values in ratios.items():
        row = Ratio.of(name, values)
        print(row, flush=True)
        yield row
