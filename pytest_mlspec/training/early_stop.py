"""When to stop before the end, and which weights to keep: the rule, and how far it has come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from pytest_mlspec.errors import TrainingError
from pytest_mlspec.training.schedule import monitored
from pytest_mlspec.training.weights import assign_weights, weights_of

_KEY = "train.early_stop"


@dataclass(frozen=True)
class EarlyStop:
    """Stop after `patience` epochs in a row that do not improve `monitor` by more than `min_delta`.

    With `restore_best` the model ends with the weights of its best epoch, whether it stopped early or not.
    """

    monitor: str = "val.loss"
    patience: int = 1
    min_delta: float = 0.0
    mode: Literal["min", "max"] = "min"
    restore_best: bool = True

    def __post_init__(self) -> None:
        if self.patience < 1:
            raise TrainingError(f"patience is {self.patience}, at least 1", key=f"{_KEY}.patience")
        if not self.min_delta >= 0:
            raise TrainingError(f"min_delta is {self.min_delta}, at least 0", key=f"{_KEY}.min_delta")
        if self.mode not in ("min", "max"):
            raise TrainingError(f"mode is {self.mode!r}", key=f"{_KEY}.mode", advice="min or max")


@dataclass
class Progress:
    """How far an early stop has come: the best epoch (from 0), its value and weights, and the bad epochs in a row."""

    best_value: float | None = None
    best_epoch: int | None = None
    bad_epochs: int = 0
    best_weights: dict[str, Tensor] | None = None

    def update(self, rule: EarlyStop, metrics: Mapping[str, float], *, epoch: int, model: nn.Module) -> None:
        """Takes in the metrics of `epoch`. Raises TrainingError where the monitored one is missing or not finite."""
        value = monitored(metrics, rule.monitor, key=f"{_KEY}.monitor")
        if self.best_value is None:
            improved = True
        elif rule.mode == "min":
            improved = value < self.best_value - rule.min_delta
        else:
            improved = value > self.best_value + rule.min_delta
        if not improved:
            self.bad_epochs += 1
            return
        self.best_value, self.best_epoch, self.bad_epochs = value, epoch, 0
        if rule.restore_best:
            self.best_weights = {name: tensor.detach().clone() for name, tensor in weights_of(model).items()}

    def reason(self, rule: EarlyStop, metrics: Mapping[str, float], *, epoch: int) -> str:
        """Why the training ends after `epoch`; empty where it goes on."""
        if self.bad_epochs < rule.patience:
            return ""
        return (
            f"stopped early at epoch {epoch + 1}: {rule.monitor} {metrics[rule.monitor]:.4g},"
            f" best {self.best_value:.4g} at epoch {(self.best_epoch or 0) + 1}, patience {rule.patience}"
        )

    def restore_best(self, model: nn.Module) -> None:
        """Gives `model` the weights of the best epoch, where any were kept."""
        if self.best_weights is not None:
            assign_weights(model, self.best_weights)
