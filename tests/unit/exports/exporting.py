"""A trained model exported and loaded again in this process, as the jobs do it in processes of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from projects import Kept, Project

from pytest_mlspec.check import Verdict
from pytest_mlspec.checks.export import ExportParams, export
from pytest_mlspec.evidence import Exported, Parity
from pytest_mlspec.jobs import Export, Job, LoadExport, Prepare, Train
from pytest_mlspec.recipe.work import Stored

NETS = """
import torch
from torch import nn

class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.full((64,), 0.2))
        self.layers = nn.Sequential(
            nn.Linear(64, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 10)
        )

    def forward(self, inputs):
        return self.layers(inputs - self.mean)

class Branching(Small):
    def forward(self, inputs):
        return self.layers(inputs) if inputs.sum() > 0 else self.layers(-inputs)

class Named(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 10)

    def forward(self, pixels, scale):
        return self.layer(pixels) * scale[:, None]

def named(rows, fitted):
    import numpy as np
    pixels = rows.features.reshape(len(rows), 64).astype("float32") / 16
    return {"pixels": pixels, "scale": np.full(len(rows), 2.0, dtype="float32")}, rows.targets
"""

SMALL: Mapping[str, Any] = {
    "data": {"source": "sklearn.digits", "split": {"test": 0.2}},
    "model": "nets:Small",
    "train": {"epochs": 2, "optimizer": {"use": "adamw", "lr": 1e-2}},
}


@dataclass(frozen=True)
class Trained:
    """A project, its spec, and what its training left for other jobs."""

    project: Project
    spec: Mapping[str, Any]
    needed: Mapping[Job, Stored]


def trained(project: Project, spec: Mapping[str, Any]) -> Trained:
    """The training of `spec`, with its prepared rows stored beside it."""
    prepared = Kept(project.run(Prepare(), spec), project.root)
    return Trained(project, spec, {Prepare(): prepared, **project.trained(spec)})


def exported(
    made: Trained, to: str, *, opset: int | None = None, spec: Mapping[str, Any] | None = None
) -> tuple[Export, Mapping[Job, Stored]]:
    """The model of `made` in a format, as what loads it needs it; `spec` replaces that of the training."""
    job = Export(to, opset, of=Train())
    work = made.project.work(spec or made.spec, made.needed)
    result = made.project.run(job, work.spec.model_dump(), work=work)
    assert isinstance(result.evidence, Exported)
    return job, {**made.needed, job: Kept(result, work.folder)}


def parity(made: Trained, to: str, *, spec: Mapping[str, Any] | None = None, **asked: Any) -> Parity:
    """What loading the model of `made` finds; `asked` are fields of the job."""
    job, needed = exported(made, to, spec=spec)
    evidence = made.project.run(LoadExport(job, **asked), spec or made.spec, needed).evidence
    assert isinstance(evidence, Parity)
    return evidence


def verdict(found: Parity, **params: Any) -> Verdict:
    """The verdict of the check `export` on one format."""
    return export(ExportParams(to=(found.format,), **params), **{found.format: found})
