"""Measurements on a model as it is deployed: its cost, its exported forms, its serving path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pytest_mlspec.jobs.model import MetricRequest
from pytest_mlspec.jobs.training import Train


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

    @property
    def title(self) -> str:
        """In a few words, for progress and messages."""
        return f"time {self.calls} calls ({self.form}, batch {self.batch}, threads {self.threads})"


@dataclass(frozen=True)
class CountCost:
    """What a trained model is made of and what one row costs. Gives a `ModelCost`."""

    of: Train = Train()

    @property
    def title(self) -> str:
        """In a few words, for progress and messages."""
        return "count parameters and operations"


@dataclass(frozen=True)
class TraceMemory:
    """Memory after each of `steps` optimiser steps. Gives a `MemoryTrace`."""

    steps: int = 60

    @property
    def title(self) -> str:
        """In a few words, for progress and messages."""
        return f"trace the memory of {self.steps} steps"


@dataclass(frozen=True)
class Export:
    """A trained model written in a format, and its own answers for what the written one is tried on. Gives an `Exported`.

    `to` is a format, or `own` for what the recipe's own export writes, if it gives one.
    """

    to: str
    opset: int | None = None
    of: Train = Train()

    @property
    def title(self) -> str:
        """In a few words, for progress and messages."""
        return f"export to {self.told}"

    @property
    def told(self) -> str:
        """The format, and the opset where one is asked for."""
        return self.to if self.opset is None else f"{self.to} (opset {self.opset})"


@dataclass(frozen=True)
class LoadExport:
    """An exported model, loaded in a fresh process without the team's code and tried on each case. Gives a `Parity`.

    `rtol` is the part of a difference that grows with the output. `metric` is that of the task where it is empty. `gives` says
    what the exported model answers with: the model's own outputs, or its predictions, such as a softmax of them; an export
    to `own` may give either, and may take raw rows that it prepares itself.
    """

    export: Export
    rtol: float = 1e-4
    metric: str = ""
    gives: Literal["outputs", "predictions"] = "outputs"

    @property
    def title(self) -> str:
        """In a few words, for progress and messages."""
        return f"load the export to {self.export.told}"


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

    @property
    def title(self) -> str:
        """In a few words, for progress and messages."""
        return f"serve raw rows ({self.form})"
