"""One pytest run: the plans of its specs, the broker that carries their jobs out, the store that keeps what they gave.

From a claim to its verdict: `enlist` hands the jobs of the selected claims to the broker, `answer` waits for the evidence of
one claim and judges it. A job whose stored evidence is still true is not run (`StoredEvidence`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from pytest_mlspec import jobs
from pytest_mlspec.check import Status, Verdict, not_applicable
from pytest_mlspec.errors import ErrorRecord, MlspecError, Place
from pytest_mlspec.evidence import TrainingRun
from pytest_mlspec.jobs import Job, Prepare, Scores, Train
from pytest_mlspec.plan import Claim, Plan, in_order
from pytest_mlspec.requirements import missing
from pytest_mlspec.store import Entry, Key, Miss, Store, environment
from pytest_mlspec.workers.job import Request, StoredResult
from pytest_mlspec.workers.tasks import Limits, Outcome, Task

PACKAGES = ("numpy", "pandas", "pytest-mlspec", "safetensors", "scikit-learn", "scipy", "torch")
"""The distributions whose version is part of every key."""

LOG_LINES = 40


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

    `trainings` are those behind it by the titles of their jobs.
    """

    claim: Claim
    verdict: Verdict
    place: Place
    evidence: tuple[str, ...] = ()
    log: str = ""
    reused: bool = False
    trainings: Mapping[str, TrainingRun] = field(default_factory=dict)


@dataclass(frozen=True)
class StoredEvidence:
    """What the broker asks before it runs a task: evidence of an earlier run that is proved to be unchanged.

    With `fresh`, nothing that was stored before this run counts.
    """

    store: Store
    fresh: bool = False

    def find(self, task: Task, needed: Mapping[str, Outcome]) -> dict[str, Any] | None:
        """The stored result of `task`, or None where it must run."""
        found = None if self.fresh else self.look_up(task, needed)
        if not isinstance(found, Entry):
            return None
        return {"entry": found.location, "digest": found.digest, "unprovable": ""}

    def look_up(self, task: Task, needed: Mapping[str, Outcome]) -> Entry | Miss:
        """The stored entry of `task`, or which ingredient of its key has changed."""
        request = task.request
        needs = {
            jobs.title(jobs.from_json(job)): str((needed[name].value or {}).get("digest"))
            for name, job in request["needs"].items()
        }
        found = self.store.find(Key(request["label"], request["ingredients"]), needs)
        if isinstance(found, Entry) and (reason := found.record["unprovable"]):
            return Miss(f"shared within one run only: {reason}")
        return found

    def lock(self, task: Task) -> AbstractContextManager[None]:
        """Held while `task` runs, so that of several pytest processes one runs it."""
        return self.store.lock(Key(task.request["label"], task.request["ingredients"]))


@dataclass
class Session:
    """The jobs of one run.

    `allowed` are the packages outside the project that specs may name; `python_path` is where user code imports from;
    `profiles` is the folder for the profiles of trainings, empty where none are wanted.
    """

    root: Path
    store: Store
    runs: Runs
    inline: bool = False
    allowed: tuple[str, ...] = ()
    python_path: tuple[str, ...] = ()
    profiles: str = ""
    _tasks: dict[tuple[str, Job], Task] = field(default_factory=dict)
    _entries: dict[str, Entry] = field(default_factory=dict)
    _absent: dict[str, str] = field(default_factory=dict)
    _told: dict[tuple[str, str, str], str] = field(default_factory=dict)

    def enlist(self, plan: Plan, claims: Iterable[Claim]) -> None:
        """Hands over what `claims` of `plan` need; equal jobs, of whatever spec, run once."""
        self.runs.submit(self.tasks(plan, claims))

    def tasks(self, plan: Plan, claims: Iterable[Claim]) -> list[Task]:
        """The tasks behind `claims`, each after those that it needs.

        A fresh interpreter needs nothing but seconds of imports, so it starts while the server of the others warms up.
        """
        wanted = [job for claim in claims if self.settled(plan, claim) is None for job in claim.jobs.values()]
        tasks = [self.task(plan, job) for job in in_order(wanted)]
        return sorted(tasks, key=lambda task: 2 if task.needs else int(task.start == "fresh"))

    def task(self, plan: Plan, job: Job) -> Task:
        """`job` made ready to run."""
        known = self._tasks.get((plan.id, job))
        if known is not None:
            return known
        needs = {self.task(plan, needed).key: jobs.to_json(needed) for needed in jobs.needed_by(job)}
        label = f"{plan.spec.name}: {jobs.title(job)}"
        ingredients = {
            "pipeline": _pipeline(plan, job),
            "job": jobs.to_json(job),
            "environment": self._environment,
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
        )
        spawned = _on_gpu(plan)
        task = Task(
            key=key.digest,
            title=label,
            request=request.to_json(),
            limits=Limits(plan.spec.limits.time, plan.spec.limits.memory),
            log=str(self.store.path / "logs" / f"{key.digest[:16]}.txt"),
            needs=tuple(needs),
            start="fresh" if isinstance(job, Train) and job.fresh else ("spawn" if spawned else "fork"),
            preload=plan.engine.preload and not (isinstance(job, (Prepare, Scores)) and plan.spec.recipe is None),
            exclusive=spawned,
        )
        self._tasks[(plan.id, job)] = task
        return task

    def answer(self, plan: Plan, claim: Claim, *, on_progress: Progress | None = None) -> Answer:
        """The verdict on `claim`, once its evidence is there."""
        settled = self.settled(plan, claim)
        if settled is not None:
            return Answer(claim, settled, claim.place)
        outcomes: dict[str, Outcome] = {}
        for role, job in claim.jobs.items():
            outcomes[role] = self._outcome(plan, job, on_progress)
        broken = [outcome for outcome in outcomes.values() if outcome.error is not None]
        if broken:
            # The one that failed by itself tells more than those that were not run because of it.
            cause = min(
                broken, key=lambda outcome: outcome.error is not None and outcome.error.kind == "DependencyError"
            )
            assert cause.error is not None
            return self._unmeasured(plan, claim, cause.error, cause.log)
        try:
            entries = {role: self._entry(outcome) for role, outcome in outcomes.items()}
            evidence = {role: StoredResult(entry).evidence for role, entry in entries.items()}
            verdict = claim.judge(evidence)
        except MlspecError as error:  # what was stored a moment ago is gone or broken
            return self._unmeasured(plan, claim, ErrorRecord.of(error), "")
        folders = tuple(
            _shown(entry.path, self.root) for entry in {entry.location: entry for entry in entries.values()}.values()
        )
        reused = all(outcome.reused for outcome in outcomes.values())
        log = "" if not verdict.status.red else "".join(_tail(outcome.log) for outcome in outcomes.values())
        trainings = {
            self.task(plan, claim.jobs[role]).title: found
            for role, found in evidence.items()
            if isinstance(found, TrainingRun)
        }
        return Answer(claim, verdict, claim.place, folders, log, reused, trainings)

    def result(self, plan: Plan, job: Job, *, on_progress: Progress | None = None) -> StoredResult:
        """The stored result of `job`, run if it has to be; raises MlspecError with what kept it from being measured."""
        tasks = [self.task(plan, each) for each in in_order([job])]
        self.runs.submit(tasks)
        outcome = self._outcome(plan, job, on_progress)
        if outcome.error is not None:
            error = outcome.error
            raise MlspecError(error.message, key=error.key, advice=error.advice, details=error.details)
        return StoredResult(self._entry(outcome))

    def _outcome(self, plan: Plan, job: Job, on_progress: Progress | None) -> Outcome:
        """The outcome of `job`; where a mistake at a key kept it from being run, that of the job that met the mistake."""
        outcome = self.runs.outcome(self.task(plan, job).key, on_progress=on_progress)
        if outcome.error is None or outcome.error.kind != "DependencyError" or not outcome.error.key:
            return outcome
        needed = (self._outcome(plan, each, on_progress) for each in jobs.needed_by(job))
        return next(each for each in needed if each.error is not None)

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

    def _unmeasured(self, plan: Plan, claim: Claim, error: ErrorRecord, log: str) -> Answer:
        """The answer where a job gave no evidence: what the worker found, and where in the spec it lies."""
        if error.kind == "NotApplicableError":
            return Answer(claim, not_applicable(error.message), claim.place)
        key = tuple(error.key.split("."))
        # What the recipe supplies has no key in the file: there the claim is nearer than the head of the spec.
        place = plan.declared.place(key) if key[0] in plan.declared.document.data else claim.place
        summary = f"{error.key}: {error.message}" if error.key else error.message
        first = self._told.setdefault((plan.id, log, error.details), claim.name)
        if first != claim.name and error.details:
            return Answer(claim, Verdict(Status.ERROR, summary, facts=(f"told in full with {first}",)), place)
        facts = tuple(error.details.rstrip().splitlines())
        advice = (error.advice,) if error.advice else ()
        end = _tail(log)
        if facts and end.rstrip().endswith(error.details.rstrip()):
            end = ""  # the details of a worker that died are the end of its log: once is enough
        return Answer(claim, Verdict(Status.ERROR, summary, facts=facts, advice=advice), place, log=end)


def _pipeline(plan: Plan, job: Job) -> dict[str, Any]:
    """The part of the spec that decides what `job` does: preparing does not depend on how the model is trained."""
    pipeline = plan.spec.pipeline()
    if isinstance(job, Prepare):
        return {name: pipeline[name] for name in ("task", "data", "recipe", "inputs")} | _what_accepts_nulls(
            plan, pipeline
        )
    return pipeline


def _what_accepts_nulls(plan: Plan, pipeline: Mapping[str, Any]) -> dict[str, Any]:
    engine = {"engine": plan.engine.name, "loss": pipeline["train"]["loss"]}
    return engine | ({"model": pipeline["model"]} if plan.engine.name == "sklearn" else {})


def _on_gpu(plan: Plan) -> bool:
    device = plan.spec.train.device
    return device.startswith("cuda") or (device == "auto" and environment.device_class().startswith("cuda"))


def _shown(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _tail(log: str) -> str:
    """The last lines of a log; empty where there is none."""
    try:
        lines = Path(log).read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return "".join(f"{line}\n" for line in lines[-LOG_LINES:])


def default_slots() -> int:
    """How many jobs run at a time: the processors that this process may use; one where a GPU does the work."""
    if environment.device_class().startswith("cuda"):
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
