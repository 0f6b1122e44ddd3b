"""From a spec to the extension points that it declares: a registered name is built, an import path is the user's function.

Torch and scikit-learn are imported when a point is called, never before, and torch only for the engine that needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pytest_mlspec.errors import RecipeError, did_you_mean
from pytest_mlspec.extensions import FITS, SOURCES
from pytest_mlspec.language import names
from pytest_mlspec.language.pretrained import ARGUMENTS as STARTS_FROM_PRETRAINED
from pytest_mlspec.language.pretrained import PRETRAINED
from pytest_mlspec.language.spec import Data, Spec, Split, Use
from pytest_mlspec.language.task import TASKS
from pytest_mlspec.recipe import estimators, steps, transform
from pytest_mlspec.recipe.calls import check_arguments, check_call, guarded
from pytest_mlspec.recipe.datasets import Datasets, datasets_of, read_once
from pytest_mlspec.recipe.extended import source_function
from pytest_mlspec.recipe.prepare import own
from pytest_mlspec.recipe.pretrained import locate
from pytest_mlspec.recipe.protocol import Examples, Prepared, Rows
from pytest_mlspec.recipe.resolve import resolve
from pytest_mlspec.recipe.rows import as_loaded, as_splits
from pytest_mlspec.recipe.splitting import fold_of, split_rows

# Losses of one output a row, whatever the number of classes.
_ONE_OUTPUT = frozenset({"binary_cross_entropy_with_logits", "binary_cross_entropy", "soft_margin", "hinge_embedding"})

# The engines behind which a Trainer of Hugging Face stands.
_HUGGING_FACE = ("transformers", "sentence_transformers")


@dataclass(frozen=True)
class Built:
    """The points that a spec declares, by name, and those among them that name the user's code."""

    points: Mapping[str, Callable[..., Any]]
    given: frozenset[str] = field(default_factory=frozenset)


def build(
    spec: Spec, *, task: str, root: Path, allowed: Sequence[str] = (), without: frozenset[str] = frozenset()
) -> Built:
    """Every point that `spec` declares for its engine, but for those in `without`, which the recipe supplies."""
    builder = _Builder(spec, task, root, tuple(allowed), collated="collate" in without)
    makers = {
        "load": builder.load,
        "datasets": builder.datasets,
        "split": builder.split,
        "fold": builder.fold,
        "fit_prepare": builder.fit_prepare,
        "prepare": builder.prepare,
        "build_model": builder.build_model,
    }
    if spec.train.engine.use in ("torch", "trained", "lightning"):
        makers |= {"loss": builder.loss}
    if spec.train.engine.use == "torch":
        makers |= {"optimizer": builder.optimizer, "schedule": builder.schedule}
    if spec.train.engine.use in _HUGGING_FACE:  # by name, the model's own loss and the Trainer's optimiser stand
        train = spec.train
        makers |= {"loss": builder.loss} if train.loss and spec.train.engine.use == "transformers" else {}
        makers |= {"optimizer": builder.optimizer} if train.optimizer.is_path else {}
        makers |= {"schedule": builder.schedule} if train.schedule and train.schedule.is_path else {}
    made = {name: make() for name, make in makers.items() if name not in without}
    points = {name: point for name, point in made.items() if point is not None}
    return Built(points, builder.given & points.keys())


def default_loss(task: str) -> str:
    """The loss of a task whose spec declares none."""
    return TASKS[task].loss


@dataclass(frozen=True)
class _Builder:
    spec: Spec
    task: str
    root: Path
    allowed: tuple[str, ...]
    collated: bool = False

    @property
    def _supervised(self) -> bool:
        return TASKS[self.task].supervised

    @property
    def _split(self) -> Split:
        return self.spec.data.split if self.spec.data else Split()

    @property
    def given(self) -> frozenset[str]:
        """The points whose declaration is an import path."""
        data, train = self.spec.data, self.spec.train
        uses = {
            "load": data and data.source,
            "build_model": self.spec.model,
            "loss": train.loss,
            "optimizer": train.optimizer,
            "schedule": train.schedule,
        }
        paths = {name for name, use in uses.items() if use and use.is_path}
        paths |= {"load"} if any(use.is_path for use in (self._split.files or {}).values()) else set()
        is_own = any(step.is_path for step in data.prepare) if data else False
        return frozenset(paths | ({"fit_prepare", "prepare"} if is_own else set()))

    def load(self) -> Callable[[], Any] | None:
        data = self.spec.data
        if data is None:
            return None
        if data.split.files:
            parts = {split: self._file(use, f"data.split.files.{split}") for split, use in data.split.files.items()}
            return lambda: as_splits({split: part() for split, part in parts.items()}, key="data.split", name="files")
        if data.source is None:
            return None
        source, read = data.source, self._source(data.source, "data.source")

        def load() -> Rows | dict[str, Rows]:
            rows = read()
            if not isinstance(rows, Rows) and "test" in data.split.model_fields_set:
                raise RecipeError(f"{source.use} gives its own splits", key="data.split.test", advice="remove this key")
            return rows

        return load

    def _file(self, source: Use, key: str) -> Callable[[], Rows]:
        """What reads the rows of one split."""
        read = self._source(source, key)

        def read_split() -> Rows:
            rows = read()
            if not isinstance(rows, Rows):
                raise RecipeError(f"{source.use} gives its own splits", key=key, advice="name it as data.source alone")
            return rows

        return read_split

    def _source(self, source: Use, key: str) -> Callable[[], Rows | dict[str, Rows]]:
        """What reads the source that stands at `key`: a file or a data set by name, or the user's function."""
        data = self.spec.data or Data()
        as_declared: dict[str, Any] = {
            "key": key,
            "target": data.target,
            "drop": data.drop,
            "labelled": self._supervised,
        }
        if source.use in SOURCES:
            function = source_function(source, key=key)
        elif not source.is_path:
            from pytest_mlspec import sources

            return partial(sources.load, source, root=self.root, **as_declared)
        else:
            function = self._called(source, (), key=key)

        def read() -> Rows | dict[str, Rows]:
            found = read_once(function(**source.arguments), self.spec, key=key, name=source.use)
            return as_loaded(found, name=source.use, **as_declared)

        return read

    def datasets(self) -> Callable[[], Datasets] | None:
        source = self.spec.data and self.spec.data.source
        if not source or not source.is_path:
            return None
        function = self._called(source, (), key="data.source")
        open_again = partial(function, **source.arguments)
        return partial(datasets_of, open_again, self.spec, key="data.source", name=source.use)

    def split(self) -> Callable[[Rows | Mapping[str, Rows]], Mapping[str, Rows]]:
        return partial(split_rows, split=self._split)

    def fold(self) -> Callable[[Mapping[str, Rows], int], Mapping[str, Rows]] | None:
        split = self._split
        return None if split.folds is None else lambda splits, number: fold_of(splits, split, number)

    def fit_prepare(self) -> Callable[[Rows], transform.Fitted]:
        makers = self._steps()
        # an estimator computes in double precision, and a pipeline of the user may go by the names of its columns
        sklearn = self.spec.train.engine.use == "sklearn"
        return partial(transform.fit, makers, dtype="float64" if sklearn else "float32", columns_by_name=sklearn)

    def prepare(self) -> Callable[[Rows, transform.Fitted], Examples]:
        return lambda rows, fitted: fitted.examples(rows)

    def build_model(self) -> Callable[[Prepared], Any] | None:
        model, engine = self.spec.model, self.spec.train.engine.use
        if model is None or engine == "callable" or engine in FITS:
            return None
        if model.is_path:
            make = self._called(model, (), key="model")
            finish = (
                partial(_as_estimator, task=self.task) if engine == "sklearn" else partial(_as_module, engine=engine)
            )
            return lambda prepared: finish(make(**model.arguments), model.use)
        if model.use == PRETRAINED and engine in STARTS_FROM_PRETRAINED:
            return lambda prepared: locate(model, root=self.root, allowed=self.allowed)
        if engine == "sklearn":
            return lambda prepared: _as_estimator(
                estimators.build(model, classes=prepared.classes, root=self.root, allowed=self.allowed),
                model.use,
                task=self.task,
            )
        if model.use not in names.MODELS:
            raise RecipeError(f"unknown model {model.use!r}", key="model", advice=did_you_mean(model.use, names.MODELS))
        loss = self.spec.train.loss.use if self.spec.train.loss else default_loss(self.task)

        def build_model(prepared: Prepared) -> Any:
            from pytest_mlspec.recipe.models import building

            outputs = 1 if loss in _ONE_OUTPUT or not prepared.classes else len(prepared.classes)
            return building.build(model, prepared, outputs=outputs, collated=self.collated)

        return build_model

    def loss(self) -> Callable[[Any, Any], Any] | None:
        loss = self.spec.train.loss or Use(use=default_loss(self.task))
        if not loss.is_path:
            if names.BALANCED in loss.arguments.values():
                return None  # the engine builds it: it knows the training rows
            from pytest_mlspec.training import losses, next_token

            if self.task == "language_model":
                return next_token.build(loss.use, loss.arguments)
            return losses.build(loss.use, loss.arguments)
        found = resolve(loss.use, root=self.root, key="train.loss", allowed=self.allowed)
        if isinstance(found, type):
            check_call(found, (), loss.arguments, key="train.loss", name=loss.use)
            made = guarded(found, key="train.loss", name=loss.use)(**loss.arguments)
            return guarded(made, key="train.loss", name=loss.use)
        if not loss.arguments:
            check_arguments(found, ("outputs", "batch"), key="train.loss", name=loss.use)
        check_call(found, ("outputs", "batch"), loss.arguments, key="train.loss", name=loss.use)
        return partial(guarded(found, key="train.loss", name=loss.use), **loss.arguments)

    def optimizer(self) -> Callable[[Any], Any]:
        use = self.spec.train.optimizer
        if use.is_path:
            return partial(self._called(use, ("model",), key="train.optimizer"), **use.arguments)

        def build_optimizer(model: Any) -> Any:
            from pytest_mlspec.training import optim

            return optim.build_optimizer(use.use, use.arguments, model)

        return build_optimizer

    def schedule(self) -> Callable[..., Any] | None:
        use = self.spec.train.schedule
        if use is None or not use.is_path:
            return None  # the engine builds a named one: it knows how many steps an epoch has
        return partial(self._called(use, ("optimizer", "steps"), key="train.schedule"), **use.arguments)

    def _steps(self) -> list[steps.MakeStep]:
        makers: list[steps.MakeStep] = []
        for use in self.spec.data.prepare if self.spec.data else (Use(use="standard"),):
            makers += (
                [self._users_step(use)] if use.is_path else steps.built_steps(use, root=self.root, allowed=self.allowed)
            )
        return makers

    def _users_step(self, use: Use) -> steps.MakeStep:
        key = "data.prepare"
        found = resolve(use.use, root=self.root, key=key, allowed=self.allowed)
        if isinstance(found, type) or not hasattr(found, "transform"):
            check_call(found, (), use.arguments, key=key, name=use.use)
            make: Callable[[], Any] = partial(guarded(found, key=key, name=use.use), **use.arguments)
        elif use.arguments:
            raise RecipeError(
                f"{use.use} is an object, and takes no arguments", key=key, advice="name its class, or a function"
            )
        else:
            make = own.copied(found)
        return lambda: own.UsersStep(make(), use.use)

    def _called(self, use: Use, positional: Sequence[str], *, key: str) -> Callable[..., Any]:
        """The user's function behind `use`, checked to take these arguments and those of the spec."""
        found = resolve(use.use, root=self.root, key=key, allowed=self.allowed)
        if not callable(found):
            raise RecipeError(f"{use.use} is a {type(found).__name__}, and no function", key=key)
        check_call(found, positional, use.arguments, key=key, name=use.use)
        return guarded(found, key=key, name=use.use)


def _as_module(model: Any, name: str, *, engine: str) -> Any:
    from torch import nn

    if not isinstance(model, nn.Module):
        raise RecipeError(
            f"{name} gives a {type(model).__name__}, and the engine {engine} trains an nn.Module", key="model"
        )
    return model


def _as_estimator(model: Any, name: str, *, task: str) -> Any:
    methods = ("fit", "transform", "inverse_transform") if task == "reconstruction" else ("fit", "predict")
    if isinstance(model, type) or not all(_has(model, method) for method in methods):
        raise RecipeError(
            f"{name} gives a {type(model).__name__}, and the task {task} with the engine sklearn needs an estimator with"
            f" {', '.join(methods[:-1])} and {methods[-1]}",
            key="model",
            advice="for a row that it was not fitted on, a clusterer must have a predict"
            if task == "clustering"
            else "",
        )
    return model


def _has(model: Any, method: str) -> bool:
    """True for a method that is there, or will be after the fit; a pipeline has the methods of its last step."""
    return hasattr(model, method) or (not hasattr(model, "steps") and hasattr(type(model), method))
