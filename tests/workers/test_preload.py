"""Workers forked from the server that has torch."""

from __future__ import annotations

import time

import pytest

from pytest_mlspec.workers.broker import Broker

from .conftest import MakeTask

pytest.importorskip("torch")


def test_preloaded_server(broker: Broker, make_task: MakeTask) -> None:
    """Its workers find imported what jobs import, and train with one thread; their server has a single thread."""
    broker.submit(
        [make_task("process", key="before", preload=True), make_task("train_a_step", key="one", preload=True)]
    )

    before, trained = broker.outcome("before").value, broker.outcome("one").value

    assert before is not None
    assert trained is not None
    assert {"torch", "pandas", "sklearn", "pytest_mlspec"} <= set(before["modules"])
    assert "pytest" not in before["modules"]
    assert before["server_threads"] == 1
    assert trained["threads"] == 1
    assert trained["server"] == before["server"]


def test_estimators_of_many_threads_end_in_a_forked_worker(broker: Broker, make_task: MakeTask) -> None:
    """The server has imported scikit-learn, and fitted nothing: a pool of threads begins in the worker that needs one."""
    broker.submit([make_task("fit_estimators", key="fitted", preload=True)])

    outcome = broker.outcome("fitted")

    assert outcome.error is None
    assert outcome.value == {"fitted": 4}


def test_cost_of_a_task(broker: Broker, make_task: MakeTask) -> None:
    """Prints what a task costs on top of its own work, once the server is there; asserts only that it ran."""
    broker.submit([make_task("echo", key="first", preload=True)])
    broker.outcome("first")
    begin = time.perf_counter()
    broker.submit([make_task("echo", key="second", preload=True)])

    outcome = broker.outcome("second")

    print(f"a task after the first: {1000 * (time.perf_counter() - begin):.1f} ms")
    assert outcome.error is None
