"""A training of the engine sentence_transformers: its parts, and the library's own trainer with what the spec says.

Shape letters: N rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from datasets import Dataset
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainingArguments
from torch import nn

from pytest_mlspec.engines import hf_arguments
from pytest_mlspec.engines.assembly import STEPS_ON_BATCHES
from pytest_mlspec.engines.sentence_transformers.encoders import new_encoder, numbers_of, records
from pytest_mlspec.engines.sentence_transformers.losses import Rows, name_of, new_loss
from pytest_mlspec.engines.sentence_transformers.trainer import Trainer
from pytest_mlspec.errors import DataError
from pytest_mlspec.language.embedding import LOSSES
from pytest_mlspec.language.spec import Training, Use
from pytest_mlspec.language.trainer import WARMUP_RATIO
from pytest_mlspec.recipe.pairs import demand_complete
from pytest_mlspec.recipe.work import Work
from pytest_mlspec.training.device import DeviceChoice, choose
from pytest_mlspec.training.parameters import freeze
from pytest_mlspec.training.seeding import seed_everything


@dataclass(frozen=True)
class TextTraining:
    """Everything that is trained, and on what. `batches` is the number of batches where it is restricted to a few."""

    work: Work
    training: Training
    encoder: SentenceTransformer
    loss: nn.Module
    device: DeviceChoice
    splits: Mapping[str, Rows]
    seed: int
    batches: int | None = None

    @property
    def steps(self) -> int:
        """The optimiser steps of the whole training."""
        if self.training.steps is not None:
            return self.training.steps
        rows, size = len(self.splits["train"]), self.training.batch_size
        batches = rows // size if self.training.drop_last else math.ceil(rows / size)
        return math.ceil(batches / self.training.accumulate) * self.training.epochs

    def trainer(self, folder: Path) -> Trainer:
        """The library's trainer of these parts; checkpoints go to `folder`."""
        arguments = hf_arguments.arguments(
            SentenceTransformerTrainingArguments,
            self.training,
            folder=folder,
            seed=self.seed,
            device=self.device.device,
        )
        rows = Dataset.from_list([dict(row) for row in self.splits["train"]])
        trainer = Trainer(model=self.encoder, args=arguments, train_dataset=rows, loss=self.loss)
        recipe = self.work.recipe
        if recipe.optimizer is not None:
            trainer.optimizer = recipe.optimizer(nn.ModuleDict({"model": self.encoder, "loss": self.loss}))
        if recipe.schedule is not None and self.batches is None:
            trainer.lr_scheduler = recipe.schedule(trainer.optimizer or trainer.create_optimizer(), self.steps)
        return trainer

    def on_batches(self, count: int, folder: Path, *, steps: int | None) -> TextTraining:
        """The same training on the first `count` batches of its first epoch alone, at a constant rate.

        It takes `steps`, or `STEPS_ON_BATCHES`.
        """
        train, size = self.splits["train"], self.training.batch_size
        sampler: Iterable[list[int]] = self.trainer(folder).get_train_dataloader().batch_sampler  # type: ignore[assignment]
        batches = list(islice(sampler, count))
        if not batches:
            raise DataError(f"{len(train)} training rows make no batch of {size}", key="train")
        own = {
            name: value
            for name, value in self.training.engine.arguments.items()
            if name not in (WARMUP_RATIO, "warmup_steps")
        }
        training = self.training.model_copy(
            update={
                "steps": steps or STEPS_ON_BATCHES,
                "engine": Use(use=self.training.engine.use, arguments=own),
                "schedule": None,
                "early_stop": None,
                "accumulate": 1,
                "drop_last": False,
            }
        )
        rows = [train[position] for batch in batches for position in batch]
        return replace(self, training=training, splits={"train": rows}, batches=len(batches))


def assemble(work: Work, *, seed: int, steps: int | None = None, seeded: bool = True) -> TextTraining:
    """The parts of a training at its beginning; with `seeded` false what is new draws from the generators as they stand.

    Raises DataError where a text or label is missing, and what `new_encoder` and `new_loss` raise.
    """
    training = work.spec.train
    if steps is not None:
        training = training.model_copy(update={"steps": steps})
    splits = {name: rows for name, rows in work.prepared.splits.items() if len(rows)}
    for name, rows in splits.items():
        demand_complete(rows, name)
    name = name_of(work.spec)
    labels = numbers_of(work.prepared, binary=name in LOSSES and LOSSES[name].labels == "0 and 1")
    device = choose(training.device)
    if seeded:
        seed_everything(seed)
    encoder = new_encoder(work, device.device)
    loss = new_loss(work, encoder, len(labels))
    if training.freeze:
        freeze(encoder, training.freeze)
    return TextTraining(
        work, training, encoder, loss, device, {split: records(rows, labels) for split, rows in splits.items()}, seed
    )
