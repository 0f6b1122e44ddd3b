"""What can be asked for: frozen, hashable values. Equal jobs run once.

A **training** job gives a `TrainingRun`. A **probe** is a measurement on the recipe or on a training's result. A job says
nothing about how it is done: engines carry out trainings, `probes/` carries out probes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any


@dataclass(frozen=True)
class Prepare:
    """The data loaded, split and prepared, with a profile of its raw rows. Gives a `DataProfile`.

    `fold` leaves that fold (from 0) of the cross-validation out of the training rows: its rows are the test split.
    """

    fold: int | None = None


@dataclass(frozen=True)
class TrainSeeds:
    """The trainings of `count` seeds from `first` on: at once, where that gives the same and pays. Gives a `SeedRuns`."""

    first: int
    count: int


@dataclass(frozen=True)
class Train:
    """A training from scratch. Gives a `TrainingRun`.

    `seed` None is the spec's; `batches` restricts it to that many batches, used over and over, for as many steps as the
    spec declares but at least 200 and at most 1,000; `steps` replaces the length, in optimiser steps; `fresh` asks for a
    newly started interpreter with another hash seed and perturbed global generators, in which nothing that a job stored
    before is used; `fold` trains on the rows outside that fold; `among` takes the training from those of several seeds.
    """

    seed: int | None = None
    batches: int | None = None
    steps: int | None = None
    fresh: bool = False
    fold: int | None = None
    among: TrainSeeds | None = None


@dataclass(frozen=True)
class Interrupt:
    """A training that ends after the share `at` of its optimiser steps and is saved. Gives an `Interruption`."""

    at: float = 0.5
    steps: int | None = None


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


@dataclass(frozen=True)
class RowIndependence:
    """How much the outputs of a trained model for a row depend on the other rows of its batch. Gives an `Independence`."""

    rows: int = 16
    of: Train = Train()


@dataclass(frozen=True)
class GradientFlow:
    """The gradient of every parameter and what one optimiser step does with it. Gives a `Gradients`."""


@dataclass(frozen=True)
class ConstantLoss:
    """The lowest training loss that a constant prediction reaches. Gives a `ConstantPrediction`."""


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


Job = Prepare | Train | TrainSeeds | Interrupt | Resume | RowIndependence | GradientFlow | ConstantLoss | Scores
"""Every job there is. A new measurement adds its value here, a probe, and the evidence it gives."""

_BY_NAME: dict[str, type[Any]] = {
    job.__name__: job
    for job in (Prepare, Train, TrainSeeds, Interrupt, Resume, RowIndependence, GradientFlow, ConstantLoss, Scores)
}


def needed_by(job: Job) -> tuple[Job, ...]:
    """The jobs whose evidence `job` reads."""
    match job:
        case Prepare() | Train(fresh=True):
            return ()
        case Train(fold=fold, among=among):
            return (Prepare(fold),) if among is None else (Prepare(fold), among)
        case RowIndependence(of=training) | Scores(of=training):
            return (Prepare(training.fold), training)
        case Resume():
            return (Prepare(), job.interrupted)
        case _:
            return (Prepare(),)


def with_seed(job: Job, seed: int) -> Job:
    """`job` with the spec's seed where it leaves the seed open, so that equal work is an equal value."""
    match job:
        case Train(seed=None):
            return replace(job, seed=seed)
        case RowIndependence(of=Train(seed=None)) | Scores(of=Train(seed=None)):
            return replace(job, of=replace(job.of, seed=seed))
        case _:
            return job


def title(job: Job) -> str:
    """`job` in a few words, for progress and messages.

    >>> title(Train(seed=0, batches=1, steps=200))
    'train (seed 0, batches 1, steps 200)'
    """
    match job:
        case Prepare():
            return "prepare the data" if job.fold is None else f"prepare the data (fold {job.fold + 1})"
        case Train():
            return f"train ({_told(job)})"
        case TrainSeeds():
            return f"train (seeds {job.first} to {job.first + job.count - 1})"
        case Interrupt():
            return f"train, interrupted at {job.at:.0%}{_of(job.steps)}"
        case Resume():
            return f"train, interrupted at {job.at:.0%} and resumed{_of(job.steps)}"
        case RowIndependence():
            return "probe the independence of rows"
        case GradientFlow():
            return "probe the gradients"
        case ConstantLoss():
            return "fit the best constant prediction"
        case Scores():
            return f"compute the metrics ({_told(job.of)})"


def to_json(job: Job) -> dict[str, Any]:
    """`job` as plain data, with its type under `job`; the inverse of `from_json`."""
    return {"job": type(job).__name__, **{field.name: _plain(getattr(job, field.name)) for field in fields(job)}}


def from_json(data: Mapping[str, Any]) -> Job:
    """The job that `to_json` wrote."""
    arguments = {name: value for name, value in data.items() if name != "job"}
    for name in {"of", "among"} & arguments.keys():
        arguments[name] = arguments[name] and from_json(arguments[name])
    if "requests" in arguments:
        arguments["requests"] = tuple(
            MetricRequest(**{**request, "where": tuple((column, value) for column, value in request["where"])})
            for request in arguments["requests"]
        )
    job: Job = _BY_NAME[data["job"]](**arguments)
    return job


def _told(job: Train) -> str:
    fold = None if job.fold is None else job.fold + 1
    shown = {"seed": job.seed, "batches": job.batches, "steps": job.steps, "fold": fold}
    told = [f"{name} {value}" for name, value in shown.items() if value is not None]
    more = [*(["fresh interpreter"] if job.fresh else []), *([f"of {job.among.count}"] if job.among else [])]
    return ", ".join([*told, *more])


def _of(steps: int | None) -> str:
    return "" if steps is None else f" (steps {steps})"


def _plain(value: Any) -> Any:
    if isinstance(value, Train | TrainSeeds):
        return to_json(value)
    if isinstance(value, MetricRequest):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
