"""Probes by the job that they carry out: measurements on a recipe or on a training's result.

A probe is one function, `(job, work) -> Result`, in the file of its family. Nothing heavy is imported before one runs. To add
one, write the function and its line here.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pytest_mlspec.jobs import (
    ChanceScore,
    ConstantLoss,
    CountCost,
    Describe,
    Embed,
    Evaluate,
    EvaluateTask,
    Export,
    GradientFlow,
    Latency,
    LoadExport,
    Measure,
    ObserveInputs,
    Prepare,
    ProbeCapacity,
    ProbeLoss,
    ReadBaseline,
    ReadPublished,
    ReferenceStep,
    Refit,
    ReplaySchedule,
    RoundTrip,
    RowIndependence,
    Scores,
    SearchProperties,
    Serve,
    TraceMemory,
    TrySeeds,
    WatchLoop,
)

if TYPE_CHECKING:
    from pytest_mlspec.recipe.work import Result, Work

PROBES: dict[type[Any], tuple[str, str]] = {
    Prepare: ("pytest_mlspec.probes.data", "profile_data"),
    Refit: ("pytest_mlspec.probes.preparation", "prepare_again"),
    ObserveInputs: ("pytest_mlspec.probes.layer_inputs", "observe_inputs"),
    ChanceScore: ("pytest_mlspec.probes.chance", "score_shuffled"),
    Describe: ("pytest_mlspec.probes.describe", "describe"),
    ReadBaseline: ("pytest_mlspec.probes.describe", "read_baseline"),
    Scores: ("pytest_mlspec.probes.scores", "score"),
    ConstantLoss: ("pytest_mlspec.probes.constant", "fit_constant"),
    ReferenceStep: ("pytest_mlspec.probes.reference_step", "compare_steps"),
    GradientFlow: ("pytest_mlspec.probes.gradients", "gradient_flow"),
    WatchLoop: ("pytest_mlspec.probes.loop", "watch_loop"),
    Evaluate: ("pytest_mlspec.probes.evaluation", "probe_evaluation"),
    RoundTrip: ("pytest_mlspec.probes.checkpoints", "round_trip"),
    ProbeCapacity: ("pytest_mlspec.probes.needs_torch", "probe_capacity"),
    ProbeLoss: ("pytest_mlspec.probes.needs_torch", "probe_loss"),
    ReplaySchedule: ("pytest_mlspec.probes.rates", "replay_schedule"),
    TrySeeds: ("pytest_mlspec.probes.seed_effect", "try_seeds"),
    RowIndependence: ("pytest_mlspec.probes.independence", "row_independence"),
    Latency: ("pytest_mlspec.probes.latency", "time_calls"),
    CountCost: ("pytest_mlspec.probes.cost", "count_cost"),
    TraceMemory: ("pytest_mlspec.probes.memory", "trace_memory"),
    Export: ("pytest_mlspec.probes.export", "write_export"),
    LoadExport: ("pytest_mlspec.probes.load_export", "load_export"),
    Serve: ("pytest_mlspec.probes.serving", "serve"),
    EvaluateTask: ("pytest_mlspec.probes.mteb", "evaluate_task"),
    ReadPublished: ("pytest_mlspec.probes.published", "read_published"),
    Embed: ("pytest_mlspec.probes.embeddings", "embed"),
    SearchProperties: ("pytest_mlspec.probes.properties", "search_properties"),
    Measure: ("pytest_mlspec.probes.extension", "measure"),
}
"""Job type -> module and function."""


def probe_for(job: Any) -> Callable[[Any, Work], Result]:
    """The function that carries out `job`."""
    module, name = PROBES[type(job)]
    probe: Callable[[Any, Work], Result] = getattr(import_module(module), name)
    return probe
