"""The broker's door for the other processes of a session: pytest-xdist's workers share the controller's broker.

A Unix socket in a folder that only this user can enter; each line is one JSON request or its answer. A client that dies
leaves a thread that waits for an outcome and then ends; a broker that closes answers everyone who waits.
"""

from __future__ import annotations

import json
import shutil
import socket
import socketserver
import tempfile
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from pytest_mlspec.errors import ErrorRecord
from pytest_mlspec.workers.broker import ENDED, Broker
from pytest_mlspec.workers.tasks import Outcome, Task

LONGEST_FOLDER = 80  # the system takes 104 characters for a socket's path, the fewest of the systems we run on


class Door:
    """Lets other processes use `broker`, at `address`, until it is closed."""

    def __init__(self, broker: Broker) -> None:
        self._folder = tempfile.mkdtemp(prefix="mlspec-")
        if len(self._folder) > LONGEST_FOLDER:
            shutil.rmtree(self._folder)
            self._folder = tempfile.mkdtemp(prefix="mlspec-", dir="/tmp")
        self.address = str(Path(self._folder, "broker"))

        class Client(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with suppress(OSError):  # the client has died
                    for line in self.rfile:
                        self.wfile.write(json.dumps(_answer(broker, json.loads(line))).encode() + b"\n")

        self._server = _Listener(self.address, Client)
        threading.Thread(target=self._server.serve_forever, args=[0.05], name="mlspec-door", daemon=True).start()

    def close(self) -> None:
        """Lets nobody in any more and removes the socket; those inside are answered by the broker."""
        self._server.shutdown()
        self._server.server_close()
        shutil.rmtree(self._folder, ignore_errors=True)


class _Listener(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128


def _answer(broker: Broker, request: dict[str, Any]) -> dict[str, Any]:
    try:
        if "outcome" in request:
            return broker.outcome(request["outcome"]).to_json()
        broker.submit([Task.from_json(fields) for fields in request["submit"]])
    except ValueError as error:
        return {"refused": str(error)}
    return {}


class RemoteBroker:
    """The broker of another process, with the interface of `Broker`; progress is shown there, not here."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._lines = self._socket.makefile("rb")
        with suppress(OSError):  # the other process has ended: each outcome says so
            self._socket.connect(address)

    def submit(self, tasks: Iterable[Task]) -> None:
        """Queues the tasks in the other process."""
        self._ask({"submit": [task.to_json() for task in tasks]})

    def outcome(self, key: str, *, on_progress: Callable[[str, dict[str, Any]], None] | None = None) -> Outcome:
        """The outcome of a submitted task, once it is there; an error where the other process has ended."""
        answer = self._ask({"outcome": key})
        return Outcome(key, error=ErrorRecord.of(ENDED)) if answer is None else Outcome.from_json(answer)

    def close(self) -> None:
        """Hangs up; the tasks go on."""
        self._lines.close()
        self._socket.close()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any] | None:
        """The answer, or None where there is nobody to give one; raises ValueError as the broker did there."""
        try:
            self._socket.sendall(json.dumps(request).encode() + b"\n")
            line = self._lines.readline()
        except OSError:
            return None
        except BaseException:  # Ctrl-C: the answer that is still to come must not be taken for another one's
            self.close()
            raise
        answer: dict[str, Any] | None = json.loads(line) if line else None
        if answer is not None and "refused" in answer:
            raise ValueError(answer["refused"])
        return answer
