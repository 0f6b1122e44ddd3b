"""Workers forked from the server that has torch."""

from __future__ import annotations

import time

import pytest

from pytest_mlspec.workers.broker import Broker

from .conftest import MakeTask

pytest.importorskip("torch")


def test_preloaded_server(broker: Broker, make_task: MakeTask) -> None:
    """Its workers find torch and this package imported, train with one thread; their server has one thread and no pandas."""
    broker.submit(
        [make_task("process", key="before", preload=True), make_task("train_a_step", key="one", preload=True)]
    )

    before, trained = broker.outcome("before").value, broker.outcome("one").value

    assert before is not None
    assert trained is not None
    assert "torch" in before["modules"]
    assert "safetensors" in before["modules"]  # this package brings it
    assert not {"sklearn", "pandas", "scipy", "pytest"} & set(before["modules"])
    assert before["server_threads"] == 1
    assert trained["threads"] == 1
    assert trained["server"] == before["server"]


def test_cost_of_a_task(broker: Broker, make_task: MakeTask) -> None:
    """Prints what a task costs on top of its own work, once the server is there; asserts only that it ran."""
    broker.submit([make_task("echo", key="first", preload=True)])
    broker.outcome("first")
    begin = time.perf_counter()
    broker.submit([make_task("echo", key="second", preload=True)])

    outcome = broker.outcome("second")

    print(f"a task after the first: {1000 * (time.perf_counter() - begin):.1f} ms")
    assert outcome.error is None
