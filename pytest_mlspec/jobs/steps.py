"""Measurements on single optimiser steps of the team's code."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ReferenceStep:
    """The first `steps` steps of the team's code held against those that the spec declares. Gives a `StepComparison`.

    `loss` and `optimizer` are what the team's own should be, where no key of the spec can say it: the mapping that would stand
    under `train`, as JSON, so that the job stays hashable. `clip_norm` is the norm that the team's step should clip to.
    """

    loss: str | None = None
    optimizer: str | None = None
    clip_norm: float | None = None
    steps: int = 3

    @property
    def title(self) -> str:
        """In a few words, for progress and messages."""
        return f"compare {self.steps} steps with those declared"
