"""From a document to a spec that can be planned: its variants, its models, its rules; every mistake with its place.

`read` is the way in. What it returns has been held against everything that can be known without running code.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from pytest_mlspec.errors import MlspecError, Place, Problem, SpecError, did_you_mean
from pytest_mlspec.language import load
from pytest_mlspec.language.complaints import worded
from pytest_mlspec.language.matrix import variants
from pytest_mlspec.language.overrides import overridden
from pytest_mlspec.language.spec import Spec

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from pytest_mlspec.language.load import Document, KeyPath

# What stands in for these keys where they are wrong, so that the rest is held to the rules all the same.
_STAND_INS = {"mlspec": 1, "name": "unnamed"}


@dataclass(frozen=True)
class Declared:
    """One validated spec and the document that it was read from; `document.data` is that of its variant."""

    spec: Spec
    document: Document

    def place(self, key: KeyPath) -> Place:
        """Where `key` stands in the file, or the nearest mapping or list around it."""
        return self.document.place(_as_written(self.document.data, key))


def read(path: Path, *, root: Path) -> list[Declared]:
    """The specs of the file, variants of a matrix one by one; raises SpecError with every mistake in it."""
    declared: list[Declared] = []
    problems: list[Problem] = []
    for document in load.read(path, root=root):
        for variant in variants(document, problems):
            declared += _declared(variant, problems, root=root, folder=path.parent)
    problems += _repeated_names(declared)
    if problems:
        raise SpecError(sorted(dict.fromkeys(problems), key=lambda problem: (problem.place.line, problem.place.column)))
    return declared


def read_one(
    path: Path,
    *,
    root: Path,
    name: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    at: Place | None = None,
) -> Declared:
    """The spec of the file, the one called `name` where there are several, with the values of `overrides` in place.

    `at` is where the overrides are written, for mistakes in them. Raises SpecError with every mistake in the file or in the
    overrides, MlspecError for a name that is not there.
    """
    declared = {each.spec.name: each for each in read(path, root=root)}
    shown = path.relative_to(root) if path.is_relative_to(root) else path
    if name is None and len(declared) > 1:
        raise MlspecError(
            f"{shown} holds {len(declared)} specs", advice=f"say which with name=…: {', '.join(declared)}"
        )
    if name is not None and name not in declared:
        raise MlspecError(f"{shown} holds no spec {name!r}", advice=did_you_mean(name, declared))
    chosen = declared[name] if name is not None else next(iter(declared.values()))
    if not overrides:
        return chosen
    document, problems = overridden(chosen.document, overrides, at=at or chosen.document.place(()))
    changed = [] if problems else list(_declared(document, problems, root=root, folder=path.parent))
    if problems:
        raise SpecError(dict.fromkeys(problems))
    return changed[0]


def declare(data: Mapping[str, Any], *, root: Path, at: Place) -> Declared:
    """The spec that plain `data` hold, written at `at`; raises SpecError with every mistake in it."""
    problems: list[Problem] = []
    declared = list(_declared(load.Document(at.path, dict(data), {(): at}), problems, root=root, folder=root))
    if problems:
        raise SpecError(dict.fromkeys(problems))
    return declared[0]


def _declared(document: Document, problems: list[Problem], *, root: Path, folder: Path) -> Iterator[Declared]:
    """The document as a spec, where it can be planned; its mistakes are added to `problems`."""
    from pytest_mlspec.language.rules import mistakes

    reading = _Reading(document)
    problems += reading.problems
    if reading.spec is None:
        return
    for mistake in mistakes(reading.spec, root=root, folder=folder):
        if not reading.has_lost(mistake.lacks):
            key = _as_written(document.data, mistake.key)
            problems.append(Problem(document.place(key), load.dotted(key), mistake.message, mistake.advice))
    if not reading.problems:
        yield Declared(reading.spec, document)


@dataclass
class _Reading:
    """A document held against the language. Keys that are wrong are left out, so that the others can be looked at.

    `spec` is None where nothing can be made of the rest; `lost` are the keys that were left out.
    """

    document: Document
    spec: Spec | None = None
    problems: list[Problem] = field(default_factory=list)
    lost: list[KeyPath] = field(default_factory=list)

    def __post_init__(self) -> None:
        data = self.document.data
        while self.spec is None:
            try:
                self.spec = Spec.model_validate(data)
            except ValidationError as error:
                found = error.errors(include_url=False)
                if _is_of_another_format(data):
                    found = [details for details in found if details["loc"] == ("mlspec",)]
                keys = [_as_written(data, details["loc"]) for details in found]
                if not self.problems:
                    self.problems += map(self._problem, keys, found)
                    data = copy.deepcopy(data)
                if _is_of_another_format(data):
                    return
                taken_out = [taken for key in keys if (taken := _without(data, key))]
                if not taken_out:
                    return
                self.lost += taken_out

    def has_lost(self, lacks: tuple[KeyPath, ...]) -> bool:
        """True where one of the keys in `lacks`, or one around or below it, was written and left out."""
        return any(lost[: len(key)] == key[: len(lost)] for key in lacks for lost in self.lost)

    def _problem(self, key: KeyPath, details: ErrorDetails) -> Problem:
        from pytest_mlspec.language.vocabulary import missing_key, unknown_key

        match details["type"]:
            case "extra_forbidden":
                message, advice = unknown_key(key)
            case "missing":
                message, advice = missing_key(key)
            case _:
                message, advice = worded(details, _read(self.document.data, key))
        return Problem(self.document.place(key), load.dotted(key), message, advice)


def _is_of_another_format(data: Any) -> bool:
    """True for a format that this version does not know: then nothing else can be said of the document."""
    return type(data.get("mlspec")) is int and data["mlspec"] != _STAND_INS["mlspec"]


def _without(data: Any, key: KeyPath) -> KeyPath:
    """Takes `key` out of `data`: an item of a list with the list, a key that is missing with the mapping that lacks it.

    Returns the path of what was taken out; empty where another mistake has taken it out before.
    """
    if len(key) == 1 and key[0] in _STAND_INS:
        data[key[0]] = _STAND_INS[str(key[0])]
        return key
    while key:
        around = _read(data, key[:-1])
        if isinstance(around, dict) and key[-1] in around:
            del around[key[-1]]
            return key
        key = key[:-1]
    return ()


def _as_written(data: Any, location: tuple[int | str, ...]) -> KeyPath:
    """The part of a location in the models that the file holds.

    A name that stands for a mapping ends the path; the number of an item is left out where one item stands without a list.
    """
    key: list[str | int] = []
    for part in location:
        if isinstance(data, dict):
            if isinstance(part, str):
                key.append(part)
                data = data.get(part)
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            key.append(part)
            data = data[part]
        elif not isinstance(part, int):
            break
    return tuple(key)


def _read(data: Any, key: KeyPath) -> Any:
    """The value at `key`; None where there is none."""
    for part in key:
        if isinstance(data, dict):
            data = data.get(str(part))
        else:
            data = data[part] if isinstance(data, list) and isinstance(part, int) and part < len(data) else None
    return data


def _repeated_names(declared: list[Declared]) -> Iterator[Problem]:
    first: dict[str, Place] = {}
    for each in declared:
        name, place = each.spec.name, each.place(("name",))
        if name in first:
            yield Problem(place, "name", f"the name {name!r} stands at {first[name]} too", "rename one")
        first.setdefault(name, place)
