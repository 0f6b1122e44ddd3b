"""Names and import paths, wherever they stand: a name stands in its table with its arguments, a path has the right form."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pytest_mlspec.errors import did_you_mean
from pytest_mlspec.language.complaints import described
from pytest_mlspec.language.rules.mistake import Mistake

if TYPE_CHECKING:
    from pytest_mlspec.language.load import KeyPath
    from pytest_mlspec.language.spec import Use

# Names with two leading underscores are Python's own; a worker refuses them too.
_DOTTED = r"(?!__)[A-Za-z_]\w*(?:\.(?!__)[A-Za-z_]\w*)*"
_PATH = re.compile(rf"{_DOTTED}:{_DOTTED}", re.ASCII)
_PATH_OR_MODULE = re.compile(rf"{_DOTTED}(?::{_DOTTED})?", re.ASCII)
_WRITE_A_PATH = "write package.module:name"


def named_or_path(key: KeyPath, use: Use, table: Mapping[str, frozenset[str]], noun: str) -> Iterator[Mistake]:
    """The mistakes of a `use` that is a registered name or an import path."""
    yield from import_path(key, use) if use.is_path else named(key, use, table, noun)


def named(key: KeyPath, use: Use, table: Mapping[str, frozenset[str]], noun: str) -> Iterator[Mistake]:
    """The mistakes of a registered name and the names of its arguments."""
    if use.use not in table:
        yield unknown(key, use.use, table, noun)
        return
    for name in use.arguments:
        if name not in table[use.use]:
            advice = did_you_mean(name, table[use.use]) if table[use.use] else "it takes none"
            yield Mistake((*key, name), f"{use.use} has no argument {described(name)}", advice)


def unknown(key: KeyPath, name: str, table: Mapping[str, object], noun: str) -> Mistake:
    """A name that stands in no table."""
    near = did_you_mean(name, table)
    is_like_a_path = "." in name and not near.endswith("?")
    advice = f"{near}; your own is written package.module:name" if is_like_a_path else near
    return Mistake(key, f"unknown {noun} {described(name)}", advice)


def import_path(key: KeyPath, use: Use) -> Iterator[Mistake]:
    """The mistakes of an import path and its arguments."""
    if not _PATH.fullmatch(use.use):
        yield Mistake(key, f"{described(use.use)} is no import path", _WRITE_A_PATH)
    yield from arguments_of_path(key, use.arguments)


def path_or_module(key: KeyPath, path: str) -> Iterator[Mistake]:
    """The mistakes of an import path that may name a module alone."""
    if not _PATH_OR_MODULE.fullmatch(path):
        yield Mistake(key, f"{described(path)} is no import path", f"{_WRITE_A_PATH}, or package.module")


def arguments_of_path(key: KeyPath, arguments: Mapping[str, Any]) -> Iterator[Mistake]:
    """The mistakes of what is handed to the user's own code: leave to run code from elsewhere is not a spec's to give."""
    for name, value in arguments.items():
        if name == "trust_remote_code":
            yield Mistake((*key, name), "a spec cannot allow code from elsewhere", "remove this key")
        elif isinstance(value, Mapping):
            yield from arguments_of_path((*key, name), value)
