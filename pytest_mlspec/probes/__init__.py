"""Probes by the job that they carry out: measurements on a recipe or on a training's result.

A probe is one function, `(job, work) -> Result`, in the file of its family. Nothing heavy is imported before one runs. To add
one, write the function and its line here.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pytest_mlspec.jobs import (
    ConstantLoss,
    CountCost,
    Embed,
    EvaluateTask,
    Export,
    GradientFlow,
    Latency,
    LoadExport,
    Measure,
    Prepare,
    ReadPublished,
    RowIndependence,
    Scores,
    Serve,
    TraceMemory,
)

if TYPE_CHECKING:
    from pytest_mlspec.recipe.work import Result, Work

PROBES: dict[type[Any], tuple[str, str]] = {
    Prepare: ("pytest_mlspec.probes.data", "profile_data"),
    Scores: ("pytest_mlspec.probes.scores", "score"),
    ConstantLoss: ("pytest_mlspec.probes.constant", "fit_constant"),
    GradientFlow: ("pytest_mlspec.probes.gradients", "gradient_flow"),
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
    Measure: ("pytest_mlspec.probes.extension", "measure"),
}
"""Job type -> module and function."""


def probe_for(job: Any) -> Callable[[Any, Work], Result]:
    """The function that carries out `job`."""
    module, name = PROBES[type(job)]
    probe: Callable[[Any, Work], Result] = getattr(import_module(module), name)
    return probe
