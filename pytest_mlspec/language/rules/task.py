"""What is learned, and the keys that a spec must have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pytest_mlspec.extensions import FITS
from pytest_mlspec.language.rules.mistake import Mistake
from pytest_mlspec.language.task import TASKS, task_of

if TYPE_CHECKING:
    from pytest_mlspec.language.spec import Spec


def mistakes(spec: Spec) -> Iterator[Mistake]:
    """The mistakes of the spec as a whole and of its task."""
    for key in ("data", "model"):
        makes_model = key == "model" and spec.train.engine.use in FITS
        if spec.recipe is None and getattr(spec, key) is None and not makes_model:
            advice = "write it, or a `recipe` that supplies it"
            yield Mistake((), f"the key {key!r} is required", advice, lacks=((key,), ("recipe",)))
    task = task_of(spec)
    if task is None:
        yield Mistake(
            (),
            "the key 'task' is required here",
            f"write one of: {', '.join(TASKS)}",
            lacks=(("task",), ("data", "source"), ("train", "loss")),
        )
    if spec.task is not None and spec.task.positive is not None and task != "binary":
        yield Mistake(
            ("task", "positive"),
            f"the task {task} has no positive class",
            "remove this key; one class of several is named in a gate, such as test.recall[class=x]"
            if task == "multiclass"
            else "remove this key",
        )
    if (
        task is not None
        and spec.train.engine.use in TASKS["binary"].engines
        and spec.train.engine.use not in TASKS[task].engines
    ):
        yield Mistake(
            ("train", "engine"),
            f"the engine {spec.train.engine.use} cannot train the task {task}",
            f"write `train: {{engine: {TASKS[task].engines[0]}}}`",
            lacks=(("task",),),
        )
    if not spec.checks and not spec.gates:
        yield Mistake(
            (),
            "the spec claims nothing",
            "write `checks: standard`, or bounds under `gates`",
            lacks=(("checks",), ("gates",)),
        )
