"""The rules of `model` and `train`: the engine, its model, the length, and what decisions are based on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pytest_mlspec import extensions, quantities
from pytest_mlspec.engines import ENGINES
from pytest_mlspec.errors import MlspecError, did_you_mean
from pytest_mlspec.language import names, pretrained
from pytest_mlspec.language.complaints import described
from pytest_mlspec.language.rules import arguments, embedding, engine_arguments, estimator, trainer
from pytest_mlspec.language.rules import model as model_rules
from pytest_mlspec.language.rules.mistake import Mistake
from pytest_mlspec.language.rules.sources import may_bring_splits
from pytest_mlspec.language.rules.uses import (
    arguments_of_function,
    arguments_of_path,
    import_path,
    named_or_path,
    path_or_module,
    unknown,
)
from pytest_mlspec.language.task import task_of

if TYPE_CHECKING:
    from pytest_mlspec.language.load import KeyPath
    from pytest_mlspec.language.spec import RecipeUse, Spec, Training, Use

_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d{1,4})?", re.ASCII)
_MONITORED = ("train", "val")
_VAL_SHARE: KeyPath = ("data", "split", "val")
_ENGINE: KeyPath = ("train", "engine")

# The losses whose outputs an engine can turn into predictions; `engines/declared_loss.py` says how.
LOSSES_OF: Mapping[str, tuple[str, ...]] = {
    "binary": (
        *("cross_entropy", "focal", "nll", "multi_margin"),
        *("binary_cross_entropy_with_logits", "binary_cross_entropy"),
    ),
    "multiclass": ("cross_entropy", "focal", "nll", "multi_margin"),
    "regression": ("mse", "l1", "smooth_l1", "huber", "poisson_nll"),
    "reconstruction": ("mse", "l1", "smooth_l1", "huber"),
    "clustering": (),
    "language_model": ("cross_entropy",),
}


# The engines that have no model by name, with what their own is.
MODEL_OF_ENGINE: Mapping[str, str] = {
    "lightning": "a LightningModule",
    "keras": "a model of Keras",
    "trained": "a trained module",
}


def mistakes(spec: Spec) -> Iterator[Mistake]:
    """The mistakes of `recipe`, `model` and `train`."""
    if spec.recipe is not None:
        yield from _recipe(spec.recipe)
    train = spec.train
    if train.engine.use not in ENGINES:
        yield unknown(_ENGINE, train.engine.use, dict.fromkeys(ENGINES), "engine")
        return
    yield from _model(spec)
    yield from _engine(spec)
    yield from engine_arguments.mistakes(train, has_val="val" in splits_of(spec))
    yield from trainer.mistakes(spec)
    if "early_stop" in ENGINES.find(train.engine.use).refuses:
        return
    yield from _parts(train)
    yield from _loss_fits(spec)
    if {"steps", "epochs"} <= train.model_fields_set and train.steps is not None:
        yield Mistake(("train", "steps"), "steps and epochs both give the length", "keep one of them")
    if not _DEVICE.fullmatch(train.device):
        yield Mistake(
            ("train", "device"), f"unknown device {described(train.device)}", "write auto, cpu, cuda, cuda:N or mps"
        )
    yield from _monitors(spec)
    yield from _checkpoints(train)
    model = None if spec.model is None else names.MODELS.get(spec.model.use)
    if train.channels_last and model is not None and model.inputs != "images":
        yield Mistake(("train", "channels_last"), "it orders images, and the model takes none", "remove this key")


def splits_of(spec: Spec) -> tuple[str, ...]:
    """The splits that will exist as far as the spec tells; all of them where the user's code may decide."""
    data = spec.data
    if data is not None and data.split.files is not None and not data.split.val:
        return tuple(split for split in quantities.SPLITS if split in data.split.files)
    if data is None or data.source is None or spec.recipe is not None or data.split.val:
        return quantities.SPLITS
    return quantities.SPLITS if may_bring_splits(data.source) else ("train", "test")


def _recipe(recipe: RecipeUse) -> Iterator[Mistake]:
    yield from path_or_module(("recipe", "use"), recipe.use)
    yield from arguments_of_path(("recipe", "with"), recipe.arguments)
    if recipe.arguments and ":" not in recipe.use:
        yield Mistake(
            ("recipe", "with"),
            f"{described(recipe.use)} is a module, and takes no arguments",
            f"name a class or a function: {recipe.use}:NAME",
        )


def _model(spec: Spec) -> Iterator[Mistake]:
    model, key = spec.model, ("model",)
    if model is None:
        return
    if spec.train.engine.use in extensions.FITS:
        yield Mistake(key, f"the engine {spec.train.engine.use} makes its model itself", "remove this key")
    elif spec.train.engine.use == "callable":
        yield Mistake(key, "the engine callable has no use for this key", "the recipe's fit makes the model: remove it")
    elif model.is_path:
        yield from import_path(key, model)
    elif spec.train.engine.use in MODEL_OF_ENGINE:
        told = f"the engine {spec.train.engine.use} takes {MODEL_OF_ENGINE[spec.train.engine.use]} of your own"
        yield Mistake(key, told, "write package.module:name", lacks=(_ENGINE,))
    elif spec.train.engine.use == "sklearn":
        yield from estimator.mistakes(spec, model, has_val="val" in splits_of(spec))
    elif spec.train.engine.use in pretrained.ARGUMENTS and model.use == pretrained.PRETRAINED:
        return  # `rules/pretrained.py` looks for its folder
    elif spec.train.engine.use == "transformers":
        return  # `rules/trainer.py` looks at its model
    elif spec.train.engine.use == "sentence_transformers":
        yield unknown(key, model.use, {pretrained.PRETRAINED: None}, "model")
    elif estimator.is_estimator(model.use):
        advice = "write `train: {engine: sklearn}`"
        yield Mistake(key, f"{model.use} is an estimator of scikit-learn", advice, lacks=(_ENGINE,))
    else:
        yield from model_rules.mistakes(spec, model)


def _engine(spec: Spec) -> Iterator[Mistake]:
    train = spec.train
    for name in sorted(ENGINES.find(train.engine.use).refuses & train.model_fields_set):
        is_stop = name == "early_stop" and train.engine.use == "sklearn"
        advice = estimator.early_stop_advice(spec.model) if is_stop else "remove it"
        yield Mistake(("train", name), f"the engine {train.engine.use} has no use for this key", advice)
    if train.engine.use == "sklearn":
        yield from estimator.of_engine(spec)
    if train.engine.use in extensions.FITS:
        fit = extensions.FITS.find(train.engine.use).function
        yield from arguments_of_function(_ENGINE, train.engine, fit, ours=("examples", "seed"))
    elif train.engine.arguments and not ENGINES.find(train.engine.use).trainer:
        yield Mistake(_ENGINE, f"the engine {train.engine.use} takes no arguments", f"write engine: {train.engine.use}")
    if train.engine.use == "callable" and spec.recipe is None:
        yield Mistake(
            _ENGINE,
            "the engine callable needs a `recipe`",
            "name one that gives fit and predict",
            lacks=(("recipe",),),
        )


def _parts(train: Training) -> Iterator[Mistake]:
    """The mistakes of the optimiser, the loss and the schedule, each by itself."""
    key: KeyPath = ("train", "optimizer")
    optimizers = {name: entry.arguments | names.OPTIMIZER_ARGUMENTS for name, entry in names.OPTIMIZERS.items()}
    yield from named_or_path(key, train.optimizer, optimizers, "optimizer")
    if train.optimizer.use in optimizers:
        yield from arguments.of_optimizer(key, train.optimizer)
    yield from model_rules.of_learning(train)
    if train.loss is not None and train.engine.use == "sentence_transformers":
        yield from embedding.of_loss(train.loss)
    elif train.loss is not None:
        key = ("train", "loss")
        losses = {name: entry.arguments for name, entry in names.LOSSES.items()}
        yield from named_or_path(key, train.loss, losses, "loss")
        if train.loss.use in losses:
            yield from arguments.of_loss(key, train.loss)
    if train.schedule is not None:
        key = ("train", "schedule")
        schedules = {name: entry.arguments | names.SCHEDULE_ARGUMENTS for name, entry in names.SCHEDULES.items()}
        yield from named_or_path(key, train.schedule, schedules, "schedule")
        if train.schedule.use in schedules:
            yield from arguments.of_schedule(key, train.schedule)
            yield from _never_changes(train, train.schedule)


def _never_changes(train: Training, schedule: Use) -> Iterator[Mistake]:
    """The mistake of a schedule by steps or milestones whose first change lies behind the end of the training."""
    interval = schedule.arguments.get("interval", names.SCHEDULES[schedule.use].interval)
    length = train.steps if interval == "step" else train.epochs if train.steps is None else None
    for name in ("step_size", "milestones"):
        value = schedule.arguments.get(name)
        first = min(value, default=None) if isinstance(value, list) else value
        if length is not None and type(first) is int and first >= length:
            told = f"the rate would never change: the first time is after {first} {interval}s, and the training has {length}"
            yield Mistake(("train", "schedule", name), told, "write less, or `interval: step` for a number of steps")


def _checkpoints(train: Training) -> Iterator[Mistake]:
    wanted, key = train.checkpoint, ("train", "checkpoint")
    if wanted is None:
        return
    if (wanted.steps is None) is (wanted.time is None):
        told = "neither steps nor time say when" if wanted.steps is None else "steps and time both say when"
        yield Mistake(key, f"{told} a checkpoint is written", "write one of them: {steps: 500}, or {time: 5min}")
    elif wanted.steps is not None and train.steps is not None and wanted.steps > train.steps:
        yield Mistake(
            (*key, "steps"),
            f"no checkpoint would be written: the training has {train.steps} steps",
            "write fewer",
            lacks=(("train", "steps"),),
        )


def _loss_fits(spec: Spec) -> Iterator[Mistake]:
    loss, task = spec.train.loss, task_of(spec)
    if loss is None or loss.use not in names.LOSSES or task is None or task not in LOSSES_OF:
        return
    if task == "language_model":
        for name in loss.arguments.keys() & {"weight", "ignore_index"}:
            told = "padding alone is ignored" if name == "ignore_index" else "the tokens weigh the same"
            yield Mistake(("train", "loss", name), f"in the task {task} {told}", "remove this key")
    if loss.use in LOSSES_OF[task]:
        return
    yield Mistake(
        ("train", "loss"), f"{loss.use} does not fit the task {task}", f"write one of: {', '.join(LOSSES_OF[task])}"
    )


def _monitors(spec: Spec) -> Iterator[Mistake]:
    """The mistakes of what the early stop and the schedule look at."""
    stop, schedule = spec.train.early_stop, spec.train.schedule
    if stop is not None:
        yield from _monitor(("train", "early_stop", "monitor"), stop.monitor, spec)
    if schedule is None or schedule.use != "reduce_on_plateau":
        return
    key, given = ("train", "schedule"), schedule.arguments
    monitor = given.get("monitor", names.SCHEDULES["reduce_on_plateau"].defaults["monitor"])
    yield from _monitor((*key, "monitor"), monitor, spec)
    metric = quantities.METRICS.get(str(monitor).partition(".")[2])
    if metric is not None and metric.higher_is_better is not (given.get("mode", "min") == "max"):
        direction, mode = ("higher", "max") if metric.higher_is_better else ("lower", "min")
        yield Mistake((*key, "mode"), f"{monitor} is better when it is {direction}", f"write mode: {mode}")


def _monitor(key: KeyPath, monitor: object, spec: Spec) -> Iterator[Mistake]:
    scope, _, name = str(monitor).partition(".")
    if scope == "test":
        advice = "monitor val.…, and give data.split.val a share, such as 0.1"
        yield Mistake(key, "the test split must not decide how the model is trained", advice)
    elif scope not in _MONITORED or name not in {"loss", *quantities.METRICS}:
        known = [f"{split}.{name}" for split in _MONITORED for name in ("loss", *quantities.METRICS)]
        near = did_you_mean(str(monitor), known)
        advice = near if near.endswith("?") else "write val.loss, or a metric such as val.accuracy"
        yield Mistake(key, f"{described(monitor)} is nothing that can be monitored", advice)
    elif scope not in splits_of(spec):
        yield Mistake(
            key, f"{monitor} needs a validation split", "give data.split.val a share, such as 0.1", lacks=(_VAL_SHARE,)
        )
    elif name != "loss" and (task := task_of(spec)) is not None:
        try:
            quantities.check_task(quantities.parse(str(monitor)), task)
        except MlspecError as error:
            yield Mistake(key, error.message, error.advice)
