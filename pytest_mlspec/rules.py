"""The rules of the language that types cannot say: names, arguments, combinations. Each is a function that finds mistakes.

Everything here can be known without running code or reading data; what only a worker can find is a red item instead.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from pytest_mlspec import names, quantities
from pytest_mlspec.engines import ENGINES
from pytest_mlspec.errors import MlspecError, did_you_mean

if TYPE_CHECKING:
    from pytest_mlspec.load import KeyPath
    from pytest_mlspec.spec import Bound, Spec, Use

_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*)?", re.ASCII)
_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")
_TAG = re.compile(r"[A-Za-z_]\w*", re.ASCII)


@dataclass(frozen=True)
class Mistake:
    """A mistake at a key path; `message` says what was read, `advice` what to write."""

    key: KeyPath
    message: str
    advice: str = ""


def mistakes(spec: Spec, *, root: Path) -> Iterator[Mistake]:
    """Every mistake in `spec`; paths of data are relative to `root`."""
    yield from _required(spec)
    yield from _data(spec, root)
    yield from _model(spec)
    yield from _training(spec)
    yield from _checks(spec)
    yield from _gates(spec)
    for number, tag in enumerate(spec.tags):
        if not _TAG.fullmatch(tag):
            yield Mistake(
                ("tags", number), f"{tag!r} cannot be a mark of pytest", "write letters, digits and underscores"
            )


def task_of(spec: Spec) -> str | None:
    """The task that is declared or follows from the source or the loss; None where only a word of the user can tell."""
    if spec.task is not None:
        return spec.task.use
    known = {"sklearn.digits": "multiclass", "sklearn.iris": "multiclass", "sklearn.wine": "multiclass"}
    known |= {"sklearn.breast_cancer": "binary", "sklearn.diabetes": "regression"}
    if spec.data is not None and spec.data.source.use in known:
        return known[spec.data.source.use]
    losses = {"mse": "regression", "l1": "regression", "huber": "regression", "smooth_l1": "regression"}
    losses |= {"binary_cross_entropy_with_logits": "binary"}
    return losses.get(spec.train.loss.use) if spec.train.loss else None


def _required(spec: Spec) -> Iterator[Mistake]:
    if spec.recipe is None:
        for key in ("data", "model"):
            if getattr(spec, key) is None:
                yield Mistake((), f"the key {key!r} is required where no `recipe` supplies it")
    elif not _MODULE.fullmatch(spec.recipe.use):
        yield Mistake(
            ("recipe", "use"), f"{spec.recipe.use!r} is no import path", "write package.module or package.module:name"
        )
    if task_of(spec) is None:
        yield Mistake((), "the key 'task' is required here", f"write one of: {', '.join(sorted(quantities.TASKS))}")
    if not spec.checks and not spec.gates:
        yield Mistake((), "the spec claims nothing", "write `checks: standard`, or bounds under `gates`")


def _data(spec: Spec, root: Path) -> Iterator[Mistake]:
    data = spec.data
    if data is None:
        return
    yield from _source(data.source, root)
    if data.source.use.startswith("sklearn.") and data.target is not None:
        yield Mistake(("data", "target"), f"{data.source.use} brings its own target", "remove this key")
    if data.source.use.endswith(names.TABLE_FORMATS) and data.target is None:
        yield Mistake(("data",), "the key 'target' is required for a table: the column to predict")
    if data.target is not None and data.target in data.drop:
        yield Mistake(
            ("data", "drop"), f"the target {data.target!r} is dropped", "the target is never among the features"
        )
    for number, step in enumerate(data.prepare):
        if not step.is_path:
            key: KeyPath = ("data", "prepare", number) if len(data.prepare) > 1 else ("data", "prepare")
            yield from _named(key, step, {name: frozenset[str]() for name in names.PREPARATIONS}, "step of prepare")
        else:
            yield from _import_path(("data", "prepare"), step)
    split = data.split
    if split.test + split.val >= 1:
        yield Mistake(("data", "split"), f"test {split.test} and val {split.val} leave no row for training")
    ways = [way for way in ("stratify", "group", "time") if getattr(split, way)]
    if len(ways) > 1:
        yield Mistake(("data", "split"), f"{' and '.join(ways)} exclude each other", "keep one of them")
    if split.stratify and task_of(spec) == "regression":
        yield Mistake(("data", "split", "stratify"), "a regression has no classes to keep the shares of")


def _source(source: Use, root: Path) -> Iterator[Mistake]:
    key: KeyPath = ("data", "source")
    name = source.use
    if "://" in name:
        yield Mistake(key, f"{name!r} is an address, and nothing is fetched", "name a file below the root directory")
    elif source.is_path:
        yield from _import_path(key, source)
    elif name in names.SOURCES:
        yield from _named(key, source, names.SOURCES, "source")
    elif name.endswith(names.TABLE_FORMATS):
        path = root / name
        if not path.resolve().is_relative_to(root.resolve()):
            yield Mistake(key, f"{name!r} lies outside the root directory {root}")
        elif not path.exists():
            yield Mistake(key, f"there is no file {name!r} below the root directory {root}", _nearby(root, path))
        elif not path.is_file():
            yield Mistake(key, f"{name!r} is not a file")
    elif "/" in name or "." in name.removeprefix("sklearn."):
        yield Mistake(key, f"{name!r} is not of a format that is read", f"formats: {', '.join(names.TABLE_FORMATS)}")
    else:
        yield Mistake(key, f"unknown source {name!r}", did_you_mean(name, names.SOURCES))


def _nearby(root: Path, path: Path) -> str:
    if not path.parent.is_dir():
        return f"there is no folder {path.parent.relative_to(root).as_posix()!r} either"
    return did_you_mean(path.name, (entry.name for entry in path.parent.iterdir() if entry.is_file()))


def _model(spec: Spec) -> Iterator[Mistake]:
    if spec.model is None:
        return
    if spec.model.is_path:
        yield from _import_path(("model",), spec.model)
    elif spec.train.engine == "sklearn":
        if spec.model.use not in names.ESTIMATORS:
            yield Mistake(
                ("model",), f"unknown estimator {spec.model.use!r}", did_you_mean(spec.model.use, names.ESTIMATORS)
            )
    else:
        yield from _named(("model",), spec.model, names.MODELS, "model")


def _training(spec: Spec) -> Iterator[Mistake]:
    train = spec.train
    if train.engine not in ENGINES:
        yield Mistake(("train", "engine"), f"unknown engine {train.engine!r}", did_you_mean(train.engine, ENGINES))
        return
    for name in sorted(ENGINES.find(train.engine).refuses & train.model_fields_set):
        yield Mistake(("train", name), f"the engine {train.engine} has no use for this key", "remove it")
    if train.engine == "callable" and spec.recipe is None:
        yield Mistake(("train", "engine"), "the engine callable needs a `recipe` that gives fit and predict")
    optimizers = {name: entry.arguments for name, entry in names.OPTIMIZERS.items()}
    losses = {name: entry.arguments for name, entry in names.LOSSES.items()}
    yield from _use(("train", "optimizer"), train.optimizer, optimizers, "optimizer")
    if train.loss is not None:
        yield from _use(("train", "loss"), train.loss, losses, "loss")
        yield from _loss_fits(spec)
    if train.schedule is not None:
        schedules = {name: entry.arguments | {"warmup", "interval"} for name, entry in names.SCHEDULES.items()}
        yield from _use(("train", "schedule"), train.schedule, schedules, "schedule")
    if {"steps", "epochs"} <= train.model_fields_set and train.steps is not None:
        yield Mistake(("train", "steps"), "steps and epochs both give the length", "keep one of them")
    if not _DEVICE.fullmatch(train.device):
        yield Mistake(("train", "device"), f"unknown device {train.device!r}", "write auto, cpu, cuda, cuda:N or mps")
    yield from _early_stop(spec)


def _loss_fits(spec: Spec) -> Iterator[Mistake]:
    loss, task = spec.train.loss, task_of(spec)
    if loss is None or loss.is_path or loss.use not in names.LOSSES or task is None:
        return
    classes = names.LOSSES[loss.use].targets == "class"
    if (task == "regression" and classes) or (task == "multiclass" and not classes):
        fitting = [name for name, entry in names.LOSSES.items() if (entry.targets == "class") == (task == "multiclass")]
        yield Mistake(("train", "loss"), f"{loss.use} does not fit the task {task}", f"one of: {', '.join(fitting)}")


def _early_stop(spec: Spec) -> Iterator[Mistake]:
    stop = spec.train.early_stop
    if stop is None:
        return
    key: KeyPath = ("train", "early_stop", "monitor")
    scope, _, name = stop.monitor.partition(".")
    if scope == "test":
        yield Mistake(key, "the test split must not choose the model", "monitor val.…, and give data.split.val a share")
    elif scope not in ("train", "val") or name not in {"loss", *quantities.METRICS}:
        known = [f"{scope}.{name}" for scope in ("train", "val") for name in ("loss", *quantities.METRICS)]
        yield Mistake(key, f"unknown quantity {stop.monitor!r}", did_you_mean(stop.monitor, known))
    elif scope not in _splits(spec):
        yield Mistake(key, f"{stop.monitor} needs a validation split", "give data.split.val a share, such as 0.1")
    elif name != "loss" and (task := task_of(spec)) is not None:
        try:
            quantities.check_task(quantities.parse(stop.monitor), task)
        except MlspecError as error:
            yield Mistake(key, error.message, error.advice)


def _splits(spec: Spec) -> tuple[str, ...]:
    """The splits that will exist as far as the spec tells; all of them where the team's code decides."""
    if spec.data is None:
        return quantities.SPLITS
    return ("train", *(("val",) if spec.data.split.val or spec.recipe else ()), "test")


def _checks(spec: Spec) -> Iterator[Mistake]:
    from pytest_mlspec.check import CHECKS
    from pytest_mlspec.checks import STANDARD

    seen: set[str] = set()
    for number, use in enumerate(spec.checks):
        key: KeyPath = ("checks", number) if not use.params else ("checks", number, use.check)
        if use.check in seen:
            yield Mistake(key, f"{use.check!r} is listed twice")
        seen.add(use.check)
        if use.check == "standard":
            if use.params or use.skip:
                yield Mistake(key, "standard takes no parameters", f"it stands for: {', '.join(STANDARD)}")
            continue
        if use.check not in CHECKS:
            yield Mistake(key, f"unknown check {use.check!r}", did_you_mean(use.check, ["standard", *CHECKS]))
            continue
        params = CHECKS.find(use.check).params
        try:
            params.model_validate(dict(use.params))
        except ValidationError as error:
            for details in error.errors(include_url=False):
                name = str(details["loc"][0]) if details["loc"] else ""
                if details["type"] == "extra_forbidden":
                    known = did_you_mean(name, params.model_fields)
                    yield Mistake((*key, name), f"{use.check} has no parameter {name!r}", known)
                else:
                    yield Mistake(
                        (*key, name), f"{details['msg'][:1].lower()}{details['msg'][1:]}, not {details['input']!r}"
                    )


def _gates(spec: Spec) -> Iterator[Mistake]:
    task = task_of(spec)
    for name, bound in spec.gates.items():
        key: KeyPath = ("gates", name)
        try:
            quantity = quantities.parse(name)
            if task is not None:
                quantities.check_task(quantity, task)
        except MlspecError as error:
            yield Mistake(key, error.message, error.advice)
            continue
        absent = [split for split in quantity.splits if split not in _splits(spec)]
        if absent:
            yield Mistake(key, f"there is no split {absent[0]!r}", f"give data.split.{absent[0]} a share, such as 0.1")
        yield from _bound(key, quantity, bound)


def _bound(key: KeyPath, quantity: quantities.Quantity, bound: Bound) -> Iterator[Mistake]:
    kinds = ("at_least", "at_most", "within", "better_than")
    given = [kind for kind in kinds if getattr(bound, kind) is not None]
    if len(given) != 1:
        read = " and ".join(given) or "none"
        yield Mistake(key, f"a gate has one bound, not {read}", f"write one of: {', '.join(kinds)}")
        return
    if bound.by is not None and bound.better_than is None:
        yield Mistake((*key, "by"), "`by` goes with better_than")
    if bound.better_than is not None and (quantity.metric is None or quantity.kind == "gap"):
        yield Mistake(
            (*key, "better_than"),
            f"{quantity.name} has no value for a constant baseline",
            "compare a metric of a split",
        )
    try:
        values = bound_values(quantity, bound)
    except MlspecError as error:
        yield Mistake((*key, given[0]), error.message, error.advice)
        return
    if len(values) == 2 and values[0] > values[1]:
        yield Mistake((*key, "within"), f"the lower end {values[0]} is above the upper one {values[1]}")


def bound_values(quantity: quantities.Quantity, bound: Bound) -> tuple[float, ...]:
    """The numbers of a bound in the unit of its quantity; raises MlspecError where they cannot be read."""
    from pydantic_core import PydanticCustomError

    from pytest_mlspec.units import seconds

    given = [value for value in (bound.at_least, bound.at_most, *(bound.within or ())) if value is not None]
    values: list[float] = []
    for value in given:
        if isinstance(value, str) and quantity.unit != "s":
            unit = f"in {quantity.unit}" if quantity.unit else "without a unit"
            raise MlspecError(f"{value!r} is not a number", advice=f"{quantity.name} is a plain number, {unit}")
        try:
            number = seconds(value)
        except PydanticCustomError as error:
            raise MlspecError(error.message()) from None
        if not (isinstance(number, (int, float)) and math.isfinite(number)):
            raise MlspecError(f"{value!r} is not a finite number")
        values.append(float(number))
    return tuple(values)


def _use(key: KeyPath, use: Use, table: Mapping[str, frozenset[str]], noun: str) -> Iterator[Mistake]:
    """The mistakes of a `use` that may be a registered name or an import path."""
    yield from _import_path(key, use) if use.is_path else _named(key, use, table, noun)


def _named(key: KeyPath, use: Use, table: Mapping[str, frozenset[str]], noun: str) -> Iterator[Mistake]:
    if use.use not in table:
        yield Mistake(key, f"unknown {noun} {use.use!r}", did_you_mean(use.use, table))
        return
    for name in use.arguments:
        if name not in table[use.use]:
            yield Mistake((*key, name), f"{use.use} has no argument {name!r}", did_you_mean(name, table[use.use]))


def _import_path(key: KeyPath, use: Use) -> Iterable[Mistake]:
    if not _PATH.fullmatch(use.use):
        yield Mistake(key, f"{use.use!r} is no import path", "write package.module:name")
