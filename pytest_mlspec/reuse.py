"""Stored evidence in place of a job: what the broker asks before it runs one."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from pytest_mlspec import jobs
from pytest_mlspec.store import Entry, Key, Miss, Store
from pytest_mlspec.workers.tasks import Outcome, Task


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
            jobs.from_json(job).title: str((needed[name].value or {}).get("digest"))
            for name, job in request["needs"].items()
        }
        found = self.store.find(Key(request["label"], request["ingredients"]), needs)
        if isinstance(found, Entry) and (reason := found.record["unprovable"]):
            return Miss(f"shared within one run only: {reason}")
        return found

    def lock(self, task: Task) -> AbstractContextManager[None]:
        """Held while `task` runs, so that of several pytest processes one runs it."""
        return self.store.lock(Key(task.request["label"], task.request["ingredients"]))
