"""Ends a training on a few batches once it has fitted them: what is asked of it is whether it can, not how far it gets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pytest_mlspec.jobs import Train

# A look costs a forward, a third of a step.
_STEPS_BETWEEN_LOOKS = 10


@dataclass
class UntilFitted:
    """Looks at `loss`, that of the batches in evaluation mode, every few steps; `at_most` is enough."""

    loss: Callable[[], float]
    at_most: float
    looked_at: int = 0

    def reason(self, step: int) -> str:
        """Why the training ends after `step`; empty where it goes on."""
        if step - self.looked_at < _STEPS_BETWEEN_LOOKS:
            return ""
        self.looked_at = step
        loss = self.loss()
        return f"the loss on its batches is {loss:.4g}, at most {self.at_most:.4g}" if loss <= self.at_most else ""


def until_fitted(job: object, *, loss: Callable[[], float], start: float, floor: float) -> UntilFitted | None:
    """What ends the training `job`, whose loss begins at `start` and cannot fall below `floor`; None where it goes its way."""
    if not isinstance(job, Train) or job.batches is None or job.until_left is None:
        return None
    return UntilFitted(loss, floor + job.until_left * (start - floor))
