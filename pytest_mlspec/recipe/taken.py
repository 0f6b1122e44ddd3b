"""The recipe of a spec, complete: what the spec declares, with the points that the team's own code supplies in their place."""

from __future__ import annotations

import inspect
import numbers
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from pytest_mlspec.errors import RecipeError, did_you_mean
from pytest_mlspec.extensions import FITS
from pytest_mlspec.language.spec import Data, Spec
from pytest_mlspec.language.task import TASKS, facts_of, task_of
from pytest_mlspec.recipe import built, installed, pairs
from pytest_mlspec.recipe.augmentation import changes
from pytest_mlspec.recipe.calls import check_arguments, check_call, guarded
from pytest_mlspec.recipe.datasets import datasets_of, read_once, with_datasets
from pytest_mlspec.recipe.extended import fit_points
from pytest_mlspec.recipe.protocol import POINTS, Prepared, Recipe
from pytest_mlspec.recipe.resolve import attribute, resolve, resolve_module
from pytest_mlspec.recipe.rows import as_loaded, as_splits

_ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "load": (),
    "split": ("rows",),
    "fit_prepare": ("train_rows",),
    "prepare": ("rows", "fitted"),
    "collate": ("examples",),
    "build_model": (),
    "loss": ("outputs", "batch"),
    "optimizer": ("model",),
    "schedule": ("optimizer", "steps"),
    "training_step": ("state", "batch"),
    "fit": ("examples",),
    "predict": ("trained", "rows"),
    "encode": ("model", "texts"),
    "export": ("model", "directory"),
    "evaluate": ("state", "examples"),
    "save": ("state", "directory"),
    "restore": ("state", "directory"),
}
# The engine callable predicts from prepared inputs; for every other one, `predict` is the serving path.
_ARGUMENTS_OF_CALLABLE: Mapping[str, tuple[str, ...]] = {
    **_ARGUMENTS,
    "predict": ("fitted", "inputs"),
    "evaluate": ("fitted", "examples"),
}
_KEYWORDS = {"fit": ("seed",)}

_DATA = frozenset({"load", "split", "fit_prepare", "prepare", "predict", "export", "encode"})
_POINTS_OF_ENGINE = {
    "torch": _DATA
    | {"collate", "build_model", "loss", "optimizer", "schedule", "training_step", "evaluate", "save", "restore"},
    "trained": _DATA | {"collate", "build_model", "loss"},
    "sklearn": _DATA | {"build_model"},
    "callable": _DATA | {"fit", "evaluate"},
    "lightning": _DATA | {"collate", "build_model", "loss"},
    "keras": _DATA | {"build_model"},
    "transformers": _DATA | {"collate", "build_model", "loss", "optimizer", "schedule"},
    "sentence_transformers": frozenset({"load", "split", "build_model", "optimizer", "schedule", "predict", "export"}),
}
_NEEDED_BY_ENGINE = {
    "torch": ("load", "build_model"),
    "trained": ("load", "build_model"),
    "sklearn": ("load", "build_model"),
    "callable": ("load", "fit", "predict"),
    "lightning": ("load", "build_model"),
    "keras": ("load", "build_model"),
    "transformers": ("load", "build_model"),
    "sentence_transformers": ("load", "build_model"),
}
_SPEC_KEY = {"load": "data.source", "build_model": "model"}


def resolve_recipe(spec: Spec, *, root: Path, allowed: Sequence[str] = (), given: object | None = None) -> Recipe:
    """The recipe of `spec`; imports the team's code below `root`, or from the packages `allowed`, and calls no point of it.

    `given` holds the points of a recipe that Python has at hand, in the place of what `recipe.use` names. Raises RecipeError
    where a point is missing, supplied twice, or does not fit, UserCodeError where an import fails.
    """
    task = task_of(spec)
    if task is None:
        raise RecipeError("what is learned cannot be told", key="task", advice=f"write `task:` {', '.join(TASKS)}")
    installed.make_ready(spec.train.engine.use)
    taken, floor = _taken(spec, root, allowed, given) if spec.recipe else ({}, None)
    _refuse_twice(spec, taken)
    declared = built.build(spec, task=task, root=root, allowed=allowed, without=frozenset(taken))
    points: dict[str, Any] = {**declared.points, **taken}
    engine = spec.train.engine.use
    if engine in FITS:
        points |= fit_points(spec.train.engine)
    for name in _NEEDED_BY_ENGINE[_built_in(engine)]:
        if name not in points:
            key = _SPEC_KEY.get(name, f"recipe.{name}")
            either = f"declare `{key.partition('.')[0]}`, or " if name in _SPEC_KEY else ""
            advice = f"{either}define {_signature(name, engine)} in the recipe"
            raise RecipeError(f"the engine {engine} needs {name}", key=key, advice=advice)
    if engine == "transformers":
        points["build_model"] = _with_logits(points["build_model"], spec, task)
    given = declared.given | taken.keys() & frozenset(POINTS)
    points = with_datasets(points, spec, given) if task != "embedding" else pairs.by_role(points, spec)
    augment = changes(spec.data.augment, root=root, allowed=allowed) if spec.data else ()
    return Recipe(task=task, given=given, loss_floor=0.0 if floor is None else floor, augment=augment, **points)


def _with_logits(build_model: Callable[[Prepared], Any], spec: Spec, task: str) -> Callable[[Prepared], Any]:
    """`build_model` with its model of transformers as one that answers with logits."""
    name = "build_model" if spec.model is None else spec.model.use

    def build(prepared: Prepared) -> Any:
        from pytest_mlspec.recipe.models.huggingface import as_logits

        return as_logits(build_model(prepared), prepared, task=task, name=name)

    return build


def _taken(
    spec: Spec, root: Path, allowed: Sequence[str], given: object | None
) -> tuple[dict[str, Callable[..., Any]], float | None]:
    """The points of the team's recipe, each checked and guarded, and the lowest value of its loss where it tells that."""
    assert spec.recipe is not None
    use, arguments = spec.recipe.use, spec.recipe.arguments
    key = "recipe"
    holder = _holder(use, arguments, root=root, allowed=allowed) if given is None else given
    found = {name: getattr(holder, name) for name in POINTS if callable(getattr(holder, name, None))}
    if isinstance(holder, ModuleType) and given is None:
        for name in found:
            attribute(holder, name, root=root, key=f"{key}.{name}", allowed=allowed)
    if not found:
        raise RecipeError(f"{use} gives no extension point", key=key, advice=f"points: {', '.join(POINTS)}")
    _refuse_near_misses(holder, use)
    engine = spec.train.engine.use
    for name, function in found.items():
        if name not in _POINTS_OF_ENGINE[_built_in(engine)]:
            engines = [other for other, points in _POINTS_OF_ENGINE.items() if name in points]
            raise RecipeError(
                f"{use} gives {name}, and the engine {engine} never calls it",
                key=f"{key}.{name}",
                advice=f"write `train: {{engine: {engines[0]}}}`, or give the function another name",
            )
        expected = _arguments(name, engine)
        check_arguments(function, expected, key=f"{key}.{name}", name=name, keywords=_KEYWORDS.get(name, ()))
    if "fit_prepare" in found and "prepare" not in found:
        raise RecipeError(
            f"{use} gives fit_prepare without prepare",
            key=f"{key}.fit_prepare",
            advice=f"define {_signature('prepare', engine)} too",
        )
    for one, other in (("save", "restore"), ("restore", "save")):
        if one in found and other not in found:
            raise RecipeError(
                f"{use} gives {one} without {other}",
                key=f"{key}.{one}",
                advice=f"define {_signature(other, engine)} too",
            )
    floor = getattr(holder, "loss_floor", None)
    guarded_points = {name: guarded(function, key=f"{key}.{name}", name=name) for name, function in found.items()}
    return _in_form(guarded_points, spec), float(floor) if isinstance(floor, numbers.Real) else None


def _holder(use: str, arguments: Mapping[str, Any], *, root: Path, allowed: Sequence[str]) -> Any:
    """What holds the points: a module, an object, or what a class or function makes of `arguments`."""
    key = "recipe.use"
    if ":" not in use:
        if arguments:
            raise RecipeError(
                f"{use} is a module, and takes no arguments",
                key="recipe.with",
                advice=f"name a class or function: {use}:NAME",
            )
        return resolve_module(use, root=root, key=key, allowed=allowed)
    found = resolve(use, root=root, key=key, allowed=allowed)
    if isinstance(found, type) or inspect.isroutine(found):
        check_call(found, (), arguments, key="recipe.with", name=use)
        found = guarded(found, key=key, name=use)(**arguments)
    elif arguments:
        raise RecipeError(
            f"{use} is an object, and takes no arguments", key="recipe.with", advice="name its class, or a function"
        )
    if found is None:
        raise RecipeError(f"{use} returned None, and no recipe", key=key)
    return found


def _in_form(points: dict[str, Callable[..., Any]], spec: Spec) -> dict[str, Callable[..., Any]]:
    """The points with what they return brought into the form that the protocol names."""
    formed = dict(points)
    if (load := points.get("load")) is not None:
        data = spec.data or Data()
        facts = facts_of(spec)
        supervised = facts is None or facts.supervised
        formed["datasets"] = partial(datasets_of, load, spec, key="recipe.load", name="load")
        formed["load"] = lambda: as_loaded(
            read_once(load(), spec, key="recipe.load", name="load"),
            key="recipe.load",
            name="load",
            target=data.target,
            drop=data.drop,
            labelled=supervised,
        )
    if (split := points.get("split")) is not None:
        formed["split"] = lambda rows: as_splits(split(rows), key="recipe.split", name="split")
    if (build_model := points.get("build_model")) is not None:
        formed["build_model"] = lambda prepared: build_model()
    if "prepare" in points and "fit_prepare" not in points:
        formed["fit_prepare"] = lambda train_rows: None
    return formed


def _refuse_twice(spec: Spec, taken: Mapping[str, object]) -> None:
    """Raises where a key of the spec declares what the recipe supplies."""
    declared = {f"train.{key}" for key in ("loss", "optimizer", "schedule") if key in spec.train.model_fields_set}
    declared |= {"model"} if spec.model is not None else set()
    if spec.data is not None:
        declared |= {f"data.{key}" for key in ("source", "prepare") if key in spec.data.model_fields_set}
        # What a split goes by may stand beside the team's own: `data` holds that against it.
        declared |= {"data.split"} if spec.data.split.model_fields_set - {"time", "group"} else set()
        declared |= {"data.source"} if spec.data.split.files else set()
    keys = {
        "load": "data.source",
        "split": "data.split",
        "prepare": "data.prepare",
        "build_model": "model",
        "loss": "train.loss",
        "optimizer": "train.optimizer",
        "schedule": "train.schedule",
        "fit": "model",
    }
    for name, key in keys.items():
        if name in taken and key in declared:
            raise RecipeError(
                f"`{key}` and the recipe's {name} both give the same",
                key=key,
                advice=f"remove the key, or {name} from the recipe",
            )


def _refuse_near_misses(holder: Any, use: str) -> None:
    """Raises where a function of the recipe is almost called like a point: it would never be called."""
    for name in dir(holder):
        function = getattr(holder, name, None) if not name.startswith("_") and name not in POINTS else None
        own = inspect.isroutine(function) and (
            not isinstance(holder, ModuleType) or getattr(function, "__module__", None) == holder.__name__
        )
        if own and get_close_matches(name, POINTS, n=1, cutoff=0.85):
            raise RecipeError(
                f"{use} has {name}, which is no extension point",
                key=f"recipe.{name}",
                advice=did_you_mean(name, POINTS),
            )


def _arguments(name: str, engine: str) -> tuple[str, ...]:
    return (_ARGUMENTS_OF_CALLABLE if _built_in(engine) == "callable" else _ARGUMENTS)[name]


def _built_in(engine: str) -> str:
    """The engine whose points are those of `engine`: the engine callable, for one of an extension."""
    return "callable" if engine in FITS else engine


def _signature(name: str, engine: str) -> str:
    named = [f"*, {keyword}" for keyword in _KEYWORDS.get(name, ())]
    return f"{name}({', '.join([*_arguments(name, engine), *named])})"
