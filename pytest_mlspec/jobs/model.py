"""Measurements on a recipe or on a trained model: its metrics, and how it learns."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_mlspec.jobs.training import Train


@dataclass(frozen=True)
class MetricRequest:
    """One metric on one split.

    `where` restricts it to raw rows with these column values, as text; `class_label` picks one class of a metric that is
    defined per class; `of` is `model` or `dummy`, the constant baseline fitted on the training rows.
    """

    metric: str
    split: str
    where: tuple[tuple[str, str], ...] = ()
    class_label: str | None = None
    of: str = "model"

    @property
    def key(self) -> str:
        """The request as text, unique within a spec; the key of its score.

        >>> MetricRequest("recall", "test", where=(("plan", "basic"),), of="dummy").key
        'dummy:test.recall[plan=basic]'
        """
        selectors = [f"{column}={value}" for column, value in self.where]
        if self.class_label is not None:
            selectors.append(f"class={self.class_label}")
        brackets = f"[{', '.join(selectors)}]" if selectors else ""
        prefix = "" if self.of == "model" else f"{self.of}:"
        return f"{prefix}{self.split}.{self.metric}{brackets}"


@dataclass(frozen=True)
class Scores:
    """Metrics of stored predictions, computed by scikit-learn. Gives a `ScoreTable`."""

    requests: tuple[MetricRequest, ...]
    of: Train = Train()

    @property
    def title(self) -> str:
        """In a few words, for progress and messages."""
        return f"compute the metrics ({self.of.told})"


@dataclass(frozen=True)
class RowIndependence:
    """How much the outputs of a trained model for a row depend on the other rows of its batch. Gives an `Independence`."""

    rows: int = 16
    of: Train = Train()

    @property
    def title(self) -> str:
        """In a few words, for progress and messages."""
        return "probe the independence of rows"


@dataclass(frozen=True)
class ProbeCapacity:
    """What keeps a trained model from expressing what it should. Gives a `Capacity`."""

    rows: int = 64
    of: Train = Train()

    @property
    def title(self) -> str:
        """In a few words, for progress and messages."""
        return "probe the capacity"


@dataclass(frozen=True)
class GradientFlow:
    """The gradient of every parameter and what one optimiser step does with it. Gives a `Gradients`."""

    @property
    def title(self) -> str:
        """In a few words, for progress and messages."""
        return "probe the gradients"


@dataclass(frozen=True)
class TrySeeds:
    """Whether another seed gives another training, by the beginning of two. Gives a `SeedsTried`."""

    @property
    def title(self) -> str:
        """In a few words, for progress and messages."""
        return "try another seed"


@dataclass(frozen=True)
class ConstantLoss:
    """The lowest training loss that a constant prediction reaches. Gives a `ConstantPrediction`."""

    @property
    def title(self) -> str:
        """In a few words, for progress and messages."""
        return "fit the best constant prediction"


@dataclass(frozen=True)
class Measure:
    """What the probe that an extension registered as `probe` measures on a trained model. Gives a `Measured`."""

    probe: str
    arguments: tuple[tuple[str, str | int | float | bool], ...] = ()
    of: Train = Train()

    @property
    def title(self) -> str:
        """In a few words, for progress and messages."""
        return f"measure {self.probe}"
