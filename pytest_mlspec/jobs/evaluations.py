"""What a team evaluates a model with, and what it saves it to."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_mlspec.jobs.training import Train


@dataclass(frozen=True)
class Evaluate:
    """The metrics of the team's own `evaluate` against scikit-learn's, and what an evaluation changes. Gives an `Evaluation`."""

    of: Train = Train()

    @property
    def title(self) -> str:
        """In a few words, for progress and messages."""
        return f"probe the evaluation ({self.of.told})"


@dataclass(frozen=True)
class RoundTrip:
    """A training of `steps` steps through the team's own `save` and `restore`, and through torn files. Gives a `RoundTripped`."""

    steps: int = 3

    @property
    def title(self) -> str:
        """In a few words, for progress and messages."""
        return f"save and restore after {self.steps} steps"
