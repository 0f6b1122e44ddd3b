"""Jobs in the pytest process, one after another, for a debugger (`--mlspec-inline`). Nothing is published."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import chdir
from pathlib import Path

from pytest_mlspec.errors import ErrorRecord, MlspecError, UserCodeError
from pytest_mlspec.session import Progress
from pytest_mlspec.workers.tasks import Outcome, Task, exit_error, not_run


class InlineRuns:
    """Carries tasks out when their outcome is asked for. The evidence lies in a temporary store that `close` removes.

    With `post_mortem`, an exception of the user's code is raised as it is to who asks first, for a debugger to look at.
    """

    def __init__(self, root: Path, *, post_mortem: bool = False) -> None:
        self._tasks: dict[str, Task] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._root = root
        self._post_mortem = post_mortem
        self.folder = Path(tempfile.mkdtemp(prefix="mlspec-inline-"))

    def submit(self, tasks: Iterable[Task]) -> None:
        """Takes tasks; they run when they are asked for."""
        for task in tasks:
            self._tasks.setdefault(task.key, task)

    def outcome(self, key: str, *, on_progress: Progress | None = None) -> Outcome:
        """The outcome of the task; it runs now, after what it needs, unless it has run."""
        if key in self._outcomes:
            return self._outcomes[key]
        task = self._tasks[key]
        needed = {need: self.outcome(need, on_progress=on_progress) for need in task.needs}
        for need, outcome in needed.items():
            if outcome.error is not None:
                self._outcomes[key] = Outcome(key, error=not_run(self._tasks[need].title, outcome.error))
                return self._outcomes[key]
        self._run(task, needed, on_progress)
        return self._outcomes[key]

    def close(self) -> None:
        """Removes the evidence."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, task: Task, needed: dict[str, Outcome], on_progress: Progress | None) -> None:
        from pytest_mlspec.workers.job import run_job

        if str(self._root) not in sys.path:
            sys.path.insert(0, str(self._root))
        started = time.monotonic()
        request = {**task.request, "needed": {name: outcome.value for name, outcome in needed.items()}}
        try:
            with chdir(self._root):
                value = run_job(request, lambda news: on_progress(task.key, news) if on_progress else None)
        except SystemExit as error:
            self._outcomes[task.key] = Outcome(task.key, error=exit_error(error, self._root))
            if self._post_mortem:
                raise
        except MlspecError as error:
            self._outcomes[task.key] = Outcome(task.key, error=ErrorRecord.of(error))
            if self._post_mortem and isinstance(error, UserCodeError) and error.__cause__ is not None:
                raise error.__cause__ from None
        else:
            self._outcomes[task.key] = Outcome(task.key, value, seconds=time.monotonic() - started)


def debugger_attached() -> bool:
    """Whether a debugger traces this process; coverage, which traces too, is none."""
    tracer = sys.gettrace()
    if tracer is not None:
        module = getattr(tracer, "__module__", None) or type(tracer).__module__
        return not module.startswith("coverage")
    monitoring = getattr(sys, "monitoring", None)  # since Python 3.12
    return monitoring is not None and monitoring.get_tool(monitoring.DEBUGGER_ID) is not None
