"""A plan as text, for `--mlspec-plan`: every job, whether it would run and why, its expected time, and who needs it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_mlspec import jobs
from pytest_mlspec.plan import Claim, Plan, in_order
from pytest_mlspec.report.families import family_of, joined
from pytest_mlspec.reuse import StoredEvidence
from pytest_mlspec.session import Session
from pytest_mlspec.store import Entry
from pytest_mlspec.workers.tasks import Outcome, Task


@dataclass(frozen=True)
class State:
    """Whether a job would run: `runs` says why, empty where its result is reused; `entry` and `seconds` are of that."""

    runs: str = ""
    entry: str = ""
    seconds: float = 0.0


def plan_lines(session: Session, plan: Plan, claims: Sequence[Claim]) -> Iterator[str]:
    """The lines that show what `claims` of `plan` would run, jobs of one family as one. Nothing is run."""
    settled = {claim.name: session.settled(plan, claim) for claim in claims}
    users: dict[jobs.Job, list[str]] = {}
    for claim in claims:
        for job in claim.jobs.values() if settled[claim.name] is None else ():
            users.setdefault(job, []).append(claim.name)
    yield f"{plan.id}  (engine {plan.engine.name}, limit {plan.spec.limits.time:g} s a job)"
    stored = StoredEvidence(session.store, fresh=session.fresh)
    found: dict[str, Outcome] = {}
    families: dict[tuple[str, str, str], list[tuple[str, State]]] = {}
    for job in in_order(users):
        title, state = job.title, _state(stored, session.task(plan, job), found)
        needed_by = ", ".join(users.get(job, ["other jobs"]))
        families.setdefault((family_of(title), state.runs, needed_by), []).append((title, state))
    for (_, _, needed_by), family in families.items():
        yield f"  {joined(title for title, _ in family):<50} {_state_text([state for _, state in family])}"
        yield f"      for {needed_by}"
    for name, verdict in settled.items():
        if verdict is not None:
            yield f"  {name}: {verdict.status.replace('_', ' ')}: {verdict.summary}"


def _state_text(states: Sequence[State]) -> str:
    """The state that the jobs of a family share, with the time of all."""
    if states[0].runs:
        return f"runs: {states[0].runs}"
    seconds = sum(state.seconds for state in states)
    where = states[0].entry if len(states) == 1 else f"{len(states)} entries"
    return f"reused ({where})" + (f", took {seconds:.2f} s" if seconds else "")


def _state(stored: StoredEvidence, task: Task, found: dict[str, Outcome]) -> State:
    """Whether `task` would run, and why; a reused result is added to `found`."""
    if stored.fresh:
        return State("--mlspec-fresh")
    if any(need not in found for need in task.needs):
        return State("a job that it needs runs")
    entry = stored.look_up(task, found)
    if not isinstance(entry, Entry):
        return State(entry.reason)
    found[task.key] = Outcome(task.key, {"entry": entry.location, "digest": entry.digest})
    seconds = entry.volatile.get("seconds")
    return State(entry=entry.location, seconds=seconds if isinstance(seconds, float) else 0.0)
