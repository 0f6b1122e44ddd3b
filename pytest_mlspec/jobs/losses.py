"""Measurements on the loss function of a training, and what its learning rate and its end should be."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_mlspec.jobs.training import Train


@dataclass(frozen=True)
class ProbeLoss:
    """How the loss of a training answers to outputs that are put in the place of the model's. Gives a `LossAnswers`.

    `start_deviation` is that of the outputs, drawn at random, whose loss bounds that of a new model: in logits, or in units
    of the typical size of a regression's targets.
    """

    start_deviation: float = 4.0

    @property
    def title(self) -> str:
        """In a few words, for progress and messages."""
        return "probe the loss"


@dataclass(frozen=True)
class ReplaySchedule:
    """The rate of every step and the end of the training, as they were declared. Gives a `DeclaredRates`.

    `use` and `arguments` declare a schedule by name where the spec has none; `use` is empty where they do not.
    """

    use: str = ""
    arguments: tuple[tuple[str, str | int | float | bool], ...] = ()
    of: Train = Train()

    @property
    def title(self) -> str:
        """In a few words, for progress and messages."""
        return "replay the declared schedule"
