"""What runs inside a worker: one job, from its request to its published evidence.

The request names the spec, the job, the key of its evidence and where the evidence that it needs lies; the answer names the
entry that was published. Everything that the job reads is recorded on the way (`reads.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlspec import extensions, jobs
from pytest_mlspec.engines import ENGINES
from pytest_mlspec.errors import MlspecError, NotApplicableError
from pytest_mlspec.evidence import Evidence, from_record, to_record
from pytest_mlspec.jobs import Interrupt, Job, Resume, Train, TrainSeeds
from pytest_mlspec.language.spec import Spec
from pytest_mlspec.probes import probe_for
from pytest_mlspec.recipe.work import Result, Work
from pytest_mlspec.store import Entry, Key, Store
from pytest_mlspec.store.reads import Recorder

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Request:
    """One job as a worker is asked for it.

    `spec` is the document's data; `needs` maps the keys of tasks to their jobs; `allowed` are the packages outside the
    project that the spec may name; `profiles` is the folder for the profile of a training, empty where none is wanted;
    `extensions` are the files that register what the job uses.
    """

    root: str
    store: str
    spec: Mapping[str, Any]
    job: Mapping[str, Any]
    label: str
    ingredients: Mapping[str, Any]
    needs: Mapping[str, Mapping[str, Any]]
    allowed: Sequence[str] = ()
    profiles: str = ""
    extensions: Sequence[Mapping[str, Any]] = ()

    def to_json(self) -> dict[str, Any]:
        """The fields as plain data."""
        return dict(vars(self))


@dataclass(frozen=True)
class Published:
    """Where the evidence of a job lies: the entry in the store and the digest of its content.

    `unprovable` says why a later run cannot know that it would read the same; empty where it can.
    """

    entry: str
    digest: str
    unprovable: str = ""

    def to_json(self) -> dict[str, Any]:
        """The fields as plain data."""
        return dict(vars(self))


class StoredResult:
    """The stored result of a job, as another job reads it."""

    def __init__(self, entry: Entry) -> None:
        self._entry = entry

    @cached_property
    def evidence(self) -> Evidence:
        """Its evidence; arrays are read when they are asked for."""
        return from_record(self._entry.record["evidence"], self._entry.volatile, self._entry.array)

    def array(self, name: str) -> np.ndarray[Any, Any]:
        """One of its arrays."""
        return self._entry.array(name)

    def file(self, name: str) -> Path:
        """One of its files."""
        return self._entry.file(name)

    @property
    def files(self) -> Mapping[str, Path]:
        """The files that the job wrote itself, by name."""
        return {name: self._entry.file(name) for name in self._entry.written}


def run_job(request: Mapping[str, Any], report: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Carries out the job of `request` and publishes its evidence; answers with `Published` as plain data."""
    found = dict(request)
    values = found.pop("needed")
    asked = Request(**found)
    root, spec, job = Path(asked.root), Spec.model_validate(asked.spec), jobs.from_json(asked.job)
    store, key = Store(root, path=Path(asked.store)), Key(asked.label, asked.ingredients)
    recorder = Recorder(root, globs=spec.inputs, ignore=[store.path])
    recorder.start()
    try:
        for origin in asked.extensions:
            extensions.load(origin)
        needed: dict[Job, StoredResult] = {}
        digests: dict[str, str] = {}
        for name, description in asked.needs.items():
            needed_job = jobs.from_json(description)
            needed[needed_job] = StoredResult(store.open(values[name]["entry"]))
            digests[needed_job.title] = values[name]["digest"]
        with store.draft(key) as draft:
            work = Work(
                spec,
                root,
                draft.path,
                needed,
                lambda news: report(dict(news)),
                tuple(asked.allowed),
                Path(asked.profiles) if asked.profiles else None,
                kept=store.path / "found",
            )
            result = _carry_out(job, work)
            taken = to_record(result.evidence)
            inputs = recorder.inputs()
            unprovable = work.unprovable or "; ".join(inputs.unobserved)
            entry = draft.publish(
                {"evidence": taken.fields, "unprovable": unprovable},
                inputs=inputs,
                volatile=taken.volatile,
                arrays={**taken.arrays, **result.arrays},
                needs=digests,
            )
    finally:
        recorder.stop()
    return Published(entry.location, entry.digest, unprovable).to_json()


def _carry_out(job: Job, work: Work) -> Result:
    if isinstance(job, Train) and job.shuffled:
        try:
            return ENGINES.find(work.spec.train.engine.use).run(job, work)
        except (
            MlspecError
        ) as error:  # such as a fit that refuses what it cannot learn: nothing against the declared one
            raise NotApplicableError(f"no training on shuffled targets came to its end: {error.message}") from error
    if isinstance(job, (Train, TrainSeeds, Interrupt, Resume)):
        return ENGINES.find(work.spec.train.engine.use).run(job, work)
    return probe_for(job)(job, work)
