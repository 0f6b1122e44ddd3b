"""What is learned: the tasks that there are, and the one of a spec, declared or following from the source or the loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pytest_mlspec.language import names

if TYPE_CHECKING:
    from pytest_mlspec.language.spec import Spec


@dataclass(frozen=True)
class TaskFacts:
    """What a task asks of a spec.

    `target` says whether `data.target` is learned (`needed`), read by metrics alone (`optional`), or not there (`none`);
    `classes` is true where it holds classes. `engines` can train it, and `loss` is that of the engine torch where the spec
    declares none.
    """

    target: Literal["needed", "optional", "none"]
    engines: tuple[str, ...]
    loss: str = ""
    classes: bool = False

    @property
    def supervised(self) -> bool:
        """True where the target is learned; else none reaches a fit."""
        return self.target == "needed"


_ALL = ("torch", "trained", "sklearn", "callable", "lightning", "keras")

TASKS: Mapping[str, TaskFacts] = {
    "binary": TaskFacts("needed", (*_ALL, "transformers"), "cross_entropy", classes=True),
    "multiclass": TaskFacts("needed", (*_ALL, "transformers"), "cross_entropy", classes=True),
    "regression": TaskFacts("needed", (*_ALL, "transformers"), "mse"),
    "reconstruction": TaskFacts("none", _ALL, "mse"),
    "clustering": TaskFacts("optional", ("sklearn",), classes=True),
    "language_model": TaskFacts("none", ("torch", "transformers"), "cross_entropy"),
    # its columns have roles, and its losses a table of their own: `embedding.py`
    "embedding": TaskFacts("none", ("sentence_transformers",)),
}
"""Every task by name."""

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


def facts_of(spec: Spec) -> TaskFacts | None:
    """What the task of `spec` asks; None where the task cannot be told."""
    task = task_of(spec)
    return None if task is None else TASKS[task]


def has_no_target(spec: Spec) -> bool:
    """True where no row of the data will have a target, as far as the spec tells."""
    facts, data = facts_of(spec), spec.data
    if facts is None or facts.target == "needed":
        return False
    if facts.target == "none":
        return True
    if data is None or data.target is not None or data.source is None or data.source.is_path:
        return False
    entry = names.format_of(data.source.use)
    return data.source.use == "huggingface" or (entry is not None and entry.target != "own")


def has_no_classes(spec: Spec) -> bool:
    """True where the rows fall into no classes, as far as the spec tells."""
    facts = facts_of(spec)
    return facts is not None and (not facts.classes or has_no_target(spec))
