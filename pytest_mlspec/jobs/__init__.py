"""What can be asked for: frozen, hashable values. Equal jobs run once.

A **training** job gives a `TrainingRun`. A **probe** is a measurement on the recipe or on a training's result. A job says
nothing about how it is done: engines carry out trainings, `probes/` carries out probes.

    training.py  trainings and their data;  data.py  the way of the data into them
    model.py  a model as it learns, and its metrics;  losses.py  its loss and its schedule
    evaluations.py  a team's own evaluation and checkpoints
    deployment.py  a model as it is deployed;  embeddings.py  a model of texts
    baselines.py  what a baseline file holds
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar, get_args

from pytest_mlspec.jobs.baselines import Describe, ReadBaseline
from pytest_mlspec.jobs.data import ChanceScore, ObserveInputs, Refit
from pytest_mlspec.jobs.deployment import CountCost, Export, Latency, LoadExport, Serve, TraceMemory
from pytest_mlspec.jobs.embeddings import Embed, EvaluateTask, ReadPublished
from pytest_mlspec.jobs.evaluations import Evaluate, RoundTrip
from pytest_mlspec.jobs.loops import WatchLoop
from pytest_mlspec.jobs.losses import ProbeLoss, ReplaySchedule
from pytest_mlspec.jobs.model import (
    ConstantLoss,
    GradientFlow,
    Measure,
    MetricRequest,
    ProbeCapacity,
    RowIndependence,
    Scores,
    TrySeeds,
)
from pytest_mlspec.jobs.properties import SearchProperties
from pytest_mlspec.jobs.steps import ReferenceStep
from pytest_mlspec.jobs.training import Interrupt, Prepare, Resume, Train, TrainSeeds

__all__ = [
    "ChanceScore",
    "ConstantLoss",
    "CountCost",
    "Describe",
    "Embed",
    "Evaluate",
    "EvaluateTask",
    "Export",
    "GradientFlow",
    "Interrupt",
    "Job",
    "Latency",
    "LoadExport",
    "Measure",
    "MetricRequest",
    "ObserveInputs",
    "Prepare",
    "ProbeCapacity",
    "ProbeLoss",
    "ReadBaseline",
    "ReadPublished",
    "ReferenceStep",
    "Refit",
    "ReplaySchedule",
    "Resume",
    "RoundTrip",
    "RowIndependence",
    "Scores",
    "SearchProperties",
    "Serve",
    "TraceMemory",
    "Train",
    "TrainSeeds",
    "TrySeeds",
    "WatchLoop",
    "from_json",
    "needed_by",
    "to_json",
    "with_seed",
]

Job = (
    Prepare
    | Refit
    | ObserveInputs
    | ChanceScore
    | Train
    | TrainSeeds
    | Interrupt
    | Resume
    | ProbeLoss
    | ReplaySchedule
    | RowIndependence
    | ProbeCapacity
    | Evaluate
    | RoundTrip
    | ReferenceStep
    | WatchLoop
    | GradientFlow
    | TrySeeds
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
    | Describe
    | ReadBaseline
    | Measure
    | SearchProperties
)
"""Every job there is. A new measurement adds its value here, a probe, and the evidence it gives."""

JobT = TypeVar("JobT", bound=Job)

_JOBS: tuple[type[Any], ...] = get_args(Job)
_BY_NAME: dict[str, type[Any]] = {job.__name__: job for job in _JOBS}


def needed_by(job: Job) -> tuple[Job, ...]:
    """The jobs whose evidence `job` reads."""
    match job:
        case Prepare() | Train(fresh=True) | ReadBaseline() | ReadPublished() | EvaluateTask(of=None):
            return ()
        case Train(fold=fold, among=among, shuffled=shuffled):
            return (Prepare(fold, shuffled),) if among is None else (Prepare(fold), among)
        case Describe(against=ReadBaseline() as read):
            return (Prepare(), read)
        case Resume():
            return (Prepare(), job.interrupted)
        case LoadExport(export=export):
            return (Prepare(export.of.fold), export.of, export)
        case Serve(export=Export() as written) | Latency(export=Export() as written):
            return (Prepare(job.of.fold), job.of, written)
        case _:
            training = getattr(job, "of", None)
            return (Prepare(),) if training is None else (Prepare(training.fold, training.shuffled), training)


def with_seed(job: JobT, seed: int) -> JobT:
    """`job` with the spec's seed where it leaves the seed open, so that equal work is an equal value."""
    inner = {field.name: getattr(job, field.name) for field in fields(job)}
    changes: dict[str, Any] = {name: with_seed(each, seed) for name, each in inner.items() if isinstance(each, _JOBS)}
    if isinstance(job, Train) and job.seed is None:
        changes["seed"] = seed
    return replace(job, **changes) if changes else job


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


def _plain(value: Any) -> Any:
    if isinstance(value, _JOBS):
        return to_json(value)
    if isinstance(value, MetricRequest):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
