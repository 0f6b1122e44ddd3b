"""A recipe becomes what the core trains: rows on the device, settings, and new states of model, optimiser and schedule.

The engine and the probes build everything here, so what a probe looks at is what the engine trains.

Shape letters: N rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from pytest_mlspec.engines.class_weights import balanced
from pytest_mlspec.engines.declared_loss import Declared, DeclaredLoss, declared_loss
from pytest_mlspec.engines.labels import Labels
from pytest_mlspec.engines.loading import source_of, training_source
from pytest_mlspec.engines.target_scale import TargetScale
from pytest_mlspec.errors import DataError, RecipeError, did_you_mean
from pytest_mlspec.language.spec import Spec, Training
from pytest_mlspec.recipe.oversampling import training_examples
from pytest_mlspec.recipe.protocol import Examples, Prepared, Recipe
from pytest_mlspec.recipe.targets import label_text
from pytest_mlspec.recipe.work import Work
from pytest_mlspec.training import losses
from pytest_mlspec.training.batches import Source, balanced_weights
from pytest_mlspec.training.device import DeviceChoice, choose
from pytest_mlspec.training.early_stop import EarlyStop
from pytest_mlspec.training.ema import Average
from pytest_mlspec.training.evaluation import model_outputs
from pytest_mlspec.training.loop import LoopSettings
from pytest_mlspec.training.losses import LossFunction
from pytest_mlspec.training.parameters import freeze
from pytest_mlspec.training.precision import new_scaler
from pytest_mlspec.training.schedule import Schedule, build_schedule
from pytest_mlspec.training.seeding import seed_everything
from pytest_mlspec.training.state import State

# Evaluation needs no gradients, so its batches may be larger; a loss of the team's own may mean the batch that it sees.
_EVALUATION_ROWS = 1024

# A small rate needs many steps, whatever the spec declares; what learns fast ends long before.
STEPS_ON_BATCHES = 1000


@dataclass(frozen=True)
class Assembly:
    """Everything that the core needs of one recipe.

    `examples` are the rows that are trained on; `positive` is the class number that binary metrics count; `batches` is the
    number of batches where the training is restricted to a few.
    """

    training: Training
    recipe: Recipe
    prepared: Prepared
    examples: Examples
    declared: Declared
    device: DeviceChoice
    settings: LoopSettings
    positive: int
    batches: int | None = None

    @property
    def loss(self) -> LossFunction:
        """The recipe's loss."""
        assert self.recipe.loss is not None, "a recipe for the engine torch has a loss"
        return self.recipe.loss

    @property
    def total_steps(self) -> int:
        """The optimiser steps of the whole training."""
        return self.settings.total_steps(len(self.examples))

    @property
    def evaluation_rows(self) -> int:
        """The rows of a batch in evaluation."""
        # A row of a language model has outputs [L, V]: a batch that fits in training fits in evaluation.
        is_large = self.declared.kind == "tokens" or not self.declared.name
        return self.settings.batch_size if is_large else max(_EVALUATION_ROWS, self.settings.batch_size)

    @property
    def loss_floor(self) -> float:
        """The lowest value of the loss on the rows that are trained on."""
        return self.declared.floor(self.examples.targets) if self.declared.name else self.recipe.loss_floor

    def notes(self, shape: Sequence[int]) -> tuple[str, ...]:
        """What a reader of the run should know; `shape` is that of the model's outputs."""
        restricted = (
            f"trained on {self.batches} of its batches, at a constant rate, without early stop" if self.batches else ""
        )
        told = (*self.recipe.notes, *self.prepared.notes, self.declared.note(shape), restricted)
        return tuple(note for note in told if note)

    def source(self, examples: Examples) -> Source:
        """`examples` as the core fetches them."""
        return source_of(examples, self.recipe, self.device.device)

    def training_source(self, seed: int) -> AbstractContextManager[Source]:
        """The rows that are trained on, as a training with `seed` sees them; at the end of the block its workers end.

        On a few batches that is as evaluation sees them: rows that change with each epoch cannot be learned by heart.
        """
        if self.batches is not None:
            return nullcontext(self.source(self.examples))
        return training_source(self.examples, self.recipe, self.training, self.device.device, seed=seed)

    def on_batches(self, count: int, *, seed: int, steps: int | None = None) -> Assembly:
        """The same training on the first `count` batches of its first epoch alone, in a fixed order at a constant rate.

        Without an average of the weights: what is asked of such a training is whether it can learn. It takes `steps`, or
        `STEPS_ON_BATCHES`.
        """
        order = self.settings.order(len(self.examples), seed)
        batches = [index for step in order.steps(0) for index in step][:count]
        if not batches:
            raise DataError(
                f"{len(self.examples)} training rows make no batch of {self.settings.batch_size}", key="train"
            )
        settings = replace(
            self.settings,
            steps=steps or STEPS_ON_BATCHES,
            epochs=None,
            accumulate=1,
            shuffle=False,
            drop_last=False,
            early_stop=None,
            row_weights=None,
        )
        rows = self.examples.take(torch.cat(batches).numpy())
        return replace(self, examples=rows, settings=settings, batches=len(batches))

    def new_model(self, seed: int, *, seeded: bool = True) -> nn.Module:
        """A new model on the device, from generators seeded with `seed`; from them as they stand with `seeded` false."""
        if seeded:
            seed_everything(seed)
        return self._build_model()

    def new_state(self, seed: int, *, seeded: bool = True) -> State:
        """A training at its beginning. With `seeded` false the model draws from the generators as they stand."""
        if seeded:
            seed_everything(seed)
        model = self._build_model()
        optimizer = self._build_optimizer(model)
        scaler = new_scaler(self.device.device, optimizer) if self.settings.precision == "fp16" else None
        if self.batches is not None:
            return State(model, optimizer, None, seed, self.device.device, scaler)
        ema = self.training.ema
        average = None if ema is None else Average(model, ema.decay)
        return State(model, optimizer, self._build_schedule(optimizer), seed, self.device.device, scaler, average)

    def output_shape(self, model: nn.Module) -> torch.Size:
        """The shape of the outputs for two rows; raises RecipeError where it does not fit the task.

        Layers that take their size from the first input are complete after it.
        """
        rows = self.examples.take(np.arange(min(2, len(self.examples))))
        shape = model_outputs(model, self.source(rows), len(rows)).shape
        self.declared.demand_shape(shape)
        return shape

    def _build_model(self) -> nn.Module:
        assert self.recipe.build_model is not None, "a recipe for the engine torch has a model"
        model = self.recipe.build_model(self.prepared)
        if not isinstance(model, nn.Module):
            raise RecipeError(f"build_model returned a {type(model).__name__}, not an nn.Module", key="model")
        model.to(self.device.device)
        if self.training.channels_last:
            _demand_images(self.examples)
            model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.output_shape(model)
        freeze(model, self.training.freeze)
        return model

    def _build_optimizer(self, model: nn.Module) -> Optimizer:
        assert self.recipe.optimizer is not None, "a recipe for the engine torch has an optimizer"
        optimizer = self.recipe.optimizer(model)
        if not isinstance(optimizer, Optimizer):
            raise RecipeError(
                f"optimizer returned a {type(optimizer).__name__}, not a torch.optim.Optimizer", key="recipe.optimizer"
            )
        return optimizer

    def _build_schedule(self, optimizer: Optimizer) -> Schedule | None:
        if self.recipe.schedule is not None:
            scheduler = self.recipe.schedule(optimizer, self.total_steps)
            if not isinstance(scheduler, LRScheduler):
                raise RecipeError(
                    f"schedule returned a {type(scheduler).__name__}, not a torch.optim.lr_scheduler.LRScheduler",
                    key="train.schedule",
                )
            return Schedule(scheduler, total_steps=self.total_steps)
        named = self.training.schedule
        if named is None:
            return None
        an_epoch = self.settings.order(len(self.examples), 0).steps_per_epoch
        return build_schedule(
            named.use, named.arguments, optimizer, total_steps=self.total_steps, steps_per_epoch=an_epoch
        )


def assemble(work: Work, *, steps: int | None = None) -> Assembly:
    """The assembly of the recipe of `work`. `steps` replaces the declared length."""
    training = work.spec.train
    examples = work.prepared
    if not len(examples.splits.get("train", ())):
        raise DataError("0 rows in the training split", key="data.split")
    scale = _target_scale(work.spec, examples)
    if scale is not None:
        examples = replace(examples, splits={name: scale.applied(rows) for name, rows in examples.splits.items()})
    training = _with_names_of_logits(balanced(training, examples))
    declared = declared_loss(training, work.recipe, examples, scale=scale)
    trained_on = training_examples(examples, work.spec)
    return Assembly(
        training,
        _with_loss(work, declared),
        examples,
        trained_on,
        declared,
        choose(training.device),
        _settings(training, steps, trained_on),
        _positive(work, examples),
    )


def _with_loss(work: Work, declared: Declared) -> Recipe:
    """The recipe with the loss that needed the training rows, and with what the loss demands of targets."""
    recipe, spec = work.recipe, work.spec
    if recipe.loss is None:
        recipe = replace(recipe, loss=losses.build(declared.name, declared.arguments))
    if not isinstance(declared, DeclaredLoss) or not (declared.name and declared.classes):
        return recipe
    column = (spec.data and spec.data.target) or ""
    ignored = declared.arguments.get("ignore_index")
    return replace(recipe, labels=Labels(declared.name, declared.classes, ignored=ignored, column=column))


def _with_names_of_logits(training: Training) -> Training:
    """`training` with what is frozen by its name in the module that answers with logits: one that holds the team's model."""
    if training.engine.use != "transformers" or not training.freeze:
        return training
    return training.model_copy(update={"freeze": tuple(f"model.{name}" for name in training.freeze)})


def _target_scale(spec: Spec, prepared: Prepared) -> TargetScale | None:
    steps = spec.data.prepare_target if spec.data else ()
    return TargetScale.fitted(steps, prepared.splits["train"].targets) if steps else None


def early_stop_of(training: Training) -> EarlyStop | None:
    """The rule of the spec; the metric's own direction decides what is better."""
    from pytest_mlspec.quantities import METRICS

    rule = training.early_stop
    if rule is None:
        return None
    metric = METRICS.get(rule.monitor.partition(".")[2])
    mode = "max" if metric is not None and metric.higher_is_better else "min"
    return EarlyStop(rule.monitor, rule.patience, rule.min_delta, "max" if mode == "max" else "min", rule.restore_best)


def _demand_images(examples: Examples) -> None:
    """Raises RecipeError where the inputs are no images [N, C, H, W]."""
    shapes = [
        list(array.shape[1:])
        for array in (examples.inputs.values() if isinstance(examples.inputs, Mapping) else [examples.inputs])
    ]
    if not any(len(shape) == 3 for shape in shapes):
        raise RecipeError(
            f"channels_last orders images [rows, channels, height, width], and a row here is {shapes[0]}",
            key="train.channels_last",
            advice="remove this key, or give images: prepare: images",
        )


def _positive(work: Work, prepared: Prepared) -> int:
    """The number of the class that a binary metric counts: the declared one, else the last."""
    declared = work.spec.task and work.spec.task.positive
    if declared is None:
        return len(prepared.classes) - 1
    label = label_text(declared)
    if label not in prepared.classes:
        raise DataError(
            f"there is no class {label!r}", key="task.positive", advice=did_you_mean(label, prepared.classes)
        )
    return prepared.classes.index(label)


def _settings(training: Training, steps: int | None, examples: Examples) -> LoopSettings:
    length = training.steps if steps is None else steps
    return LoopSettings(
        batch_size=training.batch_size,
        epochs=training.epochs if length is None else None,
        steps=length,
        accumulate=training.accumulate,
        clip_norm=training.clip_norm,
        shuffle=training.shuffle,
        drop_last=training.drop_last,
        early_stop=early_stop_of(training),
        precision="fp32" if training.precision == "auto" else training.precision,
        row_weights=balanced_weights(torch.from_numpy(examples.targets)) if training.sampler == "balanced" else None,
    )
