"""One pytest run: the plans of its specs, the broker that carries their jobs out, the store that keeps what they gave.

From a claim to its verdict: `enlist` hands the jobs of the selected claims to the broker, `answer` waits for the evidence of
one claim and judges it. A job whose stored evidence is still true is not run (`reuse.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Protocol

from pytest_mlspec import extensions, jobs
from pytest_mlspec.causes import Cause
from pytest_mlspec.check import Status, Verdict, not_applicable
from pytest_mlspec.errors import ErrorRecord, MlspecError, Place
from pytest_mlspec.evidence import TrainingRun
from pytest_mlspec.jobs import (
    EvaluateTask,
    Job,
    Latency,
    Prepare,
    ReadPublished,
    SearchProperties,
    Train,
)
from pytest_mlspec.plan import Claim, Plan, in_order, training
from pytest_mlspec.requirements import missing
from pytest_mlspec.store import Entry, Key, Store, environment
from pytest_mlspec.workers.job import Request, StoredResult
from pytest_mlspec.workers.logs import log_end, warnings_in
from pytest_mlspec.workers.tasks import Limits, Outcome, Start, Task

if TYPE_CHECKING:
    from pytest_mlspec.workers.remote import Door

PACKAGES = (
    *("numpy", "pandas", "pytest-mlspec", "safetensors", "scikit-learn", "scipy", "torch"),
    *(
        "accelerate",
        "catboost",
        "keras",
        "lightgbm",
        "lightning",
        "mteb",
        "onnx",
        "onnxruntime",
        "onnxscript",
        "sentence-transformers",
    ),
    *("skl2onnx", "onnxmltools", "skops", "tokenizers", "transformers", "xgboost", "xgboost-cpu"),
)
"""The distributions whose version is part of every key."""


class Runs(Protocol):
    """What carries tasks out: the broker, its client under xdist, or this process (`--mlspec-inline`)."""

    def submit(self, tasks: Iterable[Task]) -> None:
        """Takes tasks, each after those that it needs."""

    def outcome(self, key: str, *, on_progress: Progress | None = None) -> Outcome:
        """Waits for the outcome of a task."""

    def close(self) -> None:
        """Ends everything that still runs."""


Progress = Callable[[str, dict[str, Any]], None]


@dataclass(frozen=True)
class Answer:
    """The verdict on one claim, where it stands, the folders of the evidence behind it, and the end of a failed job's log.

    `trainings` are those behind it by the titles of their jobs, `declared` the one that the spec declares, where it is among
    them; `warnings` are Python's, from the logs of its jobs. Where a
    job gave no evidence, `log_file` is what it wrote, and `told_with` the claim whose answer tells the cause in full, empty
    for that one.
    """

    claim: Claim
    verdict: Verdict
    place: Place
    evidence: tuple[str, ...] = ()
    log: str = ""
    reused: bool = False
    trainings: Mapping[str, TrainingRun] = field(default_factory=dict)
    declared: TrainingRun | None = None
    warnings: tuple[str, ...] = ()
    log_file: str = ""
    told_with: str = ""


@dataclass(frozen=True)
class Shared:
    """What another process needs to use the same session: where the broker answers, the store, the folder for profiles."""

    broker: str
    store: str
    profiles: str


@dataclass
class Session:
    """The jobs of one run.

    With `fresh`, no evidence of an earlier run counts. `allowed` are the packages outside the project that specs may name;
    `python_path` is where user code imports from; `profiles` is the folder for the profiles of trainings, empty where none
    are wanted; `folder` holds a store that lasts as long as this run.
    """

    root: Path
    store: Store
    runs: Runs
    fresh: bool = False
    inline: bool = False
    allowed: tuple[str, ...] = ()
    python_path: tuple[str, ...] = ()
    profiles: str = ""
    folder: TemporaryDirectory[str] | None = None
    _door: Door | None = None
    _tasks: dict[tuple[str, Job], Task] = field(default_factory=dict)
    _entries: dict[str, Entry] = field(default_factory=dict)
    _absent: dict[str, str] = field(default_factory=dict)
    _enlisted: dict[str, dict[str, Claim]] = field(default_factory=dict)
    _causes: dict[tuple[str, str], Cause | None] = field(default_factory=dict)
    _warnings: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def enlist(self, plan: Plan, claims: Sequence[Claim]) -> None:
        """Hands over what `claims` of `plan` need; equal jobs, of whatever spec, run once."""
        self._enlisted.setdefault(plan.id, {}).update({claim.name: claim for claim in claims})
        self.runs.submit(self.tasks(plan, claims))

    def close(self) -> None:
        """Ends every job that still runs."""
        self.runs.close()
        if self._door is not None:
            self._door.close()
        if self.folder is not None:
            self.folder.cleanup()

    def tasks(self, plan: Plan, claims: Iterable[Claim]) -> list[Task]:
        """The tasks behind `claims`, each after those that it needs.

        A fresh interpreter needs nothing but seconds of imports, so it starts while the server of the others warms up.
        """
        wanted = [job for claim in claims if self.settled(plan, claim) is None for job in claim.jobs.values()]
        tasks = [self.task(plan, job) for job in in_order(wanted)]
        return sorted(tasks, key=lambda task: 2 if task.needs else int(task.start == "fresh"))

    def share(self) -> Shared:
        """Lets other processes use the broker of this one, until the session is closed."""
        from pytest_mlspec.workers.broker import Broker
        from pytest_mlspec.workers.remote import Door

        if self._door is None:
            assert isinstance(self.runs, Broker)
            self._door = Door(self.runs)
        return Shared(self._door.address, str(self.store.path), self.profiles)

    def task(self, plan: Plan, job: Job) -> Task:
        """`job` made ready to run."""
        known = self._tasks.get((plan.id, job))
        if known is not None:
            return known
        needs = {self.task(plan, needed).key: jobs.to_json(needed) for needed in jobs.needed_by(job)}
        label = f"{plan.spec.name}: {job.title}"
        ingredients = {
            "pipeline": _pipeline(plan, job),
            "job": jobs.to_json(job),
            "environment": self._environment,
            # A call takes another time on another machine.
            **({"processor": environment.processor()} if isinstance(job, Latency) else {}),
            # What a profiled training tells of its time is not what another one would.
            **({"profiled": True} if self.profiles else {}),
        }
        key = Key(label, ingredients)
        request = Request(
            root=str(self.root),
            store=str(self.store.path),
            spec=plan.declared.document.data,
            job=jobs.to_json(job),
            label=label,
            ingredients=ingredients,
            needs=needs,
            allowed=self.allowed,
            profiles=self.profiles,
            extensions=[extensions.to_json(origin) for origin in extensions.used_by(plan.spec, job)],
        )
        spawned = _on_gpu(plan)
        task = Task(
            key=key.digest,
            title=label,
            request=request.to_json(),
            limits=Limits(plan.spec.limits.time, plan.spec.limits.memory),
            log=str(self.store.path / "logs" / f"{key.digest[:16]}.txt"),
            needs=tuple(needs),
            start=_start(job, spawned=spawned),
            preload=plan.engine.preload,
            exclusive=spawned or isinstance(job, Latency),
        )
        self._tasks[(plan.id, job)] = task
        return task

    def answer(self, plan: Plan, claim: Claim, *, on_progress: Progress | None = None) -> Answer:
        """The verdict on `claim`, once its evidence is there."""
        settled = self.settled(plan, claim)
        if settled is not None:
            return Answer(claim, settled, claim.place)
        cause = self._cause(plan, claim, on_progress)
        if cause is not None:
            return self._unmeasured(plan, claim, cause, self._told_with(plan, claim, cause))
        outcomes = {role: self.runs.outcome(self.task(plan, job).key) for role, job in claim.jobs.items()}
        try:
            entries = {role: self._entry(outcome) for role, outcome in outcomes.items()}
            evidence = {role: StoredResult(entry).evidence for role, entry in entries.items()}
            verdict = claim.judge(evidence)
        except MlspecError as error:  # what was stored a moment ago is gone or broken
            return self._unmeasured(plan, claim, Cause(ErrorRecord.of(error)))
        folders = tuple(
            _shown(entry.path, self.root) for entry in {entry.location: entry for entry in entries.values()}.values()
        )
        reused = all(outcome.reused for outcome in outcomes.values())
        log = "" if not verdict.status.red else "".join(_shown_end(outcome.log) for outcome in outcomes.values())
        runs = {claim.jobs[role]: found for role, found in evidence.items() if isinstance(found, TrainingRun)}
        trainings = {self.task(plan, job).title: run for job, run in runs.items()}
        warnings = tuple(dict.fromkeys(self._warnings_of(plan, claim)))
        declared = runs.get(training(plan.spec))
        return Answer(claim, verdict, claim.place, folders, log, reused, trainings, declared, warnings)

    def result(self, plan: Plan, job: Job, *, on_progress: Progress | None = None) -> StoredResult:
        """The stored result of `job`, run if it has to be; raises MlspecError with what kept it from being measured."""
        tasks = [self.task(plan, each) for each in in_order([job])]
        self.runs.submit(tasks)
        _, outcome = self._failed_or_done(plan, job, on_progress)
        if outcome.error is not None:
            error = outcome.error
            raise MlspecError(error.message, key=error.key, advice=error.advice, details=error.details)
        return StoredResult(self._entry(outcome))

    def _failed_or_done(self, plan: Plan, job: Job, on_progress: Progress | None) -> tuple[Job, Outcome]:
        """`job` and its outcome; where another one kept it from being run, that one and its outcome."""
        outcome = self.runs.outcome(self.task(plan, job).key, on_progress=on_progress)
        if outcome.error is None or outcome.error.kind != "DependencyError":
            return job, outcome
        needed = (self._failed_or_done(plan, each, on_progress) for each in jobs.needed_by(job))
        return next(found for found in needed if found[1].error is not None)

    def _cause(self, plan: Plan, claim: Claim, on_progress: Progress | None = None) -> Cause | None:
        """Why `claim` cannot be judged; None where it can. All its jobs are waited for."""
        known = (plan.id, claim.name)
        if known in self._causes:
            return self._causes[known]
        causes = []
        for job in claim.jobs.values():
            failed, outcome = self._failed_or_done(plan, job, on_progress)
            if outcome.error is not None:
                causes.append(Cause(outcome.error, failed.title, outcome.log, asked=failed == job))
        # A job of its own that failed tells more than one that was not run because of another.
        self._causes[known] = min(causes, key=lambda cause: not cause.asked, default=None)
        return self._causes[known]

    def _told_with(self, plan: Plan, claim: Claim, cause: Cause) -> str:
        """The first claim of this run that `cause` keeps from being judged; empty where it is `claim` itself.

        By the order of the items, not of the answers: the processes of xdist have to agree on it.
        """
        for name, other in self._enlisted[plan.id].items():
            if name == claim.name:
                return ""
            if self.settled(plan, other) is None:
                theirs = self._cause(plan, other)
                if theirs is not None and theirs.is_that_of(cause):
                    return name
        return ""

    def _warnings_of(self, plan: Plan, claim: Claim) -> Iterator[str]:
        """The warnings in the logs of what `claim` needs; a log is read once in a run."""
        for job in in_order(claim.jobs.values()):
            log = self.task(plan, job).log
            if log not in self._warnings:
                self._warnings[log] = tuple(warnings_in(log, root=self.root))
            yield from self._warnings[log]

    @cached_property
    def _environment(self) -> dict[str, Any]:
        found = environment.fingerprint(PACKAGES, root=self.root, threads=1)
        return {**found, "python_path": [environment.relative_to(self.root, entry) for entry in self.python_path]}

    def _entry(self, outcome: Outcome) -> Entry:
        """The stored entry of an outcome, verified at its first use in this run."""
        location = (outcome.value or {})["entry"]
        if location not in self._entries:
            self._entries[location] = self.store.open(location)
        return self._entries[location]

    def title(self, key: str) -> str:
        """The title of the task `key`."""
        return next((task.title for task in self._tasks.values() if task.key == key), "another job")

    def settled(self, plan: Plan, claim: Claim) -> Verdict | None:
        """The verdict that needs no evidence; None where the jobs must be asked."""
        if plan.id not in self._absent:
            self._absent[plan.id] = missing(plan.spec.requires)
        if absent := self._absent[plan.id]:
            return Verdict(Status.SKIPPED, f"the spec requires what is not here: {absent}")
        if claim.skip:
            return Verdict(Status.SKIPPED, claim.skip)
        if claim.not_applicable:
            return not_applicable(claim.not_applicable)
        if self.inline and any(isinstance(job, Train) and job.fresh for job in claim.jobs.values()):
            return not_applicable("it compares with a fresh interpreter, and --mlspec-inline keeps to this one")
        return None

    def _unmeasured(self, plan: Plan, claim: Claim, cause: Cause, told_with: str = "") -> Answer:
        """The answer where a job gave no evidence: what the worker found, and where in the spec it lies."""
        error = cause.error
        if error.kind == "NotApplicableError":
            return Answer(claim, not_applicable(error.message), claim.place)
        key = tuple(error.key.split("."))
        # What the recipe supplies has no key in the file: there the claim is nearer than the head of the spec.
        place = plan.declared.place(key) if key[0] in plan.declared.document.data else claim.place
        if told_with:
            verdict = Verdict(Status.ERROR, cause.elsewhere)
            return Answer(claim, verdict, place, told_with=told_with)
        facts = tuple(error.details.rstrip().splitlines())
        verdict = Verdict(
            Status.ERROR,
            cause.here,
            facts=facts,
            advice=(error.advice,) if error.advice else (),
            findings=("training.not_finite",) if error.kind == "NonFiniteError" else (),
        )
        end = _shown_end(cause.log)
        if facts and end.rstrip().endswith(error.details.rstrip()):
            end = ""  # the details of a worker that died are the end of its log: once is enough
        wrote = Path(cause.log).stat().st_size if cause.log and Path(cause.log).exists() else 0
        return Answer(claim, verdict, place, log=end, log_file=_shown(Path(cause.log), self.root) if wrote else "")


def _pipeline(plan: Plan, job: Job) -> dict[str, Any]:
    """The part of the spec that decides what `job` does: preparing does not depend on how the model is trained."""
    pipeline = plan.spec.pipeline()
    if isinstance(job, EvaluateTask | ReadPublished):
        return _of_mteb(plan, job, pipeline)
    if isinstance(job, Prepare):
        return {name: pipeline[name] for name in ("task", "data", "recipe", "inputs")} | _what_accepts_nulls(
            plan, pipeline
        )
    if isinstance(job, SearchProperties):
        return pipeline | {"invariant": plan.spec.model_dump(mode="json", include={"invariant"})["invariant"]}
    return pipeline


def _of_mteb(plan: Plan, job: EvaluateTask | ReadPublished, pipeline: Mapping[str, Any]) -> dict[str, Any]:
    """What the spec says of the task, beside what decides the model; how that is trained does not decide what it was before."""
    task = plan.spec.mteb.get(job.task)
    said = {"mteb": None if task is None else task.model_dump(mode="json")}
    if isinstance(job, ReadPublished):
        return said
    if job.of is None and plan.engine.name == "sentence_transformers":
        start = {name: pipeline[name] for name in ("task", "model", "recipe", "inputs")}
        return {**start, "train": {name: pipeline["train"][name] for name in ("engine", "seed", "device")}, **said}
    return {**pipeline, **said}


def _what_accepts_nulls(plan: Plan, pipeline: Mapping[str, Any]) -> dict[str, Any]:
    engine = {"engine": plan.engine.name, "loss": pipeline["train"]["loss"]}
    return engine | ({"model": pipeline["model"]} if plan.engine.name == "sklearn" else {})


def _start(job: Job, *, spawned: bool) -> Start:
    if isinstance(job, Train) and job.fresh:
        return "fresh"
    return "spawn" if spawned else "fork"


def _on_gpu(plan: Plan) -> bool:
    device = plan.spec.train.device
    return device.startswith("cuda") or (device == "auto" and environment.device_class().startswith("cuda"))


def _shown(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _shown_end(log: str) -> str:
    """The end of a log as whole lines; empty where there is none."""
    end = log_end(log)
    return f"{end}\n" if end else ""
