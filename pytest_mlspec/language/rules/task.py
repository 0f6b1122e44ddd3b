"""What is learned, and the keys that a spec must have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pytest_mlspec.language.rules.mistake import Mistake

if TYPE_CHECKING:
    from pytest_mlspec.language.spec import Spec

_OF_SOURCE: Mapping[str, str] = {
    "sklearn.breast_cancer": "binary",
    "sklearn.diabetes": "regression",
    "sklearn.digits": "multiclass",
    "sklearn.iris": "multiclass",
    "sklearn.wine": "multiclass",
}

_OF_LOSS: Mapping[str, str] = {
    "binary_cross_entropy": "binary",
    "binary_cross_entropy_with_logits": "binary",
    "huber": "regression",
    "l1": "regression",
    "mse": "regression",
    "poisson_nll": "regression",
    "smooth_l1": "regression",
}


def task_of(spec: Spec) -> str | None:
    """The task that is declared or follows from the source or the loss; None where only a word of the user can tell."""
    if spec.task is not None:
        return spec.task.use
    if spec.data is not None and spec.data.source is not None and spec.data.source.use in _OF_SOURCE:
        return _OF_SOURCE[spec.data.source.use]
    return _OF_LOSS.get(spec.train.loss.use) if spec.train.loss else None


def mistakes(spec: Spec) -> Iterator[Mistake]:
    """The mistakes of the spec as a whole and of its task."""
    for key in ("data", "model"):
        if spec.recipe is None and getattr(spec, key) is None:
            advice = "write it, or a `recipe` that supplies it"
            yield Mistake((), f"the key {key!r} is required", advice, lacks=((key,), ("recipe",)))
    task = task_of(spec)
    if task is None:
        yield Mistake(
            (),
            "the key 'task' is required here",
            "write binary, multiclass or regression",
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
    if not spec.checks and not spec.gates:
        yield Mistake(
            (),
            "the spec claims nothing",
            "write `checks: standard`, or bounds under `gates`",
            lacks=(("checks",), ("gates",)),
        )
