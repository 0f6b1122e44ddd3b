"""Jobs in the pytest process, one after another, for a debugger (`--mlspec-inline`). Nothing is published."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from pytest_mlspec.errors import ErrorRecord, MlspecError
from pytest_mlspec.session import Progress
from pytest_mlspec.tasks import Outcome, Task


class InlineRuns:
    """Carries tasks out when their outcome is asked for. The evidence lies in a temporary store that `close` removes."""

    def __init__(self, root: Path) -> None:
        self._tasks: dict[str, Task] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._root = root
        self.folder = Path(tempfile.mkdtemp(prefix="mlspec-inline-"))

    def submit(self, tasks: Iterable[Task]) -> None:
        """Takes tasks; they run when they are asked for."""
        for task in tasks:
            self._tasks.setdefault(task.key, task)

    def outcome(self, key: str, *, on_progress: Progress | None = None) -> Outcome:
        """Runs the task and what it needs, unless they have run. What user code raises by mistake is raised here."""
        if key in self._outcomes:
            return self._outcomes[key]
        task = self._tasks[key]
        needed = {need: self.outcome(need, on_progress=on_progress) for need in task.needs}
        failed = next((outcome for outcome in needed.values() if outcome.error is not None), None)
        if failed is not None and failed.error is not None:
            error = replace(failed.error, kind="DependencyError")
            outcome = Outcome(key, error=error)
        else:
            outcome = self._run(task, needed, on_progress)
        self._outcomes[key] = outcome
        return outcome

    def close(self) -> None:
        """Removes the evidence."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, task: Task, needed: dict[str, Outcome], on_progress: Progress | None) -> Outcome:
        from pytest_mlspec.worker import run_job

        if str(self._root) not in sys.path:
            sys.path.insert(0, str(self._root))
        started = time.monotonic()
        request = {**task.request, "needed": {name: outcome.value for name, outcome in needed.items()}}
        try:
            value = run_job(request, lambda news: on_progress(task.key, news) if on_progress else None)
        except MlspecError as error:
            return Outcome(task.key, error=ErrorRecord.of(error))
        return Outcome(task.key, value, seconds=time.monotonic() - started)
