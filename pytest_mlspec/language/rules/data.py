"""The rules of `data`: source, target, split, preparation. Files are looked for, never read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pytest_mlspec.errors import did_you_mean
from pytest_mlspec.language import names
from pytest_mlspec.language.complaints import described
from pytest_mlspec.language.rules.mistake import Mistake
from pytest_mlspec.language.rules.uses import import_path, named, named_or_path, unknown
from pytest_mlspec.language.task import task_of

if TYPE_CHECKING:
    from pytest_mlspec.language.load import KeyPath
    from pytest_mlspec.language.spec import Data, Spec, Use

_SOURCE = ("data", "source")
_TABLE_ARGUMENTS = frozenset({"sep", "na_values"})
_PREPARATIONS: Mapping[str, frozenset[str]] = {name: frozenset() for name in names.PREPARATIONS}


def mistakes(spec: Spec, root: Path) -> Iterator[Mistake]:
    """The mistakes of `data`; files are looked for below `root`."""
    data = spec.data
    if data is None:
        return
    if data.source is not None:
        yield from _source(data.source, root)
        yield from _target(data, data.source)
    elif spec.recipe is None:
        advice = "name a data set, a file or your function, or write a `recipe` that gives load"
        yield Mistake(("data",), "the key 'source' is required", advice, lacks=(("data", "source"),))
    for number, step in enumerate(data.prepare):
        yield from named_or_path(("data", "prepare", number), step, _PREPARATIONS, "step of prepare")
    if len(data.prepare) > 1 and any(step.use == "none" for step in data.prepare):
        yield Mistake(("data", "prepare"), "`none` among other steps", "write `prepare: none`, or leave it out")
    yield from _split(spec, data)


def _target(data: Data, source: Use) -> Iterator[Mistake]:
    if source.use in names.SOURCES and data.target is not None:
        yield Mistake(("data", "target"), f"{source.use} brings its own target", "remove this key")
    if source.use.endswith(names.TABLE_FORMATS) and not source.is_path and data.target is None:
        yield Mistake(
            ("data",),
            "the key 'target' is required for a table",
            "write the column to predict",
            lacks=(("data", "target"),),
        )
    if data.target is not None and data.target in data.drop:
        yield Mistake(
            ("data", "drop"),
            f"the target {described(data.target)} is dropped",
            "remove it from the list; the target is never among the features",
        )


def _split(spec: Spec, data: Data) -> Iterator[Mistake]:
    split, key = data.split, ("data", "split")
    if split.test + split.val >= 1:
        yield Mistake(key, f"test {split.test:g} and val {split.val:g} leave no row for training", "make one smaller")
    ways = [way for way in ("stratify", "group", "time") if getattr(split, way)]
    if len(ways) > 1:
        yield Mistake(key, f"{' and '.join(ways)} exclude each other", "keep one of them")
    if split.stratify and task_of(spec) == "regression":
        yield Mistake((*key, "stratify"), "a regression has no classes to keep the shares of", "remove this key")
    for way in ("group", "time"):
        if data.target is not None and getattr(split, way) == data.target:
            yield Mistake(
                (*key, way), f"{described(data.target)} is the target", "split by another column, or use stratify: true"
            )


def _source(source: Use, root: Path) -> Iterator[Mistake]:
    name = source.use
    if "://" in name:
        advice = "name a file below the root directory, or your own function"
        yield Mistake(_SOURCE, f"{described(name)} is an address, and nothing is fetched", advice)
    elif source.is_path:
        yield from import_path(_SOURCE, source)
    elif name in names.SOURCES:
        yield from named(_SOURCE, source, names.SOURCES, "source")
    elif name.endswith(names.TABLE_FORMATS):
        yield from _file(name, root)
        yield from named(_SOURCE, source, {name: _TABLE_ARGUMENTS}, "source")
        yield from _how_to_read(source)
    elif "/" in name or "\\" in name or "." in name.removeprefix("sklearn."):
        formats = f"formats: {', '.join(names.TABLE_FORMATS)}; your own function is written package.module:name"
        yield Mistake(_SOURCE, f"{described(name)} is not of a format that is read", formats)
    else:
        yield unknown(_SOURCE, name, names.SOURCES, "source")


def _file(name: str, root: Path) -> Iterator[Mistake]:
    path = root / name
    below = f"below the root directory {root}"
    try:
        if not path.resolve().is_relative_to(root.resolve()):
            yield Mistake(_SOURCE, f"{_path(name)} lies outside the root directory {root}", "name a file below it")
        elif not path.exists():
            yield Mistake(_SOURCE, f"there is no file {_path(name)} {below}", _nearby(name, root))
        elif not path.is_file():
            yield Mistake(_SOURCE, f"{_path(name)} is not a file", "name a file")
        elif not os.access(path, os.R_OK):
            yield Mistake(_SOURCE, f"the file {_path(name)} cannot be read: permission denied", "chmod +r")
    except (OSError, RuntimeError) as error:  # a name that is too long, a folder without permission, a circle of links
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        yield Mistake(_SOURCE, f"{_path(name)} cannot be looked for {below}: {reason}")


def _nearby(name: str, root: Path) -> str:
    wanted = PurePosixPath(name)
    folder = root / wanted.parent
    if not folder.is_dir():
        return f"there is no folder {_path(wanted.parent.as_posix())} either"
    files = [entry.name for entry in folder.iterdir() if entry.name.endswith(names.TABLE_FORMATS)]
    return did_you_mean(wanted.name, files) if files else "the folder holds no table"


def _path(name: str) -> str:
    """A path in full, as long as it can be one."""
    return described(name, length=260)


def _how_to_read(source: Use) -> Iterator[Mistake]:
    separator, missing = source.arguments.get("sep"), source.arguments.get("na_values")
    if separator is not None and not (isinstance(separator, str) and len(separator) == 1):
        key: KeyPath = (*_SOURCE, "sep")
        yield Mistake(
            key, f"one character is needed, not {described(separator)}", 'write a tab as "\\t", in double quotes'
        )
    if missing is not None and not (isinstance(missing, list) and all(isinstance(text, str) for text in missing)):
        yield Mistake(
            (*_SOURCE, "na_values"), f"a list of texts is needed, not {described(missing)}", 'quote numbers: ["-1"]'
        )
