"""Measurements on a model of texts."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_mlspec.jobs.training import Train


@dataclass(frozen=True)
class EvaluateTask:
    """A task of MTEB on a trained model; on the model before the training where `of` is None. Gives a `TaskScore`."""

    task: str
    of: Train | None = Train()

    @property
    def title(self) -> str:
        """In a few words, for progress and messages."""
        return f"evaluate {self.task}{'' if self.of else ' before the training'}"


@dataclass(frozen=True)
class ReadPublished:
    """The score of a task in a published result file of MTEB. Gives a `TaskScore`."""

    task: str
    file: str

    @property
    def title(self) -> str:
        """In a few words, for progress and messages."""
        return f"read the published score of {self.task}"


@dataclass(frozen=True)
class Embed:
    """The embeddings of test texts: their geometry, and what should not change them. Gives a `Geometry`."""

    rows: int = 256
    of: Train | None = Train()

    @property
    def title(self) -> str:
        """In a few words, for progress and messages."""
        return "probe the embeddings"
