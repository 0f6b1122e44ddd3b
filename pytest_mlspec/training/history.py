"""What every step and epoch left behind, recorded without a synchronisation per step.

Shape letters: S optimiser steps, E epochs, U sampled steps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pytest_mlspec.errors import TrainingError

FloatArray = NDArray[np.float64]

_FEWEST_SAMPLES = 5

# From 2^16, where torch begins, the scale of the loss is then below one: it is not the scale.
SKIPPED_IN_A_ROW = 20


@dataclass(frozen=True)
class History:
    """A training as numbers; steps and epochs count from 0, losses are those that the steps were taken on.

    `gradient_norm_S` is the 2-norm over all gradients, before clipping (in a step that the user's code owns: as its
    optimiser found them); `learning_rate_S` that of the first parameter group; `rows_S` the rows of the step.
    `epochs_log` holds the metrics of each epoch, with `train.loss`, the mean over its rows; `seconds_E` the time of its
    steps, without the evaluation. `stopped` says why the training ended; `best_epoch` is set by an early stop.

    `skipped_steps` counts the steps of an fp16 training whose gradients were not finite in that precision: the weights stayed
    as they were, and the schedule and the rows went on. `update_ratio_U` is |update| / |weights| of the sampled steps
    `update_step_U`; `phase_seconds` is the time of each phase, forward, backward and update estimated from those steps
    where they are enough, else together as `steps`.
    """

    loss_S: FloatArray
    gradient_norm_S: FloatArray
    learning_rate_S: FloatArray
    rows_S: NDArray[np.int64]
    epochs_log: tuple[Mapping[str, float], ...]
    seconds_E: FloatArray
    stopped: str
    best_epoch: int | None
    skipped_steps: int
    update_ratio_U: FloatArray
    update_step_U: NDArray[np.int64]
    phase_seconds: Mapping[str, float]

    def __len__(self) -> int:
        return len(self.loss_S)


@dataclass
class Record:
    """The history as it grows. Losses and norms of another device than the CPU wait there until `flush`."""

    losses: list[float] = field(default_factory=list)
    gradient_norms: list[float] = field(default_factory=list)
    learning_rates: list[float] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    epochs_log: list[dict[str, float]] = field(default_factory=list)
    epoch_ends: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    seconds_in_epoch: float = 0.0
    update_ratios: list[float] = field(default_factory=list)
    update_steps: list[int] = field(default_factory=list)
    phases: dict[str, float] = field(default_factory=dict)
    sampled: dict[str, list[float]] = field(default_factory=dict)
    _pending: list[Tensor] = field(default_factory=list)
    _looked_at: int = 0

    def add_step(self, loss: Tensor, gradient_norm: Tensor, learning_rate: float, rows: int) -> None:
        """Takes in one step; waits for no device."""
        if loss.is_cpu and gradient_norm.is_cpu and not self._pending:
            self.add_numbers(loss.item(), gradient_norm.item(), learning_rate, rows)
            return
        self._pending += [loss, gradient_norm]
        self.learning_rates.append(float(learning_rate))
        self.rows.append(rows)

    def add_numbers(self, loss: float, gradient_norm: float, learning_rate: float, rows: int) -> None:
        """Takes in one step whose numbers have been read, where none of another step is pending."""
        self.losses.append(loss)
        self.gradient_norms.append(gradient_norm)
        self.learning_rates.append(float(learning_rate))
        self.rows.append(rows)

    def add_sample(self, step: int, ratio: float, seconds: Mapping[str, float]) -> None:
        """Takes in a sampled step: its update ratio, and the time of its phases."""
        self.update_ratios.append(ratio)
        self.update_steps.append(step)
        for phase, taken in seconds.items():
            self.sampled.setdefault(phase, []).append(taken)

    def add_seconds(self, phase: str, seconds: float) -> None:
        """Takes in time of a phase that is measured as a whole."""
        self.phases[phase] = self.phases.get(phase, 0.0) + seconds

    @property
    def pending(self) -> int:
        """The steps whose numbers are still on the device."""
        return len(self._pending) // 2

    def flush(self, *, scaled: bool = False) -> int | None:
        """Reads what is pending: the one synchronisation. The first step whose loss or norm is not finite, or None.

        In a `scaled` training a norm that is not finite is a skipped step, until too many follow each other.
        """
        if self._pending:
            values = torch.stack(self._pending).cpu().tolist()
            self._pending.clear()
            self.losses += values[0::2]
            self.gradient_norms += values[1::2]
        first, self._looked_at = self._looked_at, len(self.losses)
        for step in range(first, len(self.losses)):
            if not math.isfinite(self.losses[step]):
                return step
            if not math.isfinite(self.gradient_norms[step]) and (not scaled or self._skipped_in_a_row(step)):
                return step
        return None

    def _skipped_in_a_row(self, step: int) -> bool:
        last = self.gradient_norms[max(0, step + 1 - SKIPPED_IN_A_ROW) : step + 1]
        return len(last) == SKIPPED_IN_A_ROW and not any(map(math.isfinite, last))

    def end_epoch(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """Closes the epoch with the metrics measured after it, and returns them with `train.loss` added.

        Raises TrainingError where they are not those of the epoch before.
        """
        begin = self.epoch_ends[-1] if self.epoch_ends else 0
        rows = self.rows[begin:]
        mean = sum(loss * n for loss, n in zip(self.losses[begin:], rows, strict=True)) / sum(rows)
        measured = {"train.loss": mean, **{name: float(value) for name, value in metrics.items()}}
        if self.epochs_log and self.epochs_log[-1].keys() != measured.keys():
            changed = sorted(self.epochs_log[-1].keys() ^ measured.keys())
            raise TrainingError(f"evaluate measures other metrics than in the epoch before: {', '.join(changed)}")
        self.epochs_log.append(measured)
        self.epoch_ends.append(len(self.losses))
        self.seconds.append(self.seconds_in_epoch)
        self.seconds_in_epoch = 0.0
        return measured

    def history(self, *, stopped: str, best_epoch: int | None) -> History:
        """The record as arrays. To be called after `flush`."""
        return History(
            loss_S=np.array(self.losses, dtype=np.float64),
            gradient_norm_S=np.array(self.gradient_norms, dtype=np.float64),
            learning_rate_S=np.array(self.learning_rates, dtype=np.float64),
            rows_S=np.array(self.rows, dtype=np.int64),
            epochs_log=tuple(dict(metrics) for metrics in self.epochs_log),
            seconds_E=np.array(self.seconds, dtype=np.float64),
            stopped=stopped,
            best_epoch=best_epoch,
            skipped_steps=sum(not math.isfinite(norm) for norm in self.gradient_norms),
            update_ratio_U=np.array(self.update_ratios, dtype=np.float64),
            update_step_U=np.array(self.update_steps, dtype=np.int64),
            phase_seconds=self._phase_seconds(),
        )

    def _phase_seconds(self) -> dict[str, float]:
        """What was measured as a whole, and the rest of the time of the steps, shared as in the sampled ones.

        Shared only where there are samples enough: one of them tells what else the machine did in that moment.
        """
        rest = sum(self.seconds) + self.seconds_in_epoch - self.phases.get("fetch", 0.0)
        typical = {phase: median(taken) for phase, taken in self.sampled.items() if len(taken) >= _FEWEST_SAMPLES}
        total = sum(typical.values())
        shared = {phase: rest * taken / total for phase, taken in typical.items() if total}
        return {**self.phases, **(shared or {"steps": rest})}

    def state_dict(self) -> dict[str, Any]:
        """What `restored` needs. To be called after `flush`."""
        return {
            "losses": torch.tensor(self.losses, dtype=torch.float64),
            "gradient_norms": torch.tensor(self.gradient_norms, dtype=torch.float64),
            "learning_rates": torch.tensor(self.learning_rates, dtype=torch.float64),
            "rows": torch.tensor(self.rows, dtype=torch.int64),
            "epochs_log": self.epochs_log,
            "epoch_ends": self.epoch_ends,
            "seconds": self.seconds,
            "seconds_in_epoch": self.seconds_in_epoch,
            "update_ratios": torch.tensor(self.update_ratios, dtype=torch.float64),
            "update_steps": torch.tensor(self.update_steps, dtype=torch.int64),
            "phases": self.phases,
            "sampled": self.sampled,
        }

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Record:
        """The record whose `state_dict` is `state`."""
        fields: dict[str, Any] = {
            name: value.tolist() if isinstance(value, Tensor) else value for name, value in state.items()
        }
        record = cls(**fields)
        record._looked_at = len(record.losses)
        return record
