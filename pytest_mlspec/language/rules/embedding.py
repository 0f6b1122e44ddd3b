"""The rules of the task embedding: columns with their roles, the loss that learns from them, keys that mean nothing to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pytest_mlspec.language.complaints import described
from pytest_mlspec.language.embedding import DIRECTIONS, FORMS, LOSSES, NO_TABLE, WORDS, form_of
from pytest_mlspec.language.rules.arguments import is_number, word
from pytest_mlspec.language.rules.mistake import Mistake
from pytest_mlspec.language.rules.uses import named_or_path
from pytest_mlspec.language.task import task_of

if TYPE_CHECKING:
    from pytest_mlspec.language.load import KeyPath
    from pytest_mlspec.language.spec import Data, Spec, Use

_COLUMNS: KeyPath = ("data", "columns")
_LOSS: KeyPath = ("train", "loss")
_KNOWN_FORMS = "; ".join(f"{', '.join(roles)}" for roles in FORMS.values())


def mistakes(spec: Spec) -> Iterator[Mistake]:
    """The mistakes of `data.columns`, and with the task embedding those of what stands around it."""
    data, task = spec.data, task_of(spec)
    if task != "embedding":
        if data is not None and data.columns and task is not None:
            advice = "remove this key, or write `task: embedding`"
            yield Mistake(_COLUMNS, f"the task {task} has no columns with roles", advice, lacks=(("task",),))
        return
    columns = {} if data is None else dict(data.columns)
    form = form_of(columns)
    if form is None:
        told = f"{', '.join(columns)} are no form of data" if columns else "the key 'columns' is required"
        yield Mistake(
            _COLUMNS if columns else ("data",),
            told,
            f"write the columns of one of: {_KNOWN_FORMS}",
            lacks=(_COLUMNS, ("data",)),
        )
    twice = [role for role, column in columns.items() if list(columns.values()).count(column) > 1]
    if twice:
        told = f"{' and '.join(twice)} are the same column {described(columns[twice[0]])}"
        yield Mistake((*_COLUMNS, twice[-1]), told, "each role has a column of its own")
    if data is not None:
        yield from _without_meaning(data)
    if spec.train.loss is not None:
        yield from _loss(spec.train.loss, form)


def of_loss(use: Use) -> Iterator[Mistake]:
    """The mistakes of a loss of sentence-transformers by itself."""
    yield from named_or_path(
        _LOSS, use, {name: entry.arguments for name, entry in LOSSES.items()}, "loss of embeddings"
    )
    if use.is_path or use.use not in LOSSES:
        return
    for name, value in use.arguments.items():
        key = (*_LOSS, name)
        if name in WORDS:
            yield from word(key, value, WORDS[name])
        elif name == "directions":
            if not (isinstance(value, list) and value and set(map(str, value)) <= set(DIRECTIONS)):
                yield Mistake(key, f"a list of directions is needed, not {described(value)}", ", ".join(DIRECTIONS))
        elif name == "concatenation_sent_multiplication":
            if not isinstance(value, bool):
                yield Mistake(key, f"true or false is needed, not {described(value)}")
        elif name == "mini_batch_size":
            if not (type(value) is int and value > 0):
                yield Mistake(key, f"a whole number above 0 is needed, not {described(value)}")
        elif name in LOSSES[use.use].arguments and not is_number(value):
            yield Mistake(key, f"a number is needed, not {described(value)}")


def _loss(use: Use, form: str | None) -> Iterator[Mistake]:
    if form is None or use.is_path or use.use not in LOSSES or form in LOSSES[use.use].forms:
        return
    fitting = [name for name, entry in LOSSES.items() if form in entry.forms]
    wanted = " or ".join(", ".join(FORMS[each]) for each in LOSSES[use.use].forms)
    yield Mistake(
        _LOSS,
        f"{use.use} learns from columns {wanted}, not {', '.join(FORMS[form])}",
        f"write one of: {', '.join(fitting)}",
        lacks=(_COLUMNS,),
    )


def _without_meaning(data: Data) -> Iterator[Mistake]:
    """The keys of `data` that would change nothing: the model takes texts, and columns without a role are left out."""
    for name, why in NO_TABLE.items():
        if name in data.model_fields_set:
            yield Mistake(("data", name), why, "remove this key")
    if data.split.folds:
        told = "folds are judged by metrics, and the task embedding has none"
        yield Mistake(("data", "split", "folds"), told, "remove this key; gates mteb.TASK judge embeddings")
