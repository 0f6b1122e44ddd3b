"""From a document to a spec that can be planned: its variants, its models, its rules; every mistake with its place.

`read` is the way in. What it returns has been held against everything that can be known without running code.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from pytest_mlspec import load
from pytest_mlspec.errors import Place, Problem, SpecError, did_you_mean
from pytest_mlspec.spec import Spec

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from pytest_mlspec.load import Document, KeyPath


@dataclass(frozen=True)
class Declared:
    """One validated spec and the document that it was read from; `document.data` is that of its variant."""

    spec: Spec
    document: Document

    def place(self, key: KeyPath) -> Place:
        """Where `key` stands in the file, or the nearest mapping around it."""
        return self.document.place(key)


def read(path: Path, *, root: Path) -> list[Declared]:
    """The specs of the file, variants of a matrix one by one; raises SpecError with every mistake in it."""
    from pytest_mlspec.rules import mistakes

    declared: list[Declared] = []
    problems: list[Problem] = []
    for document in load.read(path, root=root):
        for variant in _variants(document, problems):
            spec, broken = _validated(variant, problems)
            if spec is None:
                continue
            problems += (
                Problem(variant.place(mistake.key), load.dotted(mistake.key), mistake.message, mistake.advice)
                for mistake in mistakes(spec, root=root)
                if not (broken and mistake.key == ())  # a key that is missing may be one that was left out here
            )
            declared.append(Declared(spec, variant))
    problems += _repeated_names(declared)
    if problems:
        raise SpecError(sorted(dict.fromkeys(problems), key=lambda problem: (problem.place.line, problem.place.column)))
    return declared


def _validated(document: Document, problems: list[Problem]) -> tuple[Spec | None, bool]:
    """The spec of `document`, and whether keys were left out because they are wrong: the rest is still held to the rules."""
    data = document.data
    while True:
        try:
            return Spec.model_validate(data), data is not document.data
        except ValidationError as error:
            found = error.errors(include_url=False)
        keys = [_as_written(data, details["loc"]) for details in found]
        if data is document.data:
            problems += (_problem(document, details) for details in found)
            data = copy.deepcopy(data)
        removed = [_remove(data, key) for key, details in zip(keys, found, strict=True) if details["type"] != "missing"]
        if not any(removed):
            return None, True


def _remove(data: Any, key: KeyPath) -> bool:
    """Takes `key` out of `data`, an item of a list by the key of its list; False where it is not there."""
    while key and isinstance(key[-1], int):
        key = key[:-1]
    if not key:
        return False
    for part in key[:-1]:
        data = data[part] if not isinstance(data, dict) or part in data else None
        if data is None:
            return False
    return isinstance(data, dict) and data.pop(key[-1], None) is not None


def _variants(document: Document, problems: list[Problem]) -> Iterator[Document]:
    """The document itself, or one for each combination of its `matrix`, with the values in the name."""
    if "matrix" not in document.data:
        yield document
        return
    matrix = document.data["matrix"]
    if not (
        isinstance(matrix, dict) and matrix and all(isinstance(values, list) and values for values in matrix.values())
    ):
        message = "write {KEY PATH: [VALUE, …]}, such as {train.optimizer.lr: [1e-3, 3e-3]}"
        problems.append(Problem(document.place(("matrix",)), "matrix", message))
        return
    unknown = [key for key in matrix if not _reaches(document.data, key)]
    for key in unknown:
        message = f"the spec has no key {key!r} that this could vary"
        problems.append(Problem(document.place(("matrix", key)), "matrix", message, "write the key's own value first"))
    if unknown:
        return
    for values in itertools.product(*matrix.values()):
        data = copy.deepcopy({key: value for key, value in document.data.items() if key != "matrix"})
        for key, value in zip(matrix, values, strict=True):
            _set(data, key, value)
        labels = ", ".join(f"{key.rpartition('.')[2]}={value}" for key, value in zip(matrix, values, strict=True))
        data["name"] = f"{data.get('name')}[{labels}]"
        yield replace(document, data=data)


def _reaches(data: Any, key: str) -> bool:
    for part in key.split("."):
        if not (isinstance(data, dict) and part in data):
            return False
        data = data[part]
    return True


def _set(data: Any, key: str, value: object) -> None:
    *parents, last = key.split(".")
    for part in parents:
        data = data[part]
    data[last] = value


def _repeated_names(declared: list[Declared]) -> Iterator[Problem]:
    first: dict[str, Place] = {}
    for each in declared:
        place = each.place(("name",))
        if each.spec.name in first:
            yield Problem(place, "name", f"the name {each.spec.name!r} stands at {first[each.spec.name]} too")
        first.setdefault(each.spec.name, place)


def _problem(document: Document, details: ErrorDetails) -> Problem:
    """One complaint of pydantic, with its place and in the words of a spec."""
    key = _as_written(document.data, details["loc"])
    kind = details["type"]
    message, advice = details["msg"], ""
    read = _read(document.data, key)
    match kind:
        case "extra_forbidden":
            message = f"unknown key {key[-1]!r}"
            advice = did_you_mean(str(key[-1]), _fields_at(key[:-1]))
        case "missing":
            message = "this key is required"
        case "literal_error":
            message = f"{read!r} is not known here"
            expected = details.get("ctx", {}).get("expected", "")
            advice = f"allowed: {expected.replace(chr(39), '')}"
        case "use" | "check" | "checks" | "format" | "unit" | "unit_missing":
            pass
        case _:
            message = f"{_lower_first(message)}, not {_described(read)}"
    return Problem(document.place(key), load.dotted(key), message, advice)


def _as_written(data: Any, location: tuple[int | str, ...]) -> KeyPath:
    """The part of pydantic's location that the file holds; a name that stands for a mapping ends the path."""
    key: list[str | int] = []
    for part in location:
        if isinstance(data, dict):
            key.append(part)
            data = data.get(str(part))
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            key.append(part)
            data = data[part]
        else:
            break
    return tuple(key)


def _read(data: Any, key: KeyPath) -> Any:
    for part in key:
        data = data[part] if (isinstance(data, list) and isinstance(part, int)) else (data or {}).get(part)
    return data


def _fields_at(key: KeyPath) -> list[str]:
    """The keys that a spec may have at `key`."""
    model: Any = Spec
    for part in key:
        field = model.model_fields.get(part) if isinstance(part, str) else None
        inner = _model_in(field.annotation) if field else (model if isinstance(part, int) else None)
        if inner is None:
            # Below a mapping with free keys, such as gates, the next part is a name and the model is that of its values.
            continue
        model = inner
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> Any:
    """The model in an annotation such as `Task | None` or `Mapping[str, Bound]`; None where there is none."""
    if isinstance(annotation, type) and hasattr(annotation, "model_fields"):
        return annotation
    inner = (_model_in(argument) for argument in getattr(annotation, "__args__", ()))
    return next((model for model in inner if model is not None), None)


def _described(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case Mapping():
            return "a mapping"
        case list():
            return "a list"
        case _:
            text = repr(value)
            return text if len(text) <= 60 else f"{text[:59]}…"


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
