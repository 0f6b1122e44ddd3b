"""Brokers and tasks for the tests of workers. The bare server is used unless a test asks for the preload."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from pytest_mlspec.workers.broker import Broker, Reuse
from pytest_mlspec.workers.tasks import Limits, Task

MakeBroker = Callable[..., Broker]
MakeTask = Callable[..., Task]


@pytest.fixture
def make_broker(tmp_path: Path) -> Iterator[MakeBroker]:
    """Makes brokers for the jobs of `targets.py`, and closes them."""
    made: list[Broker] = []

    def make(slots: int = 2, reuse: Reuse | None = None, target: str = "targets:run") -> Broker:
        folder = str(Path(__file__).parent)
        made.append(Broker(target=target, slots=slots, root=tmp_path, python_path=[folder], reuse=reuse))
        return made[-1]

    yield make
    for broker in made:
        broker.close()


@pytest.fixture
def broker(make_broker: MakeBroker) -> Broker:
    """A broker with two slots."""
    return make_broker()


@pytest.fixture
def make_task(tmp_path: Path) -> MakeTask:
    """Makes tasks that do one of the jobs of `targets.py`."""
    numbers = count()

    def make(do: str, *, key: str = "", seconds: float = 60, memory: int | None = None, **fields: Any) -> Task:
        options = {name: fields.pop(name) for name in ("needs", "start", "preload", "exclusive") if name in fields}
        key = key or f"{do}-{next(numbers)}"
        return Task(
            key=key,
            title=f"digits: {key}",
            request={"do": do, **fields},
            limits=Limits(seconds, memory),
            log=str(tmp_path / "logs" / f"{key}.log"),
            **{"preload": False, **options},
        )

    return make
