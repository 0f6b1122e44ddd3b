"""An estimator as a spec writes it, made: its parts at any depth, the team's own among them, and class labels as numbers."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

from pytest_mlspec.errors import MissingExtraError, RecipeError, did_you_mean
from pytest_mlspec.language.boosters import BOOSTERS, BoosterName
from pytest_mlspec.language.estimators import EXPERIMENTAL, LISTS_OF_PARTS, PARTS, PARTS_BY_NAME, WORDS_FOR_PARTS
from pytest_mlspec.language.spec import Use
from pytest_mlspec.recipe.calls import call_user, check_call
from pytest_mlspec.recipe.resolve import resolve
from pytest_mlspec.recipe.targets import label_text

# The arguments that go by the labels of classes, of which an estimator sees numbers.
_OF_LABELS = frozenset({"class_weight", "class_weights"})
_LABEL = "pos_label"


def build(model: Use, *, classes: Sequence[str], root: Path, allowed: Sequence[str] = ()) -> Any:
    """The estimator that `model` declares, unfitted; `classes` are the labels as text in the order of their numbers.

    Raises RecipeError for an argument that there is not, MissingExtraError where a package is not installed, UserCodeError for
    what the team's own code raises.
    """
    return _Builder(tuple(classes), root, tuple(allowed)).part(model, "model")


@dataclass(frozen=True)
class _Builder:
    classes: tuple[str, ...]
    root: Path
    allowed: tuple[str, ...]

    def part(self, use: Use, key: str) -> Any:
        """What `use` declares at `key`."""
        if use.is_path:
            return self._own(use, key)
        if use.use not in PARTS:
            raise RecipeError(f"unknown estimator {use.use!r}", key=key, advice=did_you_mean(use.use, PARTS))
        booster = BOOSTERS.get(use.use)
        kind = _Kind(use.use, _class_of(use.use) if booster is None else _booster_class(booster, key), key)
        known = booster.arguments if booster else kind.parameters
        for name in use.arguments:
            if name not in known:
                advice = did_you_mean(name, known)
                raise RecipeError(f"{use.use} takes no argument {name!r}", key=f"{key}.{name}", advice=advice)
        arguments = {name: self._argument(kind, name, value) for name, value in use.arguments.items()}
        return call_user(kind.made_of, key=key, name=use.use, **arguments)

    def _argument(self, kind: _Kind, name: str, value: Any) -> Any:
        key = f"{kind.key}.{name}"
        if name in LISTS_OF_PARTS:
            return self._named_parts(value, key)
        if name in PARTS_BY_NAME and isinstance(value, str) and value not in WORDS_FOR_PARTS:
            return self.part(Use(use=value), key)
        if name in _OF_LABELS and isinstance(value, Mapping) and self.classes:
            return {self._number(label, key): weight for label, weight in value.items()}
        if name == _LABEL and value is not None and self.classes:
            return self._number(value, key)
        made = self._value(value, key)
        # YAML has lists alone, and scikit-learn tells them from tuples.
        is_tuple = isinstance(kind.default(name), tuple) and isinstance(made, list)
        return tuple(made) if is_tuple else made

    def _value(self, value: Any, key: str) -> Any:
        match value:
            case {"use": str()}:
                given = {name: each for name, each in value.items() if name != "use"}
                return self.part(Use(use=value["use"], arguments=given), key)
            case Mapping():
                return {name: self._value(inner, f"{key}.{name}") for name, inner in value.items()}
            case list():
                return [self._value(inner, f"{key}.{number}") for number, inner in enumerate(value)]
        return value

    def _named_parts(self, value: Any, key: str) -> list[tuple[Any, ...]]:
        """The parts with their names, which are those given, or those of their classes as `make_pipeline` counts them."""
        entries = list(value.items()) if isinstance(value, Mapping) else [(None, each) for each in value]
        shown = [_plain_name(entry) for _, entry in entries]
        counts = {name: shown.count(name) for name in shown}
        parts: list[tuple[Any, ...]] = []
        for position, ((name, entry), own) in enumerate(zip(entries, shown, strict=True)):
            numbered = own if counts[own] == 1 else f"{own}-{shown[: position + 1].count(own)}"
            given = dict(entry) if isinstance(entry, Mapping) else {"use": entry}
            columns = (given.pop("columns"),) if key.endswith(".transformers") else ()
            is_word = given["use"] in WORDS_FOR_PARTS
            part = given["use"] if is_word else self._value(given, f"{key}.{name or position}")
            parts.append((name or numbered, part, *columns))
        return parts

    def _own(self, use: Use, key: str) -> Any:
        found = resolve(use.use, root=self.root, key=key, allowed=self.allowed)
        if not isinstance(found, type) and (hasattr(found, "fit") or not callable(found)):
            if use.arguments:
                advice = "name its class, or a function"
                raise RecipeError(f"{use.use} is an object, and takes no arguments", key=key, advice=advice)
            return found
        arguments = {name: self._value(value, f"{key}.{name}") for name, value in use.arguments.items()}
        check_call(found, (), arguments, key=key, name=use.use)
        return call_user(found, key=key, name=use.use, **arguments)

    def _number(self, label: Any, key: str) -> int:
        text = label_text(label)
        if text not in self.classes:
            raise RecipeError(f"there is no class {text!r}", key=key, advice=did_you_mean(text, self.classes))
        return self.classes.index(text)


@dataclass(frozen=True)
class _Kind:
    """A class with what its constructor takes; `key` is where it is named."""

    name: str
    made_of: Callable[..., Any]
    key: str

    @cached_property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        return inspect.signature(self.made_of).parameters

    def default(self, name: str) -> Any:
        return self.parameters[name].default if name in self.parameters else None


def _plain_name(entry: Any) -> str:
    use: str = entry["use"] if isinstance(entry, Mapping) else entry
    return use.rpartition(":")[2].rpartition(".")[2].lower()


def _class_of(name: str) -> Any:
    if name in EXPERIMENTAL:
        import_module(f"sklearn.experimental.{EXPERIMENTAL[name]}")
    return getattr(import_module(PARTS[name]), name)


def _booster_class(entry: BoosterName, key: str) -> Any:
    """The class of a booster; raises where its package is missing, or of a version that was never tried."""
    try:
        package = import_module(entry.package)
    except ModuleNotFoundError as error:
        if error.name != entry.package:
            raise
        raise MissingExtraError(entry.package, extra=entry.package, key=key) from None
    version: str = package.__version__
    if not _release(entry.lowest) <= _release(version) < _release(entry.below):
        raise RecipeError(
            f"{entry.package} {version} is installed, and {entry.lowest} or newer below {entry.below} is needed",
            key=key,
            advice=f"python -m pip install 'pytest-mlspec[{entry.package}]'",
        )
    return getattr(package, entry.class_name)


def _release(version: str) -> tuple[int, ...]:
    """The numbers of a version.

    >>> _release("3.2.0rc1") < _release("3.10")
    True
    """
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()
