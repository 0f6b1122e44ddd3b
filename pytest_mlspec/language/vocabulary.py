"""The keys of the language: what to say of one that is unknown or missing. Read when there is a mistake, never before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pytest_mlspec.errors import did_you_mean
from pytest_mlspec.language import names
from pytest_mlspec.language.complaints import described
from pytest_mlspec.language.load.characters import named
from pytest_mlspec.language.spec import Spec, Use

if TYPE_CHECKING:
    from pytest_mlspec.language.load import KeyPath

_MISSING: Mapping[str, str] = {
    "mlspec": "write `mlspec: 1`",
    "name": "write a name for the spec, such as churn",
}


def unknown_key(key: KeyPath) -> tuple[str, str]:
    """The message and the advice for a key that the language does not have."""
    name, around = str(key[-1]), key[:-1]
    foreign = next((character for character in name if not character.isascii()), None)
    spelling = f", with the character {named(foreign)}" if foreign else ""
    known = _keys_at(around)
    near = did_you_mean(name, known)
    homes = [] if near.endswith("?") else [home for home in _homes(name) if home != around]
    places = " or ".join(f"`{'.'.join(home)}`" for home in homes)
    advice = f"it stands under {places}" if homes else near
    return f"unknown key {described(name)}{spelling}", advice


def missing_key(key: KeyPath) -> tuple[str, str]:
    """The message and the advice for a key that must be there."""
    return "this key is required", _MISSING.get(".".join(map(str, key)), "")


def _keys_at(key: KeyPath) -> list[str]:
    """The keys that a mapping at `key` may have."""
    model: Any = Spec
    for part in key:
        found = model.model_fields.get(part) if isinstance(part, str) else None
        # Below a mapping with free keys, such as gates, the next part is a name and the model is that of its values.
        model = _model_in(found.annotation) or model if found else model
    return [entry.alias or name for name, entry in model.model_fields.items()]


def _homes(name: str) -> list[tuple[str, ...]]:
    """The paths of the mappings that have a key of this name; `use` and its arguments are everywhere."""
    if name in Use.model_fields:
        return []
    homes = [path for path, model in _mappings(Spec, ()) if name in model.model_fields and path]
    optimizers = any(name in entry.arguments for entry in names.OPTIMIZERS.values())
    return homes or ([("train", "optimizer")] if optimizers else [])


def _mappings(model: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, model
    for name, entry in model.model_fields.items():
        inner = _model_in(entry.annotation)
        if inner is not None and name not in ("gates", "checks"):
            yield from _mappings(inner, (*path, name))


def _model_in(annotation: Any) -> Any:
    """The model in an annotation such as `Task | None` or `Mapping[str, Bound]`; None where there is none."""
    if hasattr(annotation, "model_fields"):
        return annotation
    inner = (_model_in(argument) for argument in getattr(annotation, "__args__", ()))
    return next((model for model in inner if model is not None), None)
