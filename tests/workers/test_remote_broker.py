"""The door for other processes: the same tasks and outcomes through a socket, and no end hangs on the other's death."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_mlspec.workers.broker import Broker
from pytest_mlspec.workers.remote import Door, RemoteBroker

from .conftest import MakeTask
from .waiting import gone, pids_in


@pytest.fixture
def door(broker: Broker) -> Iterator[Door]:
    opened = Door(broker)
    yield opened
    opened.close()


@pytest.fixture
def remote(door: Door) -> Iterator[RemoteBroker]:
    client = RemoteBroker(door.address)
    yield client
    client.close()


def test_remote_outcome(remote: RemoteBroker, make_task: MakeTask) -> None:
    """A client submits tasks and receives their outcomes, errors included."""
    remote.submit([make_task("echo", key="one", rate=1), make_task("fail", key="two")])

    one, two = remote.outcome("one"), remote.outcome("two")

    assert one.value == {"do": "echo", "rate": 1, "needed": {}}
    assert two.error is not None
    assert two.error.message == "12 rows have no label"


def test_remote_refusal(remote: RemoteBroker, make_task: MakeTask) -> None:
    """What the broker refuses, it refuses to a client in the same words."""
    with pytest.raises(ValueError, match="needs tasks that were not submitted before it: \\['train'\\]"):
        remote.submit([make_task("echo", needs=("train",))])
    with pytest.raises(ValueError, match="no task 'one' was submitted"):
        remote.outcome("one")


def test_two_clients_share_a_task(door: Door, remote: RemoteBroker, make_task: MakeTask, tmp_path: Path) -> None:
    """Equal tasks of two processes run once."""
    file = tmp_path / "runs"
    task = make_task("count", key="one", file=str(file))
    other = RemoteBroker(door.address)
    remote.submit([task])
    other.submit([task])

    outcomes = [remote.outcome("one"), other.outcome("one")]
    other.close()

    assert outcomes[0] == outcomes[1]
    assert file.read_text() == "run\n"


def test_an_exclusive_task_of_one_client_runs_alone(
    door: Door, broker: Broker, remote: RemoteBroker, make_task: MakeTask
) -> None:
    """No task of another process shares a moment with it, though there is a slot for one."""
    other = RemoteBroker(door.address)
    other.submit([make_task("interval", key="before")])
    remote.submit([make_task("interval", key="timing", exclusive=True)])
    other.submit([make_task("interval", key="after")])

    values = {key: broker.outcome(key).value or {} for key in ("before", "timing", "after")}
    other.close()

    assert values["before"]["end"] <= values["timing"]["begin"]
    assert values["timing"]["end"] <= values["after"]["begin"]


def test_client_that_dies_does_not_disturb(
    door: Door, remote: RemoteBroker, make_task: MakeTask, tmp_path: Path
) -> None:
    """The death of a client that waits leaves the others served."""
    note = tmp_path / "note"
    dying = RemoteBroker(door.address)
    dying.submit([make_task("sleep", key="long", note=str(note))])
    dying._socket.sendall(b'{"outcome": "long"}\n')
    dying.close()
    remote.submit([make_task("echo", key="short")])

    assert remote.outcome("short").error is None


def test_closed_broker_answers_its_clients(
    broker: Broker, remote: RemoteBroker, make_task: MakeTask, tmp_path: Path
) -> None:
    """A client that waits when the broker closes receives an error."""
    note = tmp_path / "note"
    remote.submit([make_task("sleep", key="one", note=str(note))])
    worker, _ = pids_in(note)
    threading.Timer(0.1, broker.close).start()

    error = remote.outcome("one").error
    broker.close()

    assert error is not None
    assert error.message == "not run to its end: the session ended first"
    assert gone(worker)


def test_client_without_a_door(tmp_path: Path, make_task: MakeTask) -> None:
    """A client whose other side is gone receives an error for each task, and never waits."""
    remote = RemoteBroker(str(tmp_path / "nobody"))
    remote.submit([make_task("echo", key="one")])

    error = remote.outcome("one").error
    remote.close()

    assert error is not None
    assert error.kind == "WorkerError"


def test_closed_door_leaves_nothing(broker: Broker) -> None:
    """The socket and its folder are removed."""
    door = Door(broker)
    door.close()

    assert not Path(door.address).parent.exists()
