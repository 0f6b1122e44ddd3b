"""Trainings, each of which gives a `TrainingRun`, and what they start from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Prepare:
    """The data loaded, split and prepared, with a profile of its raw rows. Gives a `DataProfile`.

    `fold` leaves that fold (from 0) of the cross-validation out of the training rows: its rows are the test split.
    `shuffled` gives every row the target of another one before the split: what is left to learn is chance, and the profile
    counts rows and classes alone.
    """

    fold: int | None = None
    shuffled: bool = False

    @property
    def title(self) -> str:
        """In a few words, for progress and messages."""
        told = [] if self.fold is None else [f"fold {self.fold + 1}"]
        told += ["shuffled targets"] if self.shuffled else []
        return f"prepare the data ({', '.join(told)})" if told else "prepare the data"


@dataclass(frozen=True)
class TrainSeeds:
    """The trainings of `count` seeds from `first` on: at once, where that gives the same and pays. Gives a `SeedRuns`."""

    first: int
    count: int

    @property
    def title(self) -> str:
        """In a few words, for progress and messages."""
        return f"train (seeds {self.first} to {self.first + self.count - 1})"


@dataclass(frozen=True)
class Train:
    """A training from scratch. Gives a `TrainingRun`.

    `seed` None is the spec's; `batches` restricts it to that many batches, used over and over, for at most 1,000 steps;
    `until_left` ends such a one as soon as that share of its first loss is left, above the lowest that the loss can take;
    `steps` replaces the length, in optimiser steps; `fresh` asks for a newly started interpreter with
    another hash seed and perturbed global generators, in which nothing that a job stored before is used; `fold` trains on the
    rows outside that fold; `among` takes the training from those of several seeds;
    `shuffled` trains on rows whose targets were shuffled before the split.
    """

    seed: int | None = None
    batches: int | None = None
    steps: int | None = None
    fresh: bool = False
    fold: int | None = None
    among: TrainSeeds | None = None
    until_left: float | None = None
    shuffled: bool = False

    @property
    def title(self) -> str:
        """In a few words, for progress and messages."""
        return f"train ({self.told})"

    @property
    def told(self) -> str:
        """What tells it from the training of the spec."""
        fold = None if self.fold is None else self.fold + 1
        shown = {"seed": self.seed, "batches": self.batches, "steps": self.steps, "fold": fold}
        told = [f"{name} {value}" for name, value in shown.items() if value is not None]
        told += [] if self.until_left is None else [f"until {self.until_left:.0%} is left"]
        more = [*(["fresh interpreter"] if self.fresh else []), *([f"of {self.among.count}"] if self.among else [])]
        return ", ".join([*told, *more, *(["shuffled targets"] if self.shuffled else [])])


@dataclass(frozen=True)
class Interrupt:
    """A training that ends after the share `at` of its optimiser steps and is saved. Gives an `Interruption`."""

    at: float = 0.5
    steps: int | None = None

    @property
    def title(self) -> str:
        """In a few words, for progress and messages."""
        return f"train, interrupted at {self.at:.0%}{_of(self.steps)}"


@dataclass(frozen=True)
class Resume:
    """The training of an `Interrupt`, restored in another process and finished. Gives a `TrainingRun`.

    In another process, because what a team's module keeps in globals would outlive an interruption in this one.
    """

    at: float = 0.5
    steps: int | None = None

    @property
    def interrupted(self) -> Interrupt:
        """The job that saves what this one restores."""
        return Interrupt(self.at, self.steps)

    @property
    def title(self) -> str:
        """In a few words, for progress and messages."""
        return f"train, interrupted at {self.at:.0%} and resumed{_of(self.steps)}"


def _of(steps: int | None) -> str:
    return "" if steps is None else f" (steps {steps})"
