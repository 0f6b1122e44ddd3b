"""What every step and epoch left behind, recorded without a synchronisation per step.

Shape letters: S optimiser steps, E epochs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pytest_mlspec.errors import TrainingError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class History:
    """A training as numbers; steps and epochs count from 0, losses are those that the steps were taken on.

    `gradient_norm_S` is the 2-norm over all gradients, before clipping (in a step that the user's code owns: as its
    optimiser found them); `learning_rate_S` that of the first parameter group; `rows_S` the rows of the step.
    `epochs_log` holds the metrics of each epoch, with `train.loss`, the mean over its rows; `seconds_E` the time of its
    steps, without the evaluation. `stopped` says why the training ended; `best_epoch` is set by an early stop.
    """

    loss_S: FloatArray
    gradient_norm_S: FloatArray
    learning_rate_S: FloatArray
    rows_S: NDArray[np.int64]
    epochs_log: tuple[Mapping[str, float], ...]
    seconds_E: FloatArray
    stopped: str
    best_epoch: int | None

    def __len__(self) -> int:
        return len(self.loss_S)


@dataclass
class Record:
    """The history as it grows. Losses and norms wait on the device until `flush`."""

    losses: list[float] = field(default_factory=list)
    gradient_norms: list[float] = field(default_factory=list)
    learning_rates: list[float] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    epochs_log: list[dict[str, float]] = field(default_factory=list)
    epoch_ends: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    seconds_in_epoch: float = 0.0
    _pending: list[Tensor] = field(default_factory=list)

    def add_step(self, loss: Tensor, gradient_norm: Tensor, learning_rate: float, rows: int) -> None:
        """Takes in one step; reads nothing from the device."""
        self._pending += [loss, gradient_norm]
        self.learning_rates.append(float(learning_rate))
        self.rows.append(rows)

    @property
    def pending(self) -> int:
        """The steps whose numbers are still on the device."""
        return len(self._pending) // 2

    def flush(self) -> int | None:
        """Reads what is pending: the one synchronisation. The first step whose loss or norm is not finite, or None."""
        if not self._pending:
            return None
        first = len(self.losses)
        values = torch.stack(self._pending).cpu().tolist()
        self._pending.clear()
        self.losses += values[0::2]
        self.gradient_norms += values[1::2]
        pairs = zip(self.losses[first:], self.gradient_norms[first:], strict=True)
        return next((step for step, pair in enumerate(pairs, start=first) if not all(map(math.isfinite, pair))), None)

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
        )

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
        }

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Record:
        """The record whose `state_dict` is `state`."""
        fields: dict[str, Any] = {
            name: value.tolist() if isinstance(value, Tensor) else value for name, value in state.items()
        }
        return cls(**fields)
