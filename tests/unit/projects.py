"""A project of a team in a temporary folder: its code as text, specs as plain data, jobs run in this process."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pytest_mlspec.engines import ENGINES
from pytest_mlspec.errors import StoreError
from pytest_mlspec.evidence import Evidence, TrainingRun
from pytest_mlspec.jobs import Interrupt, Job, Resume, Train, TrainSeeds
from pytest_mlspec.language.spec import Spec
from pytest_mlspec.probes import probe_for
from pytest_mlspec.recipe.work import Result, Stored, Work

# One thread: the order of a sum, and so its last bit, depends on the number of threads.
torch.set_num_threads(1)

DIGITS: Mapping[str, Any] = {
    "data": {"source": "sklearn.digits", "split": {"test": 0.6, "val": 0.1}},
    "model": {"use": "mlp", "hidden": [16]},
    "train": {"epochs": 2, "optimizer": {"use": "adamw", "lr": 1e-2}},
}
CANCER: Mapping[str, Any] = {**DIGITS, "task": "binary", "data": {"source": "sklearn.breast_cancer"}}
DIABETES: Mapping[str, Any] = {**DIGITS, "task": "regression", "data": {"source": "sklearn.diabetes"}}


@dataclass(frozen=True)
class Kept:
    """A result as a job that needs it finds it."""

    result: Result
    folder: Path

    @property
    def evidence(self) -> Evidence:
        return self.result.evidence

    def array(self, name: str) -> np.ndarray[Any, Any]:
        if name not in self.result.arrays:
            raise StoreError(f"no array {name}")
        return self.result.arrays[name]

    def file(self, name: str) -> Path:
        path = self.folder / name
        if not path.exists():
            raise StoreError(f"there is no file {name!r}")
        return path


@dataclass
class Project:
    """`write` adds a module; `run` carries out a job of a spec, and `after` one that needs the training `Train()`."""

    root: Path
    news: list[Mapping[str, Any]] = field(default_factory=list)

    def write(self, module: str, code: str) -> None:
        (self.root / f"{module}.py").write_text(code, encoding="utf-8")

    def work(self, spec: Mapping[str, Any], needed: Mapping[Job, Stored] | None = None) -> Work:
        folder = self.root / f"job{len(list(self.root.glob('job*')))}"
        folder.mkdir()
        document = {"mlspec": 1, "name": "tested", **spec}
        return Work(Spec.model_validate(document), self.root, folder, needed or {}, self.news.append)

    def run(
        self,
        job: Job,
        spec: Mapping[str, Any],
        needed: Mapping[Job, Stored] | None = None,
        *,
        work: Work | None = None,
    ) -> Result:
        work = work or self.work(spec, needed)
        if isinstance(job, Train | TrainSeeds | Interrupt | Resume):
            return ENGINES.find(work.spec.train.engine.use).run(job, work)
        return probe_for(job)(job, work)

    def train(self, spec: Mapping[str, Any], job: Train | Resume | None = None) -> TrainingRun:
        needed = self.done(spec, job.interrupted) if isinstance(job, Resume) else None
        evidence = self.run(job or Train(), spec, needed).evidence
        assert isinstance(evidence, TrainingRun)
        return evidence

    def trained(self, spec: Mapping[str, Any]) -> Mapping[Job, Stored]:
        """The training of the spec, as what another job needs."""
        return self.done(spec, Train())

    def done(self, spec: Mapping[str, Any], job: Train | TrainSeeds | Interrupt) -> Mapping[Job, Stored]:
        """What `job` gave, as another job needs it."""
        work = self.work(spec)
        return {job: Kept(ENGINES.find(work.spec.train.engine.use).run(job, work), work.folder)}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """An empty project, whose folder is on the path of imports; its modules are forgotten afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    # Two trainings in this process have one hash seed; where it is known, `reproducible` says so.
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    yield Project(tmp_path)
    own = [
        name for name, module in sys.modules.items() if str(getattr(module, "__file__", "")).startswith(str(tmp_path))
    ]
    for name in own:
        del sys.modules[name]
