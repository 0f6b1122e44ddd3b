"""The rules of `data.prepare`: its steps, their arguments, and the order in which they can follow each other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlspec.language import names
from pytest_mlspec.language.complaints import described
from pytest_mlspec.language.rules import pretrained
from pytest_mlspec.language.rules.mistake import Mistake
from pytest_mlspec.language.rules.preparation_arguments import of_step
from pytest_mlspec.language.rules.uses import import_path, named, unknown

if TYPE_CHECKING:
    from pytest_mlspec.language.load import KeyPath
    from pytest_mlspec.language.spec import Data, Spec, Use

_KEY: KeyPath = ("data", "prepare")
_NAME_COLUMNS = "name the columns of each step: {use: …, columns: […]}"
# Byte pairs start from every byte, padding and the unknown.
_SMALLEST_BPE = 258

_NO_TABLE = {
    "ids": "write ordinal",
    "tokenize": "write tfidf or count",
    "tokenizer": "write tfidf or count",
    "images": "write standardize, or leave it out",
}
"""What an estimator of scikit-learn cannot take, and what it can instead."""


def mistakes(spec: Spec, data: Data, root: Path) -> Iterator[Mistake]:
    """The mistakes of `data.prepare`; a tokenizer's file is looked for below `root`."""
    for number, step in enumerate(data.prepare):
        key = (*_KEY, number)
        if step.is_path:
            yield from import_path(key, step)
            continue
        yield from _step(key, step, root)
        yield from _columns_exist(key, step, data)
        if spec.train.engine.use == "sklearn" and step.use in _NO_TABLE:
            yield Mistake(
                key,
                f"an estimator of scikit-learn takes a table, and {step.use} gives none",
                _NO_TABLE[step.use],
                lacks=(("train", "engine"),),
            )
    yield from _order(data.prepare)


def _step(key: KeyPath, step: Use, root: Path) -> Iterator[Mistake]:
    """The mistakes of a registered step by itself."""
    if step.use in names.TRANSFORMERS:  # only scikit-learn knows its arguments: a worker asks it
        if "columns" in step.arguments:
            yield from of_step((*key, "columns"), step.use, "columns", step.arguments["columns"])
        return
    known = {name: _arguments(name) for name in names.PREPARATIONS}
    if step.use not in known:
        yield unknown(key, step.use, {**known, **names.TRANSFORMERS}, "step of prepare")
        return
    yield from named(key, step, known, "step of prepare")
    for name, value in step.arguments.items():
        if name in known[step.use]:
            yield from of_step((*key, name), step.use, name, value)
    yield from _together(key, step, root)


def _arguments(step: str) -> frozenset[str]:
    entry = names.PREPARATIONS[step]
    has_columns = entry.takes in ("numbers", "categories", "dates", "texts")
    return entry.arguments | ({"columns"} if has_columns else set())


def _together(key: KeyPath, step: Use, root: Path) -> Iterator[Mistake]:
    """The mistakes of arguments that do not go with each other."""
    given = step.arguments
    if step.use == "impute" and ("fill_value" in given) != (given.get("strategy") == "constant"):
        yield Mistake(
            key, "fill_value and the strategy constant go together", "write {strategy: constant, fill_value: 0}"
        )
    if step.use == "tokenizer":
        yield from pretrained.of_place(key, step, root)
    if step.use != "tokenize":
        return
    if "file" in given:
        others = sorted(given.keys() & {"kind", "vocabulary", "min_frequency", "lowercase"})
        if others:
            yield Mistake((*key, others[0]), f"the tokenizer of the file decides its {others[0]}", "remove one of them")
        if isinstance(given["file"], str):
            yield from _file((*key, "file"), given["file"], root)
    if "buckets" in given and given.get("ngrams", 1) == 1:
        yield Mistake((*key, "buckets"), "buckets are for pairs of words", "write ngrams: 2, or remove this key")
    size = given.get("vocabulary")
    if given.get("kind") == "bpe" and type(size) is int and size < _SMALLEST_BPE:
        yield Mistake((*key, "vocabulary"), f"byte pairs need at least {_SMALLEST_BPE} ids, not {size}")


def _file(key: KeyPath, name: str, root: Path) -> Iterator[Mistake]:
    try:
        is_below = (root / name).resolve().is_relative_to(root.resolve())
        is_file = is_below and (root / name).is_file()
    except (OSError, RuntimeError, ValueError) as error:  # too long a name, a circle of links
        yield Mistake(key, f"{described(name)} cannot be looked for: {error}")
        return
    if not is_below:
        yield Mistake(key, f"{described(name)} lies outside the root directory {root}", "name a file below it")
    elif not is_file:
        yield Mistake(key, f"there is no file {described(name)} below the root directory {root}")


def _columns_exist(key: KeyPath, step: Use, data: Data) -> Iterator[Mistake]:
    declared = step.arguments.get("columns")
    for name in declared if isinstance(declared, list) else ():
        if name == data.target:
            yield Mistake((*key, "columns"), f"{described(name)} is the target, and never among the features")
        elif name in data.drop:
            yield Mistake((*key, "columns"), f"{described(name)} is dropped", "remove it from one of the lists")


def _order(steps: tuple[Use, ...]) -> Iterator[Mistake]:
    """The mistakes of steps that cannot follow each other."""
    uses = [step.use for step in steps]
    if "none" in uses and len(steps) > 1:
        yield Mistake(_KEY, "`none` among other steps", "write `prepare: none`, or leave it out")
    if "images" in uses and any(not step.is_path and step.use != "images" for step in steps):
        yield Mistake(_KEY, "`images` among other steps", "it normalises the pixels itself: write `prepare: images`")
    takes_the_rest = ""
    taken: dict[str, str] = {}
    with_ids = ""
    for number, step in enumerate(steps):
        key = (*_KEY, number)
        if step in steps[:number]:
            yield Mistake(key, f"{step.use} is listed twice with the same arguments", "keep one of them")
            continue
        if step.is_path:
            if with_ids:
                advice = "write it before"
                yield Mistake(key, f"after {with_ids} there are ids, and a transformer of your own takes none", advice)
            continue
        entry = names.PREPARATIONS.get(step.use)
        takes = "numbers" if entry is None else entry.takes
        declared = step.arguments.get("columns")
        columns = [str(name) for name in declared] if isinstance(declared, list) else []
        for name in columns:
            if name in taken:
                yield Mistake(
                    (*key, "columns"), f"{taken[name]} has already taken {described(name)}", "remove one of them"
                )
        takes_text = "categories" in takes or takes == "texts"
        if takes_text and not columns:
            if takes_the_rest:
                yield Mistake(key, f"{takes_the_rest} has already taken every column of text", _NAME_COLUMNS)
            takes_the_rest = step.use
        if takes_text or takes == "dates":
            taken |= dict.fromkeys(columns, step.use)
        if step.use in ("ids", "tokenize", "tokenizer"):
            with_ids = step.use
