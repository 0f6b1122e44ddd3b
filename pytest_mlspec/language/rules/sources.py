"""The rules of a source: its name or file, and its arguments. Files are looked for, never read; nothing is fetched."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pytest_mlspec import extensions
from pytest_mlspec.errors import did_you_mean
from pytest_mlspec.language import names
from pytest_mlspec.language.complaints import described, not_among
from pytest_mlspec.language.rules.mistake import Mistake
from pytest_mlspec.language.rules.uses import arguments_of_function, arguments_of_path, import_path, named, unknown

if TYPE_CHECKING:
    from pytest_mlspec.language.load import KeyPath
    from pytest_mlspec.language.spec import Use

_MODES = ("RGB", "L", "RGBA")
_QUOTINGS = ("none",)
_ON_THE_HUB = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)
# Arguments that name a second file.
_FILES = {".npy": "targets", ".idx": "labels", "-ubyte": "labels"}


def mistakes(key: KeyPath, source: Use, root: Path, folder: Path | None = None) -> Iterator[Mistake]:
    """The mistakes of the `source` that stands at `key`; files are looked for below `root`.

    `folder` is that of the spec: a path that is meant relative to it is told as it should be written.
    """
    name, entry = source.use, names.format_of(source.use)
    if "://" in name:
        advice = "name a file below the root directory, or your own function"
        yield Mistake(key, f"{described(name)} is an address, and nothing is fetched", advice)
    elif source.is_path:
        yield from import_path(key, source)
    elif name in extensions.SOURCES:
        yield from arguments_of_function(key, source, extensions.SOURCES.find(name).function)
    elif name in names.SOURCES:
        yield from _named(key, source, root)
    elif entry is not None:
        yield from file_or_folder(key, name, root, folder)
        yield from named(key, source, {name: entry.arguments}, "source")
        yield from _arguments(key, source, entry.arguments)
        yield from _second_file(key, source, root, folder)
    elif (root / name).is_dir() and "\\" not in name:
        yield Mistake(key, f"{_path(name)} is a folder", f"for a folder whose subfolders are classes, write {name}/")
    elif "/" in name or "\\" in name or "." in name.removeprefix("sklearn."):
        advice = f"{names.FORMATS_IN_WORDS}; your own function is written package.module:name"
        yield Mistake(key, f"{described(name)} is not of a format that is read", advice)
    else:
        yield unknown(key, name, {**names.SOURCES, **dict.fromkeys(extensions.SOURCES)}, "source")


def may_bring_splits(source: Use) -> bool:
    """True where the splits are known only when the source is read: the user's function, a data set, a folder."""
    by_function = source.is_path or source.use in extensions.SOURCES
    return by_function or source.use == "huggingface" or source.use.endswith("/")


def has_columns(source: Use) -> bool:
    """True for a table, of which `data.target` names a column."""
    entry = names.format_of(source.use)
    return not source.is_path and (source.use == "huggingface" or (entry is not None and entry.target == "column"))


def brings_target(source: Use) -> bool:
    """True where the target is not a column that `data.target` could name."""
    entry = names.format_of(source.use)
    is_named = source.use in names.SOURCES and source.use != "huggingface"
    return not source.is_path and (is_named or (entry is not None and entry.target == "own"))


def lacks_target(source: Use) -> str:
    """The argument that would name the targets of the `source`; empty where it has them, or they are found by name."""
    plain = source.use.removesuffix(".gz")
    argument = next((argument for ending, argument in _FILES.items() if plain.endswith(ending)), "")
    return argument if argument not in source.arguments and not source.is_path else ""


def file_or_folder(key: KeyPath, name: str, root: Path, folder: Path | None) -> Iterator[Mistake]:
    """The mistakes of a path, that of a folder where it ends in `/`: it lies below `root`, is there and can be read."""
    path = root / name
    is_folder = name.endswith("/")
    noun = "folder" if is_folder else "file"
    below = f"below the root directory {root}"
    try:
        if not path.resolve().is_relative_to(root.resolve()):
            yield Mistake(key, f"{_path(name)} lies outside the root directory {root}", f"name a {noun} below it")
        elif not path.exists():
            advice = _from_root(name, root, folder) or _nearby(name, root)
            yield Mistake(key, f"there is no {noun} {_path(name)} {below}", advice)
        elif path.is_dir() != is_folder or not (path.is_dir() or path.is_file()):
            yield Mistake(key, f"{_path(name)} is not a {noun}", f"name a {noun}")
        elif not os.access(path, os.R_OK | os.X_OK if is_folder else os.R_OK):
            yield Mistake(key, f"the {noun} {_path(name)} cannot be read: permission denied", "chmod +r")
    except (OSError, RuntimeError) as error:  # a name that is too long, a folder without permission, a circle of links
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        yield Mistake(key, f"{_path(name)} cannot be looked for {below}: {reason}")


def _named(key: KeyPath, source: Use, root: Path) -> Iterator[Mistake]:
    if "trust_remote_code" in source.arguments:
        yield from arguments_of_path(key, source.arguments)
        return
    yield from named(key, source, names.SOURCES, "source")
    yield from _arguments(key, source, names.SOURCES[source.use])
    if source.use != "huggingface":
        return
    path = source.arguments.get("path")
    if path is None:
        advice = "write {use: huggingface, path: NAME}, a name on the hub or a folder below the root directory"
        yield Mistake(key, "huggingface needs the argument 'path'", advice)
    elif isinstance(path, str) and ((root / path).exists() or not _ON_THE_HUB.fullmatch(path)):
        yield from file_or_folder((*key, "path"), path.rstrip("/") + "/", root, None)
        if "revision" in source.arguments:
            advice = "remove this key: the files themselves are what is hashed"
            yield Mistake((*key, "revision"), f"{_path(path)} is a folder, and has no revisions", advice)


def _second_file(key: KeyPath, source: Use, root: Path, folder: Path | None) -> Iterator[Mistake]:
    plain = source.use.removesuffix(".gz")
    argument = next((argument for ending, argument in _FILES.items() if plain.endswith(ending)), "")
    path = source.arguments.get(argument)
    if not isinstance(path, str):
        return
    if names.format_of(path) != names.format_of(source.use):
        endings = [ending for ending in _FILES if names.FORMATS[ending] == names.format_of(source.use)]
        yield Mistake((*key, argument), f"{_path(path)} is not of the format of {source.use}", ", ".join(endings))
    else:
        yield from file_or_folder((*key, argument), path, root, folder)


def _from_root(name: str, root: Path, folder: Path | None) -> str:
    """How to write a path that was meant relative to the spec; empty where there is nothing either."""
    meant = None if folder is None else (folder / name).resolve()
    if meant is None or not meant.exists() or not meant.is_relative_to(root.resolve()):
        return ""
    end = "/" if name.endswith("/") else ""
    return f"paths are relative to the root directory: write {meant.relative_to(root.resolve()).as_posix()}{end}"


def _nearby(name: str, root: Path) -> str:
    wanted = PurePosixPath(name)
    folder = root / wanted.parent
    if not folder.is_dir():
        return f"there is no folder {_path(wanted.parent.as_posix())} either"
    is_folder = name.endswith("/")
    found = [
        entry.name
        for entry in folder.iterdir()
        if (entry.is_dir() and not entry.name.startswith(".") if is_folder else names.format_of(entry.name))
    ]
    return did_you_mean(wanted.name, found) if found else f"there is no {'folder' if is_folder else 'data file'} there"


def _path(name: str) -> str:
    """A path in full, as long as it can be one."""
    return described(name, length=260)


def _arguments(key: KeyPath, source: Use, known: frozenset[str]) -> Iterator[Mistake]:
    for name, value in source.arguments.items():
        if name in known:
            yield from _ARGUMENTS[name]((*key, name), value)


def _text(key: KeyPath, value: object) -> Iterator[Mistake]:
    if not (isinstance(value, str) and value):
        yield Mistake(key, f"a text is needed, not {described(value)}")


def _texts(key: KeyPath, value: object) -> Iterator[Mistake]:
    if not (isinstance(value, list) and value and all(isinstance(text, str) and text for text in value)):
        yield Mistake(key, f"a list of texts is needed, not {described(value)}", "write it as in [name, other]")
    elif len(set(value)) < len(value):
        yield Mistake(key, "a name stands twice in the list", "remove one of them")


def _marks(key: KeyPath, value: object) -> Iterator[Mistake]:
    if not (isinstance(value, list) and all(isinstance(text, str) for text in value)):
        yield Mistake(key, f"a list of texts is needed, not {described(value)}", 'quote numbers: ["-1"]')


def _separator(key: KeyPath, value: object) -> Iterator[Mistake]:
    if not (isinstance(value, str) and len(value) == 1):
        yield Mistake(key, f"one character is needed, not {described(value)}", 'write a tab as "\\t", in double quotes')


def _switch(key: KeyPath, value: object) -> Iterator[Mistake]:
    if not isinstance(value, bool):
        yield Mistake(key, f"true or false is needed, not {described(value)}")


def _size(key: KeyPath, value: object) -> Iterator[Mistake]:
    sides = value if isinstance(value, list) and len(value) == 2 else [value]
    if not all(type(side) is int and 0 < side <= 4096 for side in sides):
        advice = "write size: 32, or size: [HEIGHT, WIDTH]; at most 4096"
        yield Mistake(key, f"a number of pixels is needed, not {described(value)}", advice)


def _one_of(allowed: tuple[str, ...]) -> Callable[[KeyPath, object], Iterator[Mistake]]:
    def check(key: KeyPath, value: object) -> Iterator[Mistake]:
        if value not in allowed:
            yield Mistake(key, *not_among(value, allowed))

    return check


_ARGUMENTS: Mapping[str, Callable[[KeyPath, object], Iterator[Mistake]]] = {
    **dict.fromkeys(("path", "name", "split", "revision", "inputs", "targets", "labels"), _text),
    **dict.fromkeys(("columns", "names", "text", "optional"), _texts),
    "na_values": _marks,
    "sep": _separator,
    "quoting": _one_of(_QUOTINGS),
    "skip_blank": _switch,
    "size": _size,
    "mode": _one_of(_MODES),
}
