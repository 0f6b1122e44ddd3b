"""An import path from a spec becomes the user's object, or is refused: no code from outside the project is reached.

A path is checked three times. As text: `package.module:name`, identifiers only. Before anything is imported: the import
system is asked where the module and each of its parent packages would come from, and those files must be the project's own
(below the root directory, not in an environment, the standard library or `site-packages`), or the package must be allowed
by the project's configuration. After the import: what the path names must be *defined* in such a module, so that a name
which a module merely imported, such as `logging.os.system`, leads nowhere.
"""

from __future__ import annotations

import ast
import functools
import importlib
import pkgutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

from pytest_mlspec.errors import RecipeError, did_you_mean
from pytest_mlspec.recipe.calls import user_code
from pytest_mlspec.store.environment import library_folders, relative_to

_PACKAGES = frozenset({"site-packages", "dist-packages"})
_ENVIRONMENT_MARKS = ("pyvenv.cfg", "conda-meta")
_ABSENT = object()
_PATH_ADVICE = "write package.module:name"


def resolve(path: str, *, root: Path, key: str, allowed: Sequence[str] = ()) -> Any:
    """The object that `path`, written `module:qualified.name`, names in the project below `root`.

    `key` is the spec's key that names it; `allowed` are further packages that may be named. Raises RecipeError where the
    path is refused or leads nowhere, UserCodeError where the import of the user's module fails.
    """
    module_name, colon, qualified = path.partition(":")
    if not colon or not _is_dotted_name(qualified):
        raise RecipeError(f"{path!r} is no import path", key=key, advice=_PATH_ADVICE)
    module = resolve_module(module_name, root=root, key=key, allowed=allowed)
    return attribute(module, qualified, root=root, key=key, allowed=allowed)


def resolve_module(name: str, *, root: Path, key: str, allowed: Sequence[str] = ()) -> ModuleType:
    """The module called `name`, imported; raises as `resolve` does."""
    project = _Project(root, tuple(allowed), key)
    if not _is_dotted_name(name):
        raise RecipeError(f"{name!r} is no name of a module", key=key, advice=_PATH_ADVICE)
    project.find(name)
    with user_code(f"import {name}", key=key):
        module = importlib.import_module(name)
    project.demand(module)
    return module


def attribute(module: ModuleType, qualified: str, *, root: Path, key: str, allowed: Sequence[str] = ()) -> Any:
    """What `qualified`, a name or `Class.name`, is in a module that `resolve_module` gave; raises as `resolve` does."""
    project = _Project(root, tuple(allowed), key)
    found: Any = module
    for depth, name in enumerate(parts := qualified.split(".")):
        owner, shown = found, f"{module.__name__}:{'.'.join(parts[: depth + 1])}"
        with user_code(shown, key=key):
            found = getattr(owner, name, _ABSENT)
        if found is _ABSENT:
            names = [known for known in vars(owner) if not known.startswith("_")]
            where = module.__name__ if owner is module else f"{module.__name__}:{'.'.join(parts[:depth])}"
            raise RecipeError(f"{where} has no {name!r}", key=key, advice=did_you_mean(name, names))
        if depth + 1 < len(parts) and not isinstance(found, type):
            raise RecipeError(f"{shown} is no class, so nothing can be named in it", key=key, advice=_PATH_ADVICE)
        project.demand_defined(found, name, owner, shown)
    return found


@dataclass(frozen=True)
class _Project:
    """The code that a spec may reach."""

    root: Path
    allowed: tuple[str, ...]
    key: str

    def find(self, name: str) -> None:
        """Raises where an import of `name` would run code from outside. Asks the finders in their order, imports nothing."""
        named = self._is_allowed(name)
        places: Sequence[str] | None = None
        parts = name.split(".")
        for depth in range(1, len(parts) + 1):
            module_name = ".".join(parts[:depth])
            spec = _find_spec(module_name, places)
            if spec is None:
                raise self._missing(module_name, places)
            # a namespace has no code of its own: what is found in it is checked in its turn
            is_namespace = spec.origin is None and spec.submodule_search_locations is not None
            if not named and not is_namespace and not self._is_own(spec.origin):
                raise self._refusal(module_name, spec.origin)
            places = spec.submodule_search_locations
            if places is None and depth < len(parts):
                raise RecipeError(
                    f"{module_name} is a module and no package: it holds no {parts[depth]!r}", key=self.key
                )

    def demand(self, module: ModuleType) -> None:
        """Raises where `module`, imported, is not the project's own; a package may have put another in its own place."""
        if not self.owns(module.__name__):
            raise self._refusal(module.__name__, getattr(module, "__file__", None))

    def demand_defined(self, found: Any, name: str, owner: Any, shown: str) -> None:
        """Raises where `found`, the attribute `name` of `owner`, was not defined in the project."""
        if isinstance(found, ModuleType):
            raise RecipeError(f"{shown} is a module", key=self.key, advice=f"write {found.__name__}:NAME")
        home = _home(found)
        if home is not None:
            defined = self.owns(home)
        else:
            # What an object was made with says nothing about where: it must be an attribute that the named module's own
            # text binds, or of a type that the project defines.
            defined = self.owns(type(found).__module__) or (
                isinstance(owner, ModuleType) and name in _bound_by_text(owner)
            )
        if not defined:
            origin = f"{home or type(found).__module__}.{getattr(found, '__qualname__', type(found).__qualname__)}"
            raise RecipeError(
                f"{shown} is {origin}, which is not defined in the project",
                key=self.key,
                advice="name something that the project's own code defines, such as a function that calls it",
            )

    def owns(self, module_name: str | None) -> bool:
        """True where the module of that name is loaded, and the project's own or allowed."""
        module = sys.modules.get(module_name) if module_name else None
        if module is None or module_name is None:
            return False
        return self._is_allowed(module_name) or self._is_own(getattr(module, "__file__", None))

    def _is_allowed(self, name: str) -> bool:
        return any(name == package or name.startswith(f"{package}.") for package in self.allowed)

    def _is_own(self, origin: str | None) -> bool:
        """True for a file below the root, symbolic links followed, that no environment and no library contains."""
        if origin is None:
            return False
        file, root = Path(origin).resolve(), self.root.resolve()
        if not file.is_file() or not file.is_relative_to(root) or str(file).startswith(library_folders()):
            return False
        inner = file.relative_to(root).parts[:-1]
        folders = [root.joinpath(*inner[: depth + 1]) for depth in range(len(inner))]
        return _PACKAGES.isdisjoint(inner) and not any(
            (folder / mark).exists() for folder in folders for mark in _ENVIRONMENT_MARKS
        )

    def _refusal(self, name: str, origin: str | None) -> RecipeError:
        place = (
            "which is built in" if origin in (None, "built-in", "frozen") else f"from {relative_to(self.root, origin)}"
        )
        return RecipeError(
            f"the module {name}, {place}, is not the project's own",
            key=self.key,
            advice=f"name code below {self.root} that lies in no environment, or list the package under `mlspec_allow`",
        )

    def _missing(self, name: str, places: Sequence[str] | None) -> RecipeError:
        searched = [place for place in (sys.path if places is None else places) if self._is_inside(place)]
        known = [found.name for found in pkgutil.iter_modules(searched)]
        parent, _, child = name.rpartition(".")
        where = f"{parent} has no module {child!r}" if parent else f"no module is called {name!r}"
        install = f"install it where pytest runs, or write the module below {self.root}"
        return RecipeError(where, key=self.key, advice=did_you_mean(child, known) if known else install)

    def _is_inside(self, place: str) -> bool:
        return Path(place).resolve().is_relative_to(self.root.resolve())


def _is_dotted_name(text: str) -> bool:
    """True for identifiers joined by dots; names with two leading underscores are Python's own."""
    return all(part.isascii() and part.isidentifier() and not part.startswith("__") for part in text.split("."))


def _find_spec(name: str, places: Sequence[str] | None) -> ModuleSpec | None:
    """Where an import of `name` would find it: the loaded module, or the answer of the first finder that knows it."""
    loaded = sys.modules.get(name)
    if loaded is not None:
        spec: ModuleSpec | None = getattr(loaded, "__spec__", None)
        # a module that runs as the program has no spec
        return spec or ModuleSpec(name, None, origin=getattr(loaded, "__file__", None))
    for finder in sys.meta_path:
        try:
            found = finder.find_spec(name, places, None)
        except KeyError:  # a namespace asks for the path of its parent, which is not imported yet
            found = _namespace(name, places or ())
        if found is not None:
            return found
    return None


def _namespace(name: str, places: Sequence[str]) -> ModuleSpec:
    folders = [Path(place, name.rpartition(".")[2]) for place in places]
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = [str(folder) for folder in folders if folder.is_dir()]
    return spec


def _home(found: Any) -> str | None:
    """The module that defines a class, function or method; None for anything that is made by a call."""
    if isinstance(found, MethodType):
        return _home(found.__func__) or ""
    if isinstance(found, BuiltinFunctionType):
        return found.__module__ or "builtins"
    if isinstance(found, functools.partial):
        return None
    if isinstance(found, FunctionType):
        made_by_a_call = "<locals>" in found.__qualname__
        return None if made_by_a_call else found.__module__ or ""
    if isinstance(found, type) or hasattr(found, "__wrapped__"):
        return getattr(found, "__module__", None) or ""
    return None


def _bound_by_text(module: ModuleType) -> set[str]:
    """The names that the top level of the module's own text assigns or defines; those that it imports are not among them."""
    try:
        tree = ast.parse(Path(module.__file__ or "").read_bytes())
    except (OSError, SyntaxError, ValueError):
        return set()
    bound: set[str] = set()
    statements: list[ast.AST] = list(tree.body)
    while statements:
        node = statements.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
        elif not isinstance(node, ast.Lambda):
            statements.extend(ast.iter_child_nodes(node))
    return bound
