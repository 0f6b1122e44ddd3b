"""The broker: runs each distinct task once, a limited number at a time, in workers that it owns.

It lives in the pytest process, under xdist in the controller's. It decides what runs when; how a worker is started,
watched and killed is the server's affair.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pytest_mlspec.errors import ErrorRecord, MlspecError, WorkerError
from pytest_mlspec.workers.tasks import Outcome, Surroundings, Task, internal_error, not_run

if TYPE_CHECKING:
    from pytest_mlspec.workers.connection import Connection

CLOSE_SECONDS = 5.0
ENDED = WorkerError("not run to its end: the session ended first")


class Reuse(Protocol):
    """Results of earlier sessions, and the agreement with those that run at the same time."""

    def find(self, task: Task, needed: Mapping[str, Outcome]) -> dict[str, Any] | None:
        """The stored result of `task`, or None; asked just before it would run, and again once the lock is held."""

    def lock(self, task: Task) -> AbstractContextManager[None]:
        """Held while `task` runs, so that of several pytest processes one runs it."""


class Broker:
    """Tasks in, outcomes out.

    `target` is called in each worker as `target(request, report)`, in the folder `root`, with `python_path` before
    the rest of the import path. Its request is that of the task plus `needed`: the values of the tasks that it needs,
    by key. `environment` is the workers' (that of this process where it is None); the number of threads and the hash
    seed are set there.
    """

    def __init__(
        self,
        *,
        target: str,
        slots: int,
        root: Path,
        python_path: Sequence[str] = (),
        reuse: Reuse | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._surroundings = Surroundings(target, str(root), tuple(python_path))
        self._slots = slots
        self._reuse = reuse
        self._environment = environment
        self._change = threading.Condition()  # guards all below; notified when a task or progress comes or goes
        self._tasks: dict[str, Task] = {}
        self._waiting: dict[str, Task] = {}  # in the order of submission
        self._running: dict[str, Task] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._progress: dict[str, dict[str, Any]] = {}
        self._connections: list[Connection] = []  # the dead ones too, until close
        self._threads: list[threading.Thread] = []
        self._closed = False

    def submit(self, tasks: Iterable[Task]) -> None:
        """Queues the tasks whose keys are new, and returns at once. What a task needs must have come before it."""
        with self._change:
            for task in tasks:
                if task.key in self._tasks:
                    continue
                missing = [need for need in task.needs if need not in self._tasks]
                if missing:  # it would wait for ever
                    raise ValueError(f"{task.title} needs tasks that were not submitted before it: {missing}")
                self._tasks[task.key] = self._waiting[task.key] = task
            while not self._closed and len(self._threads) < min(self._slots, len(self._tasks)):
                # Daemons: a session that ends without close() must not hang on them.
                thread = threading.Thread(target=self._fill_slot, name="mlspec-slot", daemon=True)
                self._threads.append(thread)
                thread.start()
            self._change.notify_all()

    def outcome(self, key: str, *, on_progress: Callable[[str, dict[str, Any]], None] | None = None) -> Outcome:
        """The outcome of a submitted task, once it is there; a closed broker answers with an error.

        Meanwhile `on_progress(key, progress)` receives the latest report of each running task, in the caller's thread.
        """
        while True:
            news: dict[str, dict[str, Any]] = {}
            with self._change:
                if key not in self._tasks:
                    raise ValueError(f"no task {key!r} was submitted")
                if on_progress is not None and self._progress:
                    news, self._progress = self._progress, news
                elif key in self._outcomes:
                    return self._outcomes[key]
                elif self._closed:
                    return Outcome(key, error=ErrorRecord.of(ENDED), log=self._tasks[key].log)
                else:
                    self._change.wait(1.0)
            if on_progress is not None:
                for running, progress in news.items():
                    on_progress(running, progress)

    def close(self) -> None:
        """Drops what waits, kills what runs, and ends the servers; calls after the first do nothing."""
        with self._change:
            if self._closed:
                return
            self._closed = True
            self._waiting.clear()
            self._change.notify_all()
        for connection in self._connections:
            connection.stop()
        deadline = time.monotonic() + CLOSE_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        for connection in self._connections:
            connection.close()

    def _fill_slot(self) -> None:
        """Runs one task after another until the broker is closed: the life of a slot's thread."""
        while True:
            with self._change:
                while (task := self._next()) is None and not self._closed:
                    self._change.wait()
                if task is None:
                    return
                del self._waiting[task.key]
                self._running[task.key] = task
            outcome = self._settle(task)
            with self._change:
                del self._running[task.key]
                self._outcomes[task.key] = outcome
                self._change.notify_all()

    def _next(self) -> Task | None:
        """The first waiting task whose needs are met, if it may start now.

        An exclusive one that comes first holds back those after it, or it might wait until the very end.
        """
        if any(task.exclusive for task in self._running.values()):
            return None
        for task in self._waiting.values():
            if all(need in self._outcomes for need in task.needs):
                return None if task.exclusive and self._running else task
        return None

    def _settle(self, task: Task) -> Outcome:
        """The outcome of a task that has a slot: refused, reused or run."""
        needed = {need: self._outcomes[need] for need in task.needs}
        for outcome in needed.values():
            if outcome.error is not None:
                error = not_run(self._tasks[outcome.key].title, outcome.error)
                return Outcome(task.key, error=error, log=outcome.log)
        try:
            if self._reuse is None:
                return self._run(task, needed)
            found = self._reuse.find(task, needed)
            if found is None:
                with self._reuse.lock(task):
                    found = self._reuse.find(task, needed)
                    if found is None:
                        return self._run(task, needed)
            return Outcome(task.key, found, log=task.log, reused=True)
        except MlspecError as error:
            return Outcome(task.key, error=ErrorRecord.of(error), log=task.log)
        except Exception as error:
            return Outcome(task.key, error=internal_error(error), log=task.log)

    def _run(self, task: Task, needed: Mapping[str, Outcome]) -> Outcome:
        request = {**task.request, "needed": {key: outcome.value for key, outcome in needed.items()}}

        def report(progress: dict[str, Any]) -> None:
            with self._change:
                self._progress[task.key] = progress
                self._change.notify_all()

        return self._connection(preload=task.preload and task.start == "fork").run(task, request, report)

    def _connection(self, *, preload: bool) -> Connection:
        """The server of this kind; started where there is none or it has died."""
        from pytest_mlspec.workers.connection import Connection

        with self._change:
            if self._closed:
                raise ENDED
            for connection in self._connections:
                if connection.preload == preload and connection.alive:
                    return connection
            connection = Connection(self._surroundings, self._worker_environment(), preload=preload)
            self._connections.append(connection)
            return connection

    def _worker_environment(self) -> dict[str, str]:
        environment = dict(os.environ if self._environment is None else self._environment)
        environment.pop("PYTEST_CURRENT_TEST", None)  # of the item that happened to be first
        environment.update(OMP_NUM_THREADS="1", OMP_WAIT_POLICY="PASSIVE")
        # pandas imports pyarrow, whose allocator would have a thread of its own: the server has to have one alone to be forked.
        environment.setdefault("JE_ARROW_MALLOC_CONF", "background_thread:false")
        if not environment.get("PYTHONHASHSEED", "").isdecimal():
            environment["PYTHONHASHSEED"] = "0"  # known, so that a fresh worker can be given another
        return environment
