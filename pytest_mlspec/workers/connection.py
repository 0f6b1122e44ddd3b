"""The pytest process's end of a server: starts it, has it run tasks, and notices when it is gone.

Each task has a channel of its own, a pair of sockets of which the server gets one end. On it come the worker's lines,
and at last the server's word on how the worker ended, when nothing of it is left.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from pytest_mlspec.errors import ErrorRecord, WorkerError
from pytest_mlspec.workers.child import command
from pytest_mlspec.workers.logs import log_end
from pytest_mlspec.workers.tasks import Ending, Outcome, Surroundings, Task

START_SECONDS = 300.0  # importing torch from a cold network disk has taken minutes
ANSWER_SECONDS = 30.0  # beyond a task's limit, before the server itself counts as hung
STOP_SECONDS = 3.0


class Connection:
    """A server process and the socket that keeps it alive."""

    def __init__(self, surroundings: Surroundings, environment: Mapping[str, str], *, preload: bool) -> None:
        self.preload = preload
        self._output: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (open for as long as the server lives)
        self._control, theirs = socket.socketpair()
        self._sending = threading.Lock()
        arguments = (
            str(theirs.fileno()),
            json.dumps(asdict(surroundings)),
            str(os.getpid()),
            "torch" if preload else "",
        )
        with theirs:
            self._process = subprocess.Popen(
                command("server", *arguments),
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._output,
                env=environment,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C reaches the pytest process alone
            )

    @property
    def alive(self) -> bool:
        """Whether the server takes tasks: it hangs up before it ends."""
        try:
            self._control.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return self._process.poll() is None
        except OSError:
            return False
        return False

    def run(self, task: Task, request: Mapping[str, Any], report: Callable[[dict[str, Any]], None]) -> Outcome:
        """The outcome of `task` with this request; `report` receives its progress. Returns when its processes are gone."""
        body = json.dumps(request).encode() + b"\n"
        Path(task.log).parent.mkdir(parents=True, exist_ok=True)
        Path(task.log).write_bytes(b"")
        begun = time.monotonic()
        worker: int | None = None
        answer: dict[str, Any] = {}
        ending: Ending | None = None
        channel, theirs = socket.socketpair()
        with channel:
            channel.settimeout(START_SECONDS)
            with theirs, suppress(OSError):  # where the server is gone, the channel has ended too
                self._order(task, theirs)
            with suppress(OSError):
                channel.sendall(body)
            for record in self._records(channel, task.limits.seconds + ANSWER_SECONDS):
                if "started" in record:
                    worker, begun = record["started"], time.monotonic()
                elif "progress" in record:
                    report(record["progress"])
                elif "ended" in record:
                    ending = Ending(**record["ended"])
                    break
                elif not answer:
                    answer = record
        seconds = time.monotonic() - begun
        if "result" in answer:
            return Outcome(task.key, answer["result"], None, seconds, task.log)
        if "error" in answer:
            return Outcome(task.key, None, ErrorRecord.from_json(answer["error"]), seconds, task.log)
        if ending is None:
            return Outcome(task.key, None, self._lost(worker, task), seconds, task.log)
        error = WorkerError(ending.message, key=ending.key, advice=ending.advice, details=log_end(task.log))
        return Outcome(task.key, None, ErrorRecord.of(error), seconds, task.log)

    def stop(self) -> None:
        """Has the server kill its workers and end; the tasks that run become lost. Returns at once."""
        with suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        self._process.terminate()  # the preload does not watch the socket

    def close(self) -> None:
        """Waits for the end of the server, kills it where it takes too long, and lets go of it."""
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_SECONDS)
        self._control.close()
        self._output.close()

    def _order(self, task: Task, channel: socket.socket) -> None:
        order = {"start": task.start, "log": task.log, "limits": asdict(task.limits)}
        body = json.dumps(order).encode()
        with self._sending:
            socket.send_fds(self._control, [len(body).to_bytes(4, "big")], [channel.fileno()])
            self._control.sendall(body)

    def _records(self, channel: socket.socket, seconds: float) -> Iterator[dict[str, Any]]:
        """The records of the channel until it ends, the server is gone, or the worker has run for `seconds`."""
        deadline = time.monotonic() + START_SECONDS
        with selectors.DefaultSelector() as selector:
            selector.register(channel, selectors.EVENT_READ)
            selector.register(self._control, selectors.EVENT_READ)  # the server writes nothing there: this is its end
            parts: list[bytes] = []
            while (patience := deadline - time.monotonic()) > 0:
                ready = [key.fileobj for key, _ in selector.select(patience)]
                if self._control in ready:  # what the server and its workers had to say may still come
                    selector.unregister(self._control)
                    deadline = min(deadline, time.monotonic() + STOP_SECONDS)
                if channel not in ready:
                    continue
                try:
                    data = channel.recv(1 << 16)
                except ConnectionResetError:  # the worker died before it had read its request
                    return
                if not data:
                    return
                *complete, rest = data.split(b"\n")
                for line in complete:
                    record = _parsed(b"".join((*parts, line)))
                    parts.clear()
                    if "started" in record:
                        deadline = time.monotonic() + seconds
                    yield record
                parts.append(rest)

    def _lost(self, worker: int | None, task: Task) -> ErrorRecord:
        """The record of a task whose server is gone or hangs; ends what is left of both."""
        try:
            code = self._process.wait(STOP_SECONDS)
            reason = f"ended with exit code {code}" if code >= 0 else f"was killed by signal {-code}"
        except subprocess.TimeoutExpired:
            self._process.kill()
            reason = "did not answer any more"
        if worker is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(worker, signal.SIGKILL)
        self._output.seek(0)
        details = self._output.read().decode(errors="replace") or log_end(task.log)
        return ErrorRecord.of(WorkerError(f"the process that starts the workers {reason}", details=details))


def _parsed(line: bytes) -> dict[str, Any]:
    """The record of a line; an empty one where it is torn, as a worker leaves it that is killed while it writes."""
    try:
        record: dict[str, Any] = json.loads(line)
    except ValueError:
        return {}
    return record
