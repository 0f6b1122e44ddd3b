"""The rules of `model: {use: pretrained, …}`: one place, pinned, and a folder that is there. Files are looked for, never read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlspec.language.complaints import described
from pytest_mlspec.language.pretrained import ARGUMENTS, PLACES, PRETRAINED, is_commit
from pytest_mlspec.language.rules.mistake import Mistake
from pytest_mlspec.language.rules.uses import import_path, named

if TYPE_CHECKING:
    from pytest_mlspec.language.load import KeyPath
    from pytest_mlspec.language.spec import Spec, Use

_KEY: KeyPath = ("model",)


def mistakes(spec: Spec, root: Path) -> Iterator[Mistake]:
    """The mistakes of a pretrained model, for the engines that start from one; a folder is looked for below `root`."""
    model, engine = spec.model, spec.train.engine.use
    if model is None or model.is_path or engine not in ARGUMENTS or model.use != PRETRAINED:
        return
    given = model.arguments
    if "trust_remote_code" in given:
        yield Mistake((*_KEY, "trust_remote_code"), "a spec cannot allow code from elsewhere", "remove this key")
    known = PLACES | ARGUMENTS[engine] | {"trust_remote_code"}
    yield from named(_KEY, model, {PRETRAINED: known}, "model")
    yield from of_place(_KEY, model, root)
    length = given.get("max_length", 1)
    if not (type(length) is int and length > 0):
        yield Mistake((*_KEY, "max_length"), f"a number of tokens is needed, not {described(length)}")


def of_place(key: KeyPath, use: Use, root: Path) -> Iterator[Mistake]:
    """The mistakes of where something pretrained lies, a model or a tokenizer."""
    given, what = use.arguments, "model" if use.use == PRETRAINED else use.use
    for name in sorted(PLACES & given.keys()):
        if not (isinstance(given[name], str) and given[name]):
            yield Mistake((*key, name), f"a text is needed, not {described(given[name])}")
            return
    places = [name for name in ("path", "name") if name in given]
    if len(places) != 1:
        told = (
            f"both path and name say where the {what} lies"
            if places
            else f"neither path nor name says where the {what} lies"
        )
        yield Mistake(key, told, "write path: FOLDER, or name: NAME with revision: SHA")
    elif "name" in given:
        yield from _pinned(key, use)
    else:
        yield from _folder(key, use, root)


def _pinned(key: KeyPath, model: Use) -> Iterator[Mistake]:
    revision = model.arguments.get("revision")
    if revision is None:
        told = f"{described(model.arguments['name'])} on the hub may be another model tomorrow"
        yield Mistake(key, told, "pin it: revision: SHA, the 40 digits of a commit")
    elif not is_commit(revision):
        told = f"{described(revision)} is no commit: it may name another one tomorrow"
        yield Mistake((*key, "revision"), told, "write the 40 digits of a commit")


def _folder(around: KeyPath, model: Use, root: Path) -> Iterator[Mistake]:
    path, key = model.arguments["path"], (*around, "path")
    if "revision" in model.arguments:
        yield Mistake(
            (*around, "revision"), "a folder has no revisions", "remove this key; its files are pinned by content"
        )
    if ":" in path:
        yield from import_path(key, model.model_copy(update={"use": path, "arguments": {}}))
        return
    try:
        is_below = (root / path).resolve().is_relative_to(root.resolve())
        is_folder = is_below and (root / path).is_dir()
    except (OSError, RuntimeError, ValueError) as error:  # too long a name, a circle of links
        yield Mistake(key, f"{described(path)} cannot be looked for: {error}")
        return
    if not is_below:
        advice = "name a folder below it, or a function that gives one: package.module:name"
        yield Mistake(key, f"{described(path)} lies outside the root directory {root}", advice)
    elif not is_folder:
        yield Mistake(key, f"there is no folder {described(path)} below the root directory {root}")
