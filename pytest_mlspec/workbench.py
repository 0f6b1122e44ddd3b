"""One training in this process: its jobs run here, each once, and its claims are judged by the checks of a spec.

It is the second door to the checks, beside the plugin: the pipeline is an object at hand in place of a file. What an assertion
measured is kept for as long as the workbench; nothing is stored in the project. A job runs on one thread of torch and leaves
the random generators of this process as it found them.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import random
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pytest_mlspec.check import Verdict, errored, not_applicable
from pytest_mlspec.engines import ENGINES
from pytest_mlspec.errors import MlspecError, NotApplicableError, Place, StoreError, did_you_mean
from pytest_mlspec.evidence import Evidence, Independence, TrainingRun
from pytest_mlspec.jobs import Interrupt, Job, Resume, Train, TrainSeeds, needed_by, with_seed
from pytest_mlspec.language.declared import declare
from pytest_mlspec.language.spec import Spec
from pytest_mlspec.plain import Values, as_array
from pytest_mlspec.plan import Claim, make_plan
from pytest_mlspec.probes import probe_for
from pytest_mlspec.recipe.protocol import Examples
from pytest_mlspec.recipe.taken import resolve_recipe
from pytest_mlspec.recipe.work import Result, Work

_PACKAGE = Path(__file__).parent


@dataclass(frozen=True)
class Kept:
    """The result of a job, as another job reads it."""

    result: Result
    folder: Path

    @property
    def evidence(self) -> Evidence:
        """Its evidence."""
        return self.result.evidence

    def array(self, name: str) -> Any:
        """One of its arrays; raises StoreError where it has none of that name."""
        if name not in self.result.arrays:
            raise StoreError(f"there is no array {name!r}", advice=did_you_mean(name, self.result.arrays))
        return self.result.arrays[name]

    def file(self, name: str) -> Path:
        """One of its files; raises StoreError where it has none of that name."""
        if not (self.folder / name).exists():
            raise StoreError(f"there is no file {name!r}")
        return self.folder / name


@dataclass
class Workbench:
    """The jobs of one training.

    `document` holds the keys of its spec; `holder` gives the extension points of its pipeline, as a recipe does; `folder` takes
    files.
    """

    spec: Spec
    document: Mapping[str, Any]
    holder: object
    folder: Path
    _kept: dict[Job, Kept] = field(default_factory=dict)

    def result(self, job: Job) -> Kept:
        """What `job` gave; it runs now, after what it needs, unless it has run. Raises what kept it from being done."""
        job = with_seed(job, self.spec.train.seed)
        if job not in self._kept:
            needed = {each: self.result(each) for each in needed_by(job)}
            folder = self.folder / str(len(self._kept))
            folder.mkdir(exist_ok=True)
            work = Work(self.spec, Path.cwd(), folder, needed, lambda news: None, given=self.holder)
            with _surroundings_kept():
                self._kept[job] = Kept(self._carry_out(job, work), folder)
        return self._kept[job]

    def judge(self, **claims: Any) -> dict[str, tuple[Claim, Verdict]]:
        """The verdict on every claim of `checks` and `gates`, which are written as in a spec, by its name.

        Raises SpecError for a mistake in them.
        """
        document = {**self.document, "checks": [], **claims}
        plan = make_plan(declare(document, root=Path.cwd(), at=_caller()))
        return {claim.name: (claim, self._verdict(claim)) for claim in plan.claims}

    def _verdict(self, claim: Claim) -> Verdict:
        if claim.not_applicable:
            return not_applicable(claim.not_applicable)
        try:
            return claim.judge({role: self.result(job).evidence for role, job in claim.jobs.items()})
        except NotApplicableError as error:
            return not_applicable(error.message)
        except MlspecError as error:
            details = error.details.rstrip().splitlines()
            return errored(error.message).explained(*details, advice=error.advice)

    def _carry_out(self, job: Job, work: Work) -> Result:
        if not isinstance(job, Train | TrainSeeds | Interrupt | Resume):
            return probe_for(job)(job, work)
        result = ENGINES.find(self.spec.train.engine.use).run(job, work)
        if isinstance(job, Train) and job.fresh and isinstance(result.evidence, TrainingRun):
            # It ran in this process, under its hash seed: there is none to compare.
            return replace(result, evidence=replace(result.evidence, hash_seed=""))
        return result


@contextmanager
def workbench(holder: object, spec: Mapping[str, Any]) -> Iterator[Workbench]:
    """The workbench of the pipeline of `holder`, with the keys of `spec` in the language of a spec file.

    Raises SpecError with every mistake in `spec`, placed where this package was called, before anything runs.
    """
    name = getattr(holder, "__name__", type(holder).__name__)
    document = {"mlspec": 1, "name": "python", "recipe": name.rpartition(".")[2], "checks": ["standard"], **spec}
    validated = declare(document, root=Path.cwd(), at=_caller()).spec
    resolve_recipe(validated, root=Path.cwd(), given=holder)  # a point that does not fit is told before any training
    with tempfile.TemporaryDirectory(prefix="mlspec-") as folder:
        yield Workbench(validated, document, holder, Path(folder))


def with_targets(model: Any, inputs: Values) -> tuple[Any, Any]:
    """`inputs` with targets of the form that the model's outputs have, where none are at hand.

    Raises MlspecError for outputs that are neither values [N] nor one number for each of C classes [N, C].
    """
    import numpy as np

    from pytest_mlspec.engines.at_hand import ModelAtHand

    rows = np.asarray(as_array(inputs))
    if not len(rows):
        raise MlspecError("there is no row to call the model with")
    shape = ModelAtHand(model)(rows[:2]).shape[1:]
    if shape in ((), (1,)):
        return rows, np.zeros(len(rows), dtype=np.float32)
    if len(shape) != 1:
        raise MlspecError(f"the outputs for a row have the shape {list(shape)}", advice="values [N], or classes [N, C]")
    classes = shape[0]
    enough = np.concatenate([rows] * -(-classes // len(rows)))
    return enough, np.arange(len(enough)) % classes


def independence(model: Any, inputs: Any, *, rows: int = 16) -> Independence:
    """How much the outputs of `model` for a row of `inputs` [N, …] depend on the other rows of its batch."""
    import numpy as np

    from pytest_mlspec.engines.at_hand import ModelAtHand
    from pytest_mlspec.probes.independence import independence_of

    values = np.asarray(as_array(inputs))
    if not len(values):
        raise MlspecError("there are no rows to compare", advice="give two rows or more")
    positions = np.unique(np.linspace(0, len(values) - 1, min(rows, len(values))).astype(np.int64))
    with _surroundings_kept():
        return independence_of(ModelAtHand(model).precise(), Examples(values[positions], positions, positions))


def _is_between(file: Path) -> bool:
    """True for code of this package, and for what enters its context managers."""
    return file.is_relative_to(_PACKAGE) or file == Path(contextlib.__file__)


def _caller() -> Place:
    """The line from which this package was called."""
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_between(Path(frame.f_code.co_filename)):
        frame = frame.f_back
    return Place(frame.f_code.co_filename, frame.f_lineno, 1)


@contextmanager
def _surroundings_kept() -> Iterator[None]:
    """One thread, as in a worker; then threads and global random generators are given back as they were."""
    import numpy as np
    from threadpoolctl import threadpool_limits

    python, numpy = random.getstate(), np.random.get_state()
    torch = importlib.import_module("torch") if importlib.util.find_spec("torch") else None
    if torch is not None:
        of_torch, threads = torch.get_rng_state(), torch.get_num_threads()
        torch.set_num_threads(1)  # more of them wait for each other wherever a processor is busy
    try:
        with threadpool_limits(1):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        if torch is not None:
            torch.set_rng_state(of_torch)
            torch.set_num_threads(threads)
