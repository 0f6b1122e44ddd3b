"""What can be asked for: frozen, hashable values. Equal jobs run once.

A **training** job gives a `TrainingRun`. A **probe** is a measurement on the recipe or on a training's result. A job says
nothing about how it is done: engines carry out trainings, `probes/` carries out probes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, TypeVar, get_args


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


@dataclass(frozen=True)
class Latency:
    """How long one call of a trained model takes, alone on the machine. Gives a `Timing`.

    `form` is what is called: `eager`, the model in evaluation mode; `predict`, the team's serving path from raw rows; else the
    format of its exported form. At least `calls` are timed, where they fit into the time that a timing may take.
    """

    batch: int = 1
    threads: int = 1
    form: str = "eager"
    calls: int = 10
    of: Train = Train()

    @property
    def export(self) -> Export | None:
        """The job that writes the exported form; None where the model itself is called."""
        return None if self.form in ("eager", "predict") else Export(self.form, of=self.of)


@dataclass(frozen=True)
class CountCost:
    """What a trained model is made of and what one row costs. Gives a `ModelCost`."""

    of: Train = Train()


@dataclass(frozen=True)
class TraceMemory:
    """Memory after each of `steps` optimiser steps. Gives a `MemoryTrace`."""

    steps: int = 60


@dataclass(frozen=True)
class Export:
    """A trained model written in a format, and its own answers for what the written one is tried on. Gives an `Exported`."""

    to: str
    opset: int | None = None
    of: Train = Train()


@dataclass(frozen=True)
class LoadExport:
    """An exported model, loaded in a fresh process without the team's code and tried on each case. Gives a `Parity`.

    `rtol` is the part of a difference that grows with the output. `metric` is that of the task where it is empty. `gives` says
    what the exported model answers with: the model's own outputs, or its predictions, such as a softmax of them.
    """

    export: Export
    rtol: float = 1e-4
    metric: str = ""
    gives: Literal["outputs", "predictions"] = "outputs"


@dataclass(frozen=True)
class Serve:
    """Raw rows through the serving path: the team's `predict`, or an exported form behind its preparation. Gives a `Served`.

    `requests` are metrics to recompute from what is served; `golden` is a file of raw rows with the outputs expected for
    them, relative to the root.
    """

    form: str = "predict"
    golden: str | None = None
    requests: tuple[MetricRequest, ...] = ()
    of: Train = Train()

    @property
    def export(self) -> Export | None:
        """The job that writes the exported form; None for the team's own `predict`."""
        return None if self.form == "predict" else Export(self.form, of=self.of)


@dataclass(frozen=True)
class EvaluateTask:
    """A task of MTEB on a trained model; on the model before the training where `of` is None. Gives a `TaskScore`."""

    task: str
    of: Train | None = Train()


@dataclass(frozen=True)
class ReadPublished:
    """The score of a task in a published result file of MTEB. Gives a `TaskScore`."""

    task: str
    file: str


@dataclass(frozen=True)
class Embed:
    """The embeddings of test texts: their geometry, and what should not change them. Gives a `Geometry`."""

    rows: int = 256
    of: Train | None = Train()


@dataclass(frozen=True)
class Measure:
    """What the probe that an extension registered as `probe` measures on a trained model. Gives a `Measured`."""

    probe: str
    arguments: tuple[tuple[str, str | int | float | bool], ...] = ()
    of: Train = Train()


Job = (
    Prepare
    | Train
    | TrainSeeds
    | Interrupt
    | Resume
    | RowIndependence
    | GradientFlow
    | ConstantLoss
    | Scores
    | Latency
    | CountCost
    | TraceMemory
    | Export
    | LoadExport
    | Serve
    | EvaluateTask
    | ReadPublished
    | Embed
    | Measure
)
"""Every job there is. A new measurement adds its value here, a probe, and the evidence it gives."""

JobT = TypeVar("JobT", bound=Job)

_JOBS: tuple[type[Any], ...] = get_args(Job)
_BY_NAME: dict[str, type[Any]] = {job.__name__: job for job in _JOBS}


def needed_by(job: Job) -> tuple[Job, ...]:
    """The jobs whose evidence `job` reads."""
    match job:
        case Prepare() | Train(fresh=True) | ReadPublished() | EvaluateTask(of=None):
            return ()
        case Train(fold=fold, among=among):
            return (Prepare(fold),) if among is None else (Prepare(fold), among)
        case Resume():
            return (Prepare(), job.interrupted)
        case LoadExport(export=export):
            return (Prepare(export.of.fold), export.of, export)
        case Serve(export=Export() as written) | Latency(export=Export() as written):
            return (Prepare(job.of.fold), job.of, written)
        case _:
            training = getattr(job, "of", None)
            return (Prepare(),) if training is None else (Prepare(training.fold), training)


def with_seed(job: JobT, seed: int) -> JobT:
    """`job` with the spec's seed where it leaves the seed open, so that equal work is an equal value."""
    inner = {field.name: getattr(job, field.name) for field in fields(job)}
    changes: dict[str, Any] = {name: with_seed(each, seed) for name, each in inner.items() if isinstance(each, _JOBS)}
    if isinstance(job, Train) and job.seed is None:
        changes["seed"] = seed
    return replace(job, **changes) if changes else job


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
        case Latency():
            return f"time {job.calls} calls ({job.form}, batch {job.batch}, threads {job.threads})"
        case CountCost():
            return "count parameters and operations"
        case TraceMemory():
            return f"trace the memory of {job.steps} steps"
        case Export():
            return f"export to {job.to}{_in(job.opset)}"
        case LoadExport():
            return f"load the export to {job.export.to}{_in(job.export.opset)}"
        case Serve():
            return f"serve raw rows ({job.form})"
        case EvaluateTask():
            return f"evaluate {job.task}{'' if job.of else ' before the training'}"
        case ReadPublished():
            return f"read the published score of {job.task}"
        case Embed():
            return "probe the embeddings"
        case Measure():
            return f"measure {job.probe}"


def to_json(job: Job) -> dict[str, Any]:
    """`job` as plain data, with its type under `job`; the inverse of `from_json`."""
    return {"job": type(job).__name__, **{field.name: _plain(getattr(job, field.name)) for field in fields(job)}}


def from_json(data: Mapping[str, Any]) -> Job:
    """The job that `to_json` wrote."""
    arguments = {name: value for name, value in data.items() if name != "job"}
    for name, value in arguments.items():
        if isinstance(value, Mapping) and "job" in value:
            arguments[name] = from_json(value)
    if "requests" in arguments:
        arguments["requests"] = tuple(
            MetricRequest(**{**request, "where": tuple((column, value) for column, value in request["where"])})
            for request in arguments["requests"]
        )
    if "arguments" in arguments:
        arguments["arguments"] = tuple((name, value) for name, value in arguments["arguments"])
    job: Job = _BY_NAME[data["job"]](**arguments)
    return job


def _told(job: Train) -> str:
    fold = None if job.fold is None else job.fold + 1
    shown = {"seed": job.seed, "batches": job.batches, "steps": job.steps, "fold": fold}
    told = [f"{name} {value}" for name, value in shown.items() if value is not None]
    more = [*(["fresh interpreter"] if job.fresh else []), *([f"of {job.among.count}"] if job.among else [])]
    return ", ".join([*told, *more])


def _in(opset: int | None) -> str:
    return "" if opset is None else f" (opset {opset})"


def _of(steps: int | None) -> str:
    return "" if steps is None else f" (steps {steps})"


def _plain(value: Any) -> Any:
    if isinstance(value, _JOBS):
        return to_json(value)
    if isinstance(value, MetricRequest):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
