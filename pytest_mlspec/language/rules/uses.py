"""Names and import paths, wherever they stand: a name stands in its table with its arguments, a path has the right form."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
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


def arguments_of_function(
    key: KeyPath, use: Use, function: Callable[..., object], *, ours: Sequence[str] = ()
) -> Iterator[Mistake]:
    """The mistakes of the arguments of a function that an extension registered; `ours` are those that a spec does not give."""
    parameters = [each for each in inspect.signature(function).parameters.values() if each.name not in ours]
    taken = [each.name for each in parameters if each.kind in (each.KEYWORD_ONLY, each.POSITIONAL_OR_KEYWORD)]
    takes_any = any(each.kind is each.VAR_KEYWORD for each in parameters)
    for name in use.arguments:
        if name not in taken and not takes_any:
            advice = did_you_mean(name, taken) if taken else "it takes none"
            yield Mistake((*key, name), f"{use.use} has no argument {described(name)}", advice)
    for each in parameters:
        if each.name in taken and each.default is each.empty and each.name not in use.arguments:
            yield Mistake(key, f"{use.use} needs the argument {described(each.name)}", lacks=((*key, each.name),))


def import_path(key: KeyPath, use: Use) -> Iterator[Mistake]:
    """The mistakes of an import path and its arguments."""
    yield from path(key, use.use)
    yield from arguments_of_path(key, use.arguments)


def path(key: KeyPath, text: str) -> Iterator[Mistake]:
    """The mistakes of an import path that stands alone."""
    if not _PATH.fullmatch(text):
        yield Mistake(key, f"{described(text)} is no import path", _WRITE_A_PATH)


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
