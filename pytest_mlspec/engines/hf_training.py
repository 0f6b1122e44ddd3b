"""A training of the engine transformers: the Trainer of a spec with its rows, its loss, and what is measured on whole splits.

Shape letters: N rows, B rows of a batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from torch.optim import Optimizer

from pytest_mlspec.engines import hf_arguments, hf_trainer
from pytest_mlspec.engines.assembly import Assembly
from pytest_mlspec.engines.splits import Splits
from pytest_mlspec.engines.until_fitted import UntilFitted
from pytest_mlspec.errors import RecipeError
from pytest_mlspec.language.spec import Training
from pytest_mlspec.language.trainer import LABEL_SMOOTHING
from pytest_mlspec.recipe.models.huggingface import Logits
from pytest_mlspec.recipe.protocol import Examples
from pytest_mlspec.recipe.unsupervised import PADDING
from pytest_mlspec.recipe.work import Work
from pytest_mlspec.training.batches import Batch
from pytest_mlspec.training.evaluation import evaluation_mode
from pytest_mlspec.training.history import History
from pytest_mlspec.training.instruments import Machine
from pytest_mlspec.training.losses import LossFunction, as_scalar, denominator
from pytest_mlspec.training.state import State

_LABELS = "labels"
# What torch and transformers leave out of a loss.
_IGNORED = -100


class HfTraining:
    """One training by the Trainer; `state` is how far it has come, as the other measurements of a run read it."""

    def __init__(
        self,
        module: Logits,
        assembly: Assembly,
        work: Work,
        *,
        seed: int,
        folder: Path,
        machine: Machine | None = None,
    ) -> None:
        self.module = module
        self._assembly = assembly
        self._work = work
        self._machine = machine
        own = {"warmup_steps": 0} if assembly.batches is not None else {}
        declared = _as_settled(assembly)
        device = assembly.device.device
        arguments = hf_arguments.arguments(
            transformers.TrainingArguments,
            declared,
            folder=folder,
            seed=seed,
            device=device,
            remove_unused_columns=False,
            **own,
        )
        self._trainer = _Trainer(
            model=module.model,
            args=arguments,
            train_dataset=range(len(assembly.examples)),
            data_collator=self._collate,
        )
        is_given = assembly.training.loss is not None or "loss" in assembly.recipe.given
        if is_given and arguments.label_smoothing_factor:
            raise RecipeError(
                "the Trainer smooths the targets of the model's own loss, and the recipe gives a loss",
                key=f"train.engine.{LABEL_SMOOTHING}",
                advice="remove it, and smooth the targets in the loss",
            )
        self._trainer.own_loss = assembly.loss if is_given else None
        self._rows = assembly.source(assembly.examples)
        self._trainer.loss_is_scaled_for_ga = is_given or self._divides_by_the_rows_of_a_step()
        self._demand_a_mean()
        self._own_parts()
        self.state = State(module, _optimizer(self._trainer), None, seed, device, notes=list(module.notes))

    def splits(self, examples: Mapping[str, Examples]) -> Splits:
        """The rows of each split, with losses as the Trainer works them out."""
        return _SplitsOfTrainer(self._assembly, examples, self._loss_of)

    def fit(
        self,
        *,
        splits: Splits | None = None,
        until: int | None = None,
        resume_from: Path | None = None,
        after_step: Callable[[], None] | None = None,
        ends: UntilFitted | None = None,
    ) -> History:
        """Trains to the end or to the step `until`, where a checkpoint is saved; `splits` are measured after each epoch."""
        training = self._work.spec.train
        evaluate = None if splits is None else splits.after_epoch(training)
        course = hf_trainer.Course(
            self._work.report,
            evaluate=None if evaluate is None else lambda: evaluate(self.state),
            early_stop=self._assembly.settings.early_stop,
            until=until,
            machine=self._machine,
            after_step=after_step,
            ends=ends,
        )
        history = hf_trainer.run(self._trainer, course, resume_from=resume_from)
        self.state.step = self._trainer.state.global_step
        self.state.epoch = len(history.epochs_log)
        self.state.stopped_early = course.stopped_early
        return history

    def _divides_by_the_rows_of_a_step(self) -> bool | None:
        """Whether the model's own loss of a micro-batch is its share of a step; None where a step has one micro-batch.

        The Trainer takes it from the signature of the model, and many have a mean of their own whatever they are told of the
        step: BertForSequenceClassification among them. Their gradients would be as many times too large.
        """
        if self._assembly.settings.accumulate == 1 or not self._trainer.model_accepts_loss_kwargs:
            return None
        inputs = self._collate([0])
        count = torch.tensor(2.0, device=self._assembly.device.device)
        with evaluation_mode(self.module), torch.no_grad():
            mean = self._trainer.compute_loss(self.module.model, dict(inputs))
            share = self._trainer.compute_loss(self.module.model, dict(inputs), num_items_in_batch=count)
        return not torch.allclose(mean, share)

    def _demand_a_mean(self) -> None:
        """Raises RecipeError for a loss that grows with the number of rows: a sum, where a mean is needed."""
        rows = torch.arange(min(2, len(self._rows)))
        with evaluation_mode(self.module), torch.no_grad():
            once, twice = (float(self._loss_of(self._rows.fetch(each))[0]) for each in (rows, rows.repeat(2)))
        if once and math.isclose(twice, 2 * once, rel_tol=1e-4):
            raise RecipeError(
                f"the loss sums over the rows: that of the same rows twice is {twice:.4g}, and {once:.4g} once",
                key="train.loss",
                advice="return the mean over the rows",
            )

    def _own_parts(self) -> None:
        """Gives the Trainer the optimiser and the schedule of the team, where there are such."""
        recipe, trainer = self._assembly.recipe, self._trainer
        if recipe.optimizer is not None:
            trainer.optimizer = recipe.optimizer(trainer.model)
        if recipe.schedule is not None and self._assembly.batches is None:
            trainer.lr_scheduler = recipe.schedule(_optimizer(trainer), self._assembly.total_steps)

    def _collate(self, rows: Sequence[int]) -> dict[str, Tensor]:
        return self._with_labels(self._rows.fetch(torch.tensor(rows)))

    def _with_labels(self, batch: Batch) -> dict[str, Tensor]:
        """A batch as the model is called with it in a training."""
        assert batch.targets is not None, "the tasks of this engine have targets"
        targets = batch.targets
        if self._assembly.declared.kind == "tokens":
            targets = targets.masked_fill(targets == PADDING, _IGNORED)
        return {**self.module.arguments(batch.inputs), _LABELS: targets}

    def _loss_of(self, batch: Batch) -> tuple[Tensor, Tensor | int]:
        """The mean loss of a batch and its weight among others."""
        inputs = self._with_labels(batch)
        weight: Tensor | int = len(batch)
        if self._trainer.own_loss is not None:
            weight = denominator(self._trainer.own_loss, batch)
        elif self._assembly.declared.kind == "tokens":
            weight = (inputs[_LABELS][:, 1:] != _IGNORED).sum()
        loss = self._trainer.compute_loss(self.module.model, inputs)
        return as_scalar(loss, "the model", key="model"), weight


class _Trainer(hf_trainer.Watched, transformers.Trainer):
    """The Trainer, with a loss of the spec or of the team in the place of the model's own where there is one."""

    own_loss: LossFunction | None = None

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The loss of a micro-batch; in a training, its share of that of the step."""
        if self.own_loss is None:
            return super().compute_loss(
                model, inputs, return_outputs=return_outputs, num_items_in_batch=num_items_in_batch
            )
        rest = {name: values for name, values in inputs.items() if name != _LABELS}
        outputs = model(**rest)
        batch = Batch(rest, inputs[_LABELS], torch.arange(len(inputs[_LABELS])))
        loss = as_scalar(self.own_loss(outputs.logits, batch), "the loss function")
        if model.training:
            loss = loss * len(batch) / self.course.rows
        return (loss, outputs) if return_outputs else loss


class _SplitsOfTrainer(Splits):
    def __init__(
        self,
        assembly: Assembly,
        examples: Mapping[str, Examples],
        loss_of: Callable[[Batch], tuple[Tensor, Tensor | int]],
    ) -> None:
        super().__init__(assembly, examples)
        self._loss_of = loss_of

    def loss(self, model: nn.Module, split: str) -> float:
        """The mean loss of one split, as the Trainer works it out."""
        source, size = self._sources[split], self._assembly.evaluation_rows
        total: Tensor | float = 0.0
        weight: Tensor | int = 0
        with evaluation_mode(model), torch.no_grad():
            for rows in torch.split(torch.arange(len(source)), size):
                mean, of_batch = self._loss_of(source.fetch(rows))
                total = total + mean * of_batch
                weight = weight + of_batch
        return float(total / weight)


def _as_settled(assembly: Assembly) -> Training:
    """The keys of `train` with the length and the batches of this training: on a few batches, at a constant rate."""
    settings, declared = assembly.settings, assembly.training
    changes: dict[str, Any] = {"steps": settings.steps, "accumulate": settings.accumulate}
    if assembly.batches is not None:
        changes |= {"schedule": None, "shuffle": settings.shuffle, "drop_last": settings.drop_last}
    return declared.model_copy(update=changes)


def _optimizer(trainer: transformers.Trainer) -> Optimizer:
    """The optimiser of the Trainer, which makes it at its first step otherwise."""
    found = trainer.create_optimizer()
    assert isinstance(found, Optimizer)
    return found
