"""A plan as text, for `--mlspec-plan`: every job, whether it would run and why, its expected time, and who needs it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_mlspec import jobs
from pytest_mlspec.plan import Claim, Plan, in_order
from pytest_mlspec.session import Session, StoredEvidence
from pytest_mlspec.store import Entry
from pytest_mlspec.workers.tasks import Outcome, Task


def plan_lines(session: Session, stored: StoredEvidence, plan: Plan, claims: Sequence[Claim]) -> Iterator[str]:
    """The lines that show what `claims` of `plan` would run. Nothing is run."""
    settled = {claim.name: session.settled(plan, claim) for claim in claims}
    users: dict[jobs.Job, list[str]] = {}
    for claim in claims:
        for job in claim.jobs.values() if settled[claim.name] is None else ():
            users.setdefault(job, []).append(claim.name)
    yield f"{plan.id}  (engine {plan.engine.name}, limit {plan.spec.limits.time:g} s a job)"
    found: dict[str, Outcome] = {}
    for job in in_order(users):
        task = session.task(plan, job)
        state = _state(stored, task, found)
        yield f"  {jobs.title(job):<50} {state}"
        yield f"      for {', '.join(users.get(job, ['other jobs']))}"
    for name, verdict in settled.items():
        if verdict is not None:
            yield f"  {name}: {verdict.status.replace('_', ' ')}: {verdict.summary}"


def _state(stored: StoredEvidence, task: Task, found: dict[str, Outcome]) -> str:
    """Whether `task` would run, and why; a reused result is added to `found`."""
    if stored.fresh:
        return "runs: --mlspec-fresh"
    if any(need not in found for need in task.needs):
        return "runs: a job that it needs runs"
    entry = stored.look_up(task, found)
    if not isinstance(entry, Entry):
        return f"runs: {entry.reason}"
    found[task.key] = Outcome(task.key, {"entry": entry.location, "digest": entry.digest})
    seconds = entry.volatile.get("seconds")
    return f"reused ({entry.location})" + (f", took {seconds:.2f} s" if isinstance(seconds, float) else "")
