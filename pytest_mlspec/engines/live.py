"""News of a training while it runs: after its epochs, and within a long one."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor

from pytest_mlspec.recipe.work import Report
from pytest_mlspec.training.batches import Batch, Source, Step
from pytest_mlspec.training.state import State

_SECONDS_BETWEEN_STEPS = 0.5
# A training of many short epochs is told of ten times a second, not ten thousand.
_SECONDS_BETWEEN_EPOCHS = 0.1


class Live:
    """Tells `report` how far `state` has come; `on_epoch` and the sources that `watched` returns are given to the loop."""

    def __init__(self, report: Report, state: State, *, total_steps: int, steps_per_epoch: int) -> None:
        self._report = report
        self._state = state
        self._total_steps = total_steps
        self._epochs = math.ceil(total_steps / steps_per_epoch)
        self._told = -math.inf

    def watched(self, source: Source) -> Source:
        """`source`, which tells of the training when a step is about to be taken."""
        return _Watched(source, self)

    def on_epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """To be called after `epoch`, counted from 0."""
        self._tell(epoch + 1, metrics["train.loss"], _SECONDS_BETWEEN_EPOCHS)

    def on_step(self) -> None:
        """To be called within an epoch; reads nothing from the device."""
        losses = self._state.record.losses
        self._tell(self._state.epoch + 1, losses[-1] if losses else None, _SECONDS_BETWEEN_STEPS)

    def _tell(self, epoch: int, loss: float | None, pause: float) -> None:
        now = time.monotonic()
        if now - self._told < pause:
            return
        self._told = now
        news = {"epoch": epoch, "epochs": self._epochs, "step": self._state.step, "steps": self._total_steps}
        self._report(news if loss is None else {**news, "loss": loss})


class _Watched:
    def __init__(self, source: Source, live: Live) -> None:
        self._source = source
        self._live = live

    def __len__(self) -> int:
        return len(self._source)

    def fetch(self, index: Tensor) -> Batch:
        """The batch of the rows `index`."""
        return self._source.fetch(index)

    def steps(self, order: Sequence[Step], epoch: int) -> Iterator[list[Batch]]:
        """The batches of `order`; tells of the training before each step."""
        for batches in self._source.steps(order, epoch):
            self._live.on_step()
            yield batches
