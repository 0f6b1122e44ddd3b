"""Ends without a result: each is an error that says what happened, and the next task runs."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from pytest_mlspec.errors import ErrorRecord
from pytest_mlspec.workers.broker import Broker

from .conftest import MakeTask
from .waiting import gone, pids_in


def error_of(broker: Broker, key: str) -> ErrorRecord:
    """The error of a task that must have one, after a look whether the broker still runs tasks."""
    outcome = broker.outcome(key)
    assert outcome.value is None
    assert outcome.error is not None
    assert outcome.error.kind == "WorkerError"
    return outcome.error


@pytest.mark.parametrize("do", ["leave", "exit_politely"])
@pytest.mark.parametrize("code", [0, 3])
def test_exit(broker: Broker, make_task: MakeTask, do: str, code: int) -> None:
    """`os._exit` and `sys.exit` are failures, whatever the exit code."""
    broker.submit([make_task(do, key="one", code=code), make_task("echo", key="two")])

    error = error_of(broker, "one")

    assert error.message.startswith(f"the worker ended without a result (exit code {code})")
    assert broker.outcome("two").error is None


def test_sys_exit_is_shown(broker: Broker, make_task: MakeTask) -> None:
    """The line that called it is named, and its traceback comes with the error, without our frames."""
    broker.submit([make_task("exit_politely", key="one", code="enough")])

    error = error_of(broker, "one")

    assert "(exit code 1)" in error.message
    assert 'sys.exit(request["code"])' in error.details
    assert "SystemExit: enough" in error.details
    assert "workers/child.py" not in error.details
    assert re.search(r"sys\.exit at .*/tests/workers/targets\.py:\d+$", error.message)


def test_keyboard_interrupt_in_a_worker(broker: Broker, make_task: MakeTask) -> None:
    """A KeyboardInterrupt that user code raises is no result either."""
    broker.submit([make_task("interrupt", key="one")])

    error = error_of(broker, "one")

    assert "(exit code 130)" in error.message


def test_segmentation_fault(broker: Broker, make_task: MakeTask, tmp_path: Path) -> None:
    """A crash is named, its stack is in the log, and no core file is left."""
    broker.submit([make_task("crash", key="one"), make_task("echo", key="two")])

    error = error_of(broker, "one")

    assert error.message == "the worker crashed: segmentation fault (signal 11)"
    assert "in crash" in error.details
    assert [path.name for path in tmp_path.iterdir()] == ["logs"]
    assert broker.outcome("two").error is None


def test_sigkill_from_elsewhere(broker: Broker, make_task: MakeTask) -> None:
    """A kill that is not ours may be the system's, for want of memory; the peak is shown."""
    broker.submit([make_task("signal_itself", key="one", signal=int(signal.SIGKILL))])

    error = error_of(broker, "one")

    assert error.message.startswith(
        "the worker was killed by signal 9, perhaps by the system for want of memory (peak "
    )


def test_sigterm_from_elsewhere(broker: Broker, make_task: MakeTask) -> None:
    """SIGTERM ends a worker, as it ends any process."""
    broker.submit([make_task("signal_itself", key="one", signal=int(signal.SIGTERM))])

    error = error_of(broker, "one")

    assert error.message == "the worker was killed by signal 15 (terminated)"


@pytest.mark.parametrize("do", ["sleep", "hold_the_gil"])
@pytest.mark.parametrize("start", ["fork", "fresh"])
def test_time_limit(broker: Broker, make_task: MakeTask, tmp_path: Path, do: str, start: str) -> None:
    """A hang is ended at the limit, even in C code that holds the GIL, and the log shows where it was."""
    note = tmp_path / "note"
    broker.submit([make_task(do, key="one", seconds=1, note=str(note), start=start), make_task("echo", key="two")])

    error = error_of(broker, "one")

    assert error.message == "the worker was killed: over its time limit of 1 s"
    assert error.key == "limits.time"
    assert f"in {do}" in error.details
    assert "workers/child.py" not in error.details
    assert gone(pids_in(note)[0])
    assert broker.outcome("two").error is None


def test_memory_limit(broker: Broker, make_task: MakeTask) -> None:
    """A worker that uses more memory than allowed is killed, and both figures are named."""
    broker.submit([make_task("swell", key="one", memory=200_000_000)])

    error = error_of(broker, "one")

    assert error.message.startswith("the worker was killed: memory 2")
    assert error.message.endswith(" MB, over its limit of 200 MB")
    assert error.key == "limits.memory"
    assert "in swell" in error.details


def test_children_die_with_their_worker(broker: Broker, make_task: MakeTask, tmp_path: Path) -> None:
    """The processes that a killed worker had started are killed too."""
    note, child = tmp_path / "note", tmp_path / "child"
    broker.submit([make_task("child_and_sleep", key="one", seconds=1, note=str(note), child=str(child))])

    error = error_of(broker, "one")

    assert "over its time limit" in error.message
    assert gone(pids_in(child)[0])


@pytest.mark.parametrize("escapes", [False, True])
def test_left_behind_child(broker: Broker, make_task: MakeTask, escapes: bool) -> None:
    """A process that a worker leaves behind is killed once it has ended, even one that left its session."""
    broker.submit([make_task("leave_a_child", key="one", escapes=escapes)])

    outcome = broker.outcome("one")

    assert outcome.value is not None
    assert gone(outcome.value["child"])
