"""The end of a server, of the broker and of the whole session: nothing waits for ever, nothing is left running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_mlspec.workers import connection
from pytest_mlspec.workers.broker import Broker

from .conftest import MakeTask
from .waiting import gone, pids_in

SESSION = """
import sys
from pathlib import Path
from pytest_mlspec.workers.broker import Broker
from pytest_mlspec.workers.tasks import Limits, Task

folder = Path(sys.argv[1])
broker = Broker(target="targets:run", slots=2, root=folder, python_path=[sys.argv[2]])
broker.submit(
    Task(do, do, {"do": do, "note": str(folder / do), "child": str(folder / "child")}, Limits(600), str(folder / "log" / do),
         preload=False)
    for do in ("child_and_sleep", "hold_the_gil")
)
try:
    broker.outcome("hold_the_gil")
except KeyboardInterrupt:
    broker.close()
    print("closed")
"""


@pytest.fixture
def session(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process with a broker that runs a sleeping task, which has a child, and one that holds the GIL."""
    command = [sys.executable, "-c", SESSION, str(tmp_path), str(Path(__file__).parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_killed_session_leaves_no_orphan(session: subprocess.Popen[str], tmp_path: Path, number: int) -> None:
    """Whatever kills the session, its workers, their children and the server end within moments."""
    pids = {pid for name in ("child_and_sleep", "hold_the_gil", "child") for pid in pids_in(tmp_path / name)}

    session.send_signal(number)

    assert session.wait(10) == -number
    assert len(pids) == 4
    assert all(gone(pid, seconds=5) for pid in pids)


def test_interrupted_session_closes(session: subprocess.Popen[str], tmp_path: Path) -> None:
    """Ctrl-C reaches who waits for an outcome, and closing ends all processes before it returns."""
    pids = {pid for name in ("child_and_sleep", "hold_the_gil", "child") for pid in pids_in(tmp_path / name)}

    session.send_signal(signal.SIGINT)
    output, _ = session.communicate(timeout=15)

    assert (session.returncode, output) == (0, "closed\n")
    assert all(gone(pid, seconds=1) for pid in pids)


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (signal.SIGKILL, "the process that starts the workers was killed by signal 9"),
        (signal.SIGTERM, "the worker was killed: its server was told to end"),
    ],
)
def test_killed_server(broker: Broker, make_task: MakeTask, tmp_path: Path, number: int, message: str) -> None:
    """The tasks of a server that dies are errors, its workers die with it, and the next task gets a new server."""
    note = tmp_path / "note"
    broker.submit([make_task("sleep", key="one", note=str(note))])
    worker, server = pids_in(note)

    os.kill(server, number)
    error = broker.outcome("one").error
    broker.submit([make_task("process", key="two")])
    second = broker.outcome("two").value

    assert error is not None
    assert (error.kind, error.message) == ("WorkerError", message)
    assert gone(worker)
    assert second is not None
    assert second["server"] != server


def test_server_that_hangs(
    broker: Broker, make_task: MakeTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the server itself does not enforce a limit, it is killed with its worker some time after."""
    monkeypatch.setattr(connection, "ANSWER_SECONDS", 0.1)
    monkeypatch.setattr(connection, "STOP_SECONDS", 0.1)
    note = tmp_path / "note"
    broker.submit([make_task("sleep", key="one", seconds=1, note=str(note))])
    worker, server = pids_in(note)

    os.kill(server, signal.SIGSTOP)
    error = broker.outcome("one").error

    assert error is not None
    assert error.message == "the process that starts the workers did not answer any more"
    assert gone(worker)
    assert gone(server)


def test_close_answers_who_waits(broker: Broker, make_task: MakeTask, tmp_path: Path) -> None:
    """Closing drops what is queued, kills what runs, and gives each waiter an error."""
    note = tmp_path / "note"
    broker.submit([make_task("sleep", key="one", note=str(note)), make_task("echo", key="two", needs=("one",))])
    worker, server = pids_in(note)
    threading.Timer(0.1, broker.close).start()

    error = broker.outcome("two").error
    broker.close()

    assert error is not None
    assert error.message == "not run to its end: the session ended first"
    assert gone(worker)
    assert gone(server)


def test_closed_broker(broker: Broker, make_task: MakeTask) -> None:
    """A closed broker runs nothing, answers with an error, and can be closed again."""
    broker.submit([make_task("echo", key="one")])
    broker.outcome("one")
    broker.close()
    broker.close()
    broker.submit([make_task("echo", key="two")])

    assert broker.outcome("one").error is None
    assert broker.outcome("two").error is not None
