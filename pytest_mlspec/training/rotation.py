"""Checkpoints of a training while it runs: every so many steps or seconds, the last few of them, and the best.

    step-00000120/   the state after 120 steps         best/   the state after the epoch with the best monitored value

A new one is written and read back before an older one goes, so there is always one that can be restored.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pytest_mlspec.errors import TrainingError
from pytest_mlspec.training import checkpoint
from pytest_mlspec.training.early_stop import EarlyStop
from pytest_mlspec.training.schedule import monitored
from pytest_mlspec.training.state import State

BEST = "best"
_KEY = "train.checkpoint"


@dataclass(frozen=True)
class Rotation:
    """A checkpoint every `steps` optimiser steps or every `seconds`, one of the two; the last `keep` stay."""

    steps: int | None = None
    seconds: float | None = None
    keep: int = 2

    def __post_init__(self) -> None:
        if (self.steps is None) is (self.seconds is None):
            raise TrainingError("a checkpoint is written every so many steps or seconds: one of them", key=_KEY)
        if self.keep < 1 or (self.steps is not None and self.steps < 1):
            raise TrainingError("steps and keep are at least 1", key=_KEY)


class RotatingCheckpoints:
    """Writes the checkpoints of one training to `folder`.

    The best epoch is that of the early stop's rule; without one, that of the lowest loss: `val.loss` where it is measured,
    else `train.loss`, and never that of the test split.
    """

    def __init__(
        self,
        rule: Rotation,
        folder: Path,
        *,
        best_by: EarlyStop | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rule = rule
        self._folder = folder
        self._best_by = best_by
        self._clock = clock
        self._written_at = clock()
        self._written_step = 0
        self._best: float | None = None

    def is_due(self, state: State) -> bool:
        """Whether the time or the step has come."""
        if self._rule.steps is not None:
            return state.step % self._rule.steps == 0 and state.step != self._written_step
        assert self._rule.seconds is not None, "a rule has steps or seconds"
        return self._clock() - self._written_at >= self._rule.seconds

    def save(self, state: State) -> None:
        """Writes a checkpoint, reads it back, and lets the oldest go. Raises TrainingError where it cannot be read back."""
        self._write(state, self._folder / f"step-{state.step:08d}")
        self._written_at, self._written_step = self._clock(), state.step
        for old in sorted(self._folder.glob("step-*"))[: -self._rule.keep]:
            shutil.rmtree(old)

    def after_epoch(self, state: State, metrics: Mapping[str, float]) -> None:
        """Writes what is due at the end of an epoch, and the best where this one is that."""
        if self.is_due(state):
            self.save(state)
        value = self._value(metrics)
        if self._best is not None and not value < self._best:
            return
        self._best = value
        new, best, old = (self._folder / name for name in ("new", BEST, "old"))
        self._write(state, new)
        if best.exists():
            best.rename(old)
        new.rename(best)
        shutil.rmtree(old, ignore_errors=True)

    def _write(self, state: State, directory: Path) -> None:
        checkpoint.save(state, directory)
        checkpoint.verify(directory)

    def _value(self, metrics: Mapping[str, float]) -> float:
        """The monitored value of an epoch, so that less is better. Raises TrainingError where it is not finite."""
        if self._best_by is None:
            return monitored(metrics, "val.loss" if "val.loss" in metrics else "train.loss", key=_KEY)
        value = monitored(metrics, self._best_by.monitor, key="train.early_stop.monitor")
        return value if self._best_by.mode == "min" else -value
