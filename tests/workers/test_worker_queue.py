"""The order of tasks: equal ones once, needs first, no more at a time than there are slots, stored results found."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pytest_mlspec.errors import StoreError
from pytest_mlspec.workers.broker import Broker
from pytest_mlspec.workers.tasks import Outcome, Task

from .conftest import MakeBroker, MakeTask
from .waiting import most_at_a_time

ROOT = Path(__file__).parents[2]


def test_equal_keys_run_once(broker: Broker, make_task: MakeTask, tmp_path: Path) -> None:
    """Tasks with one key are one task, in one batch and in later ones."""
    file = tmp_path / "runs"
    task = make_task("count", key="one", file=str(file))
    broker.submit([task, task])
    broker.outcome("one")
    broker.submit([task])

    broker.outcome("one")

    assert file.read_text() == "run\n"


def test_needs_run_first_and_their_values_arrive(broker: Broker, make_task: MakeTask) -> None:
    """A task starts when those that it needs have ended, and finds their values under `needed`."""
    broker.submit([make_task("interval", key="train"), make_task("echo", key="probe", needs=("train",), rate=1)])

    probe, train = broker.outcome("probe"), broker.outcome("train")

    assert probe.value == {"do": "echo", "rate": 1, "needed": {"train": train.value}}


def test_failed_need(broker: Broker, make_task: MakeTask) -> None:
    """What needs a failed task is not run: its error names the root, however long the chain."""
    tasks = [make_task("fail", key="train"), make_task("echo", key="resume", needs=("train",))]
    broker.submit([*tasks, make_task("echo", key="probe", needs=("resume",))])

    outcome = broker.outcome("probe")

    assert outcome.value is None
    assert outcome.error is not None
    assert outcome.error.kind == "DependencyError"
    assert outcome.error.message == "not run, because digits: train failed: 12 rows have no label"
    assert outcome.error.advice == "drop them"
    assert outcome.log.endswith("train.log")


def test_need_that_was_not_submitted(broker: Broker, make_task: MakeTask) -> None:
    """A task that would wait for ever is refused."""
    with pytest.raises(ValueError, match="needs tasks that were not submitted before it: \\['train'\\]"):
        broker.submit([make_task("echo", needs=("train",))])


def test_unknown_key(broker: Broker) -> None:
    """Nobody waits for a task that was never submitted."""
    with pytest.raises(ValueError, match="no task 'one' was submitted"):
        broker.outcome("one")


def test_import_is_light() -> None:
    """The broker can be imported without anything that takes time; servers are reached when the first task runs."""
    heavy = ["torch", "numpy", "pydantic", "pytest", "psutil", "subprocess", "ctypes", "multiprocessing", "socket"]
    program = f"import sys, pytest_mlspec.workers.broker; print([name for name in {heavy} if name in sys.modules])"

    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True, cwd=ROOT
    )

    assert found.stdout == "[]\n"


def test_slots(broker: Broker, make_task: MakeTask) -> None:
    """Two slots run two tasks at a time, and not three."""
    tasks = [make_task("interval", key=str(number)) for number in range(6)]
    broker.submit(tasks)

    values = [broker.outcome(task.key).value or {} for task in tasks]

    assert most_at_a_time(values) <= 2


def test_order_of_submission(make_broker: MakeBroker, make_task: MakeTask) -> None:
    """With one slot, tasks run in the order in which they were submitted."""
    broker = make_broker(slots=1)
    broker.submit([make_task("interval", key=str(number)) for number in range(3)])

    begins = [(broker.outcome(str(number)).value or {})["begin"] for number in range(3)]

    assert begins == sorted(begins)


def test_exclusive_task_runs_alone(make_broker: MakeBroker, make_task: MakeTask) -> None:
    """An exclusive task shares no moment with another, before or after it in the queue."""
    broker = make_broker(slots=3)
    before = [make_task("interval", key="a"), make_task("interval", key="b")]
    broker.submit([*before, make_task("interval", key="timing", exclusive=True), make_task("interval", key="c")])

    values = {key: broker.outcome(key).value or {} for key in ("a", "b", "timing", "c")}

    assert values["timing"]["begin"] >= max(values["a"]["end"], values["b"]["end"])
    assert values["c"]["begin"] >= values["timing"]["end"]


@dataclass
class Shelf:
    """A store for tests: `answers` are what `find` gives or raises, one after another; `calls` what was asked."""

    answers: list[dict[str, Any] | Exception | None]
    calls: list[str] = field(default_factory=list)

    def find(self, task: Task, needed: Mapping[str, Outcome]) -> dict[str, Any] | None:
        self.calls.append("find")
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @contextlib.contextmanager
    def lock(self, task: Task) -> Iterator[None]:
        self.calls.append("lock")
        yield
        self.calls.append("unlock")


def test_stored_result_is_reused(make_broker: MakeBroker, make_task: MakeTask) -> None:
    """A result that the store finds is the outcome; no lock is taken and nothing runs."""
    shelf = Shelf([{"loss": 0.5}])
    broker = make_broker(reuse=shelf)
    broker.submit([make_task("fail", key="one")])

    outcome = broker.outcome("one")

    assert (outcome.value, outcome.error, outcome.reused) == ({"loss": 0.5}, None, True)
    assert shelf.calls == ["find"]


def test_result_that_another_session_made_meanwhile_is_reused(make_broker: MakeBroker, make_task: MakeTask) -> None:
    """The store is asked again once the lock is held: whoever held it may have run the task."""
    shelf = Shelf([None, {"loss": 0.5}])
    broker = make_broker(reuse=shelf)
    broker.submit([make_task("fail", key="one")])

    outcome = broker.outcome("one")

    assert (outcome.value, outcome.reused) == ({"loss": 0.5}, True)
    assert shelf.calls == ["find", "lock", "find", "unlock"]


def test_task_without_stored_result_runs_under_the_lock(make_broker: MakeBroker, make_task: MakeTask) -> None:
    """Where the store has nothing, the task runs, and its outcome is not called reused."""
    shelf = Shelf([None, None])
    broker = make_broker(reuse=shelf)
    broker.submit([make_task("echo", key="one")])

    outcome = broker.outcome("one")

    assert outcome.value == {"do": "echo", "needed": {}}
    assert not outcome.reused
    assert shelf.calls == ["find", "lock", "find", "unlock"]


@pytest.mark.parametrize(
    ("raised", "kind"), [(StoreError("the disk is full"), "StoreError"), (OSError("surprise"), "InternalError")]
)
def test_failing_store(make_broker: MakeBroker, make_task: MakeTask, raised: Exception, kind: str) -> None:
    """An error of the store is the outcome of the task; the broker goes on."""
    broker = make_broker(slots=1, reuse=Shelf([raised, {"loss": 0.5}]))
    broker.submit([make_task("echo", key="one"), make_task("echo", key="two")])

    error = broker.outcome("one").error

    assert error is not None
    assert error.kind == kind
    assert broker.outcome("two").value == {"loss": 0.5}
