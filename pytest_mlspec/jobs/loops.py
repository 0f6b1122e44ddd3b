"""A measurement on the loop around the steps of a training: which rows they see, and what they do with gradients and state."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WatchLoop:
    """The first epochs of a training, watched step by step; of a team's own fit, a whole one. Gives a `LoopTrace`."""

    @property
    def title(self) -> str:
        """In a few words, for progress and messages."""
        return "watch the training loop"
