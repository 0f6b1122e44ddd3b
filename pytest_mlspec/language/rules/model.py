"""The rules of built-in models: their arguments, what enters them, the tasks and losses that they fit; and what learns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from pytest_mlspec.language import names
from pytest_mlspec.language.complaints import described
from pytest_mlspec.language.rules.arguments import is_number, word
from pytest_mlspec.language.rules.mistake import Mistake
from pytest_mlspec.language.rules.uses import named
from pytest_mlspec.language.task import task_of

if TYPE_CHECKING:
    from pytest_mlspec.language.load import KeyPath
    from pytest_mlspec.language.spec import Spec, Training, Use

ACTIVATIONS = ("relu", "gelu", "silu", "tanh")
NORMS = ("batch", "none")

# The losses that take no logits, with those that do.
_OF_LOGITS: Mapping[str, str] = {"nll": "cross_entropy", "binary_cross_entropy": "binary_cross_entropy_with_logits"}

# The steps of `prepare` that give a model something other than numbers.
_FORM_OF_STEP: Mapping[str, str] = {"tokenize": "ids", "tokenizer": "masked", "images": "images", "ids": "table"}
_FORMS: Mapping[str, str] = {
    "numbers": "numbers",
    "images": "images",
    "ids": "texts as ids",
    "masked": "ids and masks by name",
    "table": "numbers and ids of categories",
}
_PREPARE_FOR: Mapping[str, str] = {
    "numbers": "write `prepare: standard`",
    "images": "write `prepare: images`",
    "ids": "write `prepare: {use: tokenize, length: 32}`",
    "table": "write `prepare: [impute, standardize, ids]`",
}


def mistakes(spec: Spec, model: Use) -> Iterator[Mistake]:
    """The mistakes of a model that goes by name, and of what stands around it."""
    key: KeyPath = ("model",)
    yield from named(key, model, {name: entry.arguments for name, entry in names.MODELS.items()}, "model")
    if model.use not in names.MODELS:
        return
    for name, value in model.arguments.items():
        if name in names.MODELS[model.use].arguments:
            yield from _ARGUMENTS.get(f"{model.use}.{name}", _ARGUMENTS[name])((*key, name), value)
    yield from _task(spec, model.use)
    yield from _preparation(spec, model.use)
    loss = spec.train.loss
    if loss is not None and loss.use in _OF_LOGITS:
        told = f"{model.use} gives logits, and {loss.use} takes their {'log-' * (loss.use == 'nll')}probabilities"
        yield Mistake(("train", "loss"), told, f"write {_OF_LOGITS[loss.use]}")


def of_learning(train: Training) -> Iterator[Mistake]:
    """The mistakes of what is frozen, held against the groups of the optimiser."""
    groups = {} if train.optimizer.is_path else train.optimizer.arguments.get("groups")
    for prefix in groups if isinstance(groups, Mapping) else ():
        around = [name for name in train.freeze if f"{prefix}.".startswith(f"{name}.")]
        if around:
            key: KeyPath = ("train", "optimizer", "groups", prefix)
            yield Mistake(key, f"{prefix} does not learn: `freeze` names {around[0]}", "remove one of the two")


def _task(spec: Spec, model: str) -> Iterator[Mistake]:
    task, made_for = task_of(spec), names.MODELS[model].task
    if task is None or task == made_for:
        return
    if made_for is not None:
        yield Mistake(("model",), f"{model} is a model of the task {made_for}, not {task}", f"write `task: {made_for}`")
    fitting = [name for name, entry in names.MODELS.items() if entry.task == task]
    if made_for is None and fitting:
        yield Mistake(("model",), f"{model} does not fit the task {task}", f"write `model: {fitting[0]}`, or your own")


def _preparation(spec: Spec, model: str) -> Iterator[Mistake]:
    """The mistake of steps that give another form than the model takes; none where the team's own code may have its say."""
    steps = spec.data.prepare if spec.data is not None and spec.recipe is None else ()
    if not steps or any(step.is_path or step.use == "none" or step.use not in names.PREPARATIONS for step in steps):
        return
    given = next((_FORM_OF_STEP[step.use] for step in steps if step.use in _FORM_OF_STEP), "numbers")
    wanted = names.MODELS[model].inputs
    if given == wanted or (given, wanted) == ("images", "numbers"):
        return
    others = [name for name, entry in names.MODELS.items() if entry.inputs == given != "numbers" and entry.task is None]
    other = f"; or take model {' or '.join(others)}" if others else ""
    written = spec.data is not None and "prepare" in spec.data.model_fields_set
    told = f"{model} takes {_FORMS[wanted]}, and `prepare` gives {_FORMS[given]}"
    yield Mistake(("data", "prepare") if written else ("model",), told, f"{_PREPARE_FOR[wanted]}{other}")


def _widths(key: KeyPath, value: object) -> Iterator[Mistake]:
    if not (isinstance(value, list) and all(type(width) is int and width > 0 for width in value)):
        shown = value if isinstance(value, list) else described(value)
        yield Mistake(key, f"a list of widths is needed, not {shown}", "write it as in [256, 256]")


def _some_widths(key: KeyPath, value: object) -> Iterator[Mistake]:
    yield from _widths(key, value)
    if value == []:
        yield Mistake(key, "at least one width is needed", "write it as in [32, 64]")


def _width(key: KeyPath, value: object) -> Iterator[Mistake]:
    if not (type(value) is int and value > 0):
        yield Mistake(key, f"a whole number above 0 is needed, not {described(value)}")


def _share(key: KeyPath, value: object) -> Iterator[Mistake]:
    if not (is_number(value) and 0 <= value < 1):
        yield Mistake(key, f"a number from 0 to below 1 is needed, not {described(value)}")


def _activation(key: KeyPath, value: object) -> Iterator[Mistake]:
    yield from word(key, value, ACTIVATIONS)


def _norm(key: KeyPath, value: object) -> Iterator[Mistake]:
    yield from word(key, value, NORMS)


_ARGUMENTS: Mapping[str, Callable[[KeyPath, object], Iterator[Mistake]]] = {
    "activation": _activation,
    "channels": _some_widths,
    "cnn.hidden": _width,
    "code": _width,
    "dim": _width,
    "dropout": _share,
    "filters": _width,
    "heads": _width,
    "hidden": _widths,
    "layers": _width,
    "norm": _norm,
    "widths": _some_widths,
}
