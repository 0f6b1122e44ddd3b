"""Measurements on the way of the data into a training: prepared anew, into the first layers, and with shuffled targets."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_mlspec.jobs.training import Train


@dataclass(frozen=True)
class Refit:
    """The data loaded, split and prepared once more: as a whole, in parts, and with other held-out rows. Gives a `Refitted`."""

    @property
    def title(self) -> str:
        """In a few words, for progress and messages."""
        return "prepare the data once more"


@dataclass(frozen=True)
class ChanceScore:
    """How far predictions of the test split agree with targets that were shuffled before the split. Gives an `Agreement`."""

    of: Train = Train(shuffled=True)

    @property
    def title(self) -> str:
        """In a few words, for progress and messages."""
        return f"score the shuffled targets ({self.of.told})"


@dataclass(frozen=True)
class ObserveInputs:
    """The numbers that the first layers of the untrained model take, for some training rows. Gives `LayerInputs`."""

    rows: int = 256

    @property
    def title(self) -> str:
        """In a few words, for progress and messages."""
        return "look at what enters the model"
