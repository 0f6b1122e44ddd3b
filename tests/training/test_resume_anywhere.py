"""Wherever a training is interrupted and whatever it uses, it goes on to the last bit: at points drawn at random."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pytest_mlspec.training.batches import Batch, Source
from pytest_mlspec.training.checkpoint import restore, save
from pytest_mlspec.training.early_stop import EarlyStop
from pytest_mlspec.training.ema import Average
from pytest_mlspec.training.history import History
from pytest_mlspec.training.loader import Draws, LoadedSource
from pytest_mlspec.training.loop import LoopSettings, fit
from pytest_mlspec.training.precision import new_scaler
from pytest_mlspec.training.seeding import perturb, seed_everything
from pytest_mlspec.training.state import State
from pytest_mlspec.training.step import Precision
from pytest_mlspec.training.weights import weights_digest

from .trainings import (
    CPU,
    CROSS_ENTROPY,
    FEATURES,
    ROWS,
    NoisySource,
    classification,
    network,
    new_state,
    source_of,
    validation_loss,
    with_schedule,
)

INPUTS, TARGETS = classification()
OPTIMIZERS: list[tuple[str, Mapping[str, Any]]] = [
    ("sgd", {"lr": 0.03, "momentum": 0.9, "nesterov": True}),
    ("adamw", {"lr": 0.02}),
    ("adam", {"lr": 0.02, "amsgrad": True}),
    ("rmsprop", {"lr": 0.01}),
    ("nadam", {"lr": 0.02}),
]
SCHEDULES: list[tuple[str, Mapping[str, Any]]] = [
    ("one_cycle", {"max_lr": 0.03}),
    ("cosine", {"warmup": 0.2}),
    ("reduce_on_plateau", {"patience": 0, "warmup": 4}),
    ("multi_step", {"milestones": [1, 3]}),
    ("cosine_warm_restarts", {"T_0": 7}),
]


@dataclass(frozen=True)
class Drawn:
    """A training and the step at which it is interrupted, drawn by `number`."""

    number: int
    optimizer: tuple[str, Mapping[str, Any]] = field(init=False)
    schedule: tuple[str, Mapping[str, Any]] = field(init=False)
    settings: LoopSettings = field(init=False)
    decay: float | None = field(init=False)
    batch_norm: bool = field(init=False)
    workers: int | None = field(init=False)
    at: int = field(init=False)

    def __post_init__(self) -> None:
        draw = random.Random(self.number)
        precisions: list[Precision] = ["fp32", "bf16", "fp16"]
        settings = LoopSettings(
            batch_size=draw.choice([5, 7, 8]),  # never a last batch of one row, which a BatchNorm refuses
            accumulate=draw.randint(1, 3),
            epochs=draw.randint(3, 5),
            clip_norm=draw.choice([None, 0.5]),
            drop_last=draw.choice([False, True]),
            early_stop=draw.choice([None, EarlyStop(patience=draw.randint(1, 3))]),
            precision=draw.choice(precisions),
        )
        drawn = {
            "settings": settings,
            "optimizer": draw.choice(OPTIMIZERS),
            "schedule": draw.choice(SCHEDULES),
            "decay": draw.choice([None, 0.8]),
            "batch_norm": draw.choice([False, True]),
            "workers": draw.choice([None, None, 0, 1]),
            "at": draw.randint(1, settings.total_steps(ROWS) - 1),
        }
        for name, value in drawn.items():
            object.__setattr__(self, name, value)

    def new_state(self) -> State:
        """The training at its beginning."""
        layers = [nn.BatchNorm1d(FEATURES)] if self.batch_norm else []
        state = new_state(nn.Sequential(*layers, *network(dropout=0.3)), self.optimizer)
        if self.settings.precision == "fp16":
            state.scaler = new_scaler(CPU, state.optimizer)
            state.scaler.load_state_dict(state.scaler.state_dict() | {"scale": 2.0**18, "growth_interval": 3})
        if self.decay is not None:
            state.average = Average(state.model, self.decay)
        return with_schedule(state, *self.schedule, self.settings)

    @contextmanager
    def source(self) -> Iterator[Source]:
        """Rows with noise: from the global generators, or drawn for each row, here or by a worker process."""
        if self.workers is None:
            yield NoisySource(INPUTS, TARGETS)
            return
        with closing(LoadedSource(ROWS, noisy_rows, CPU, seed=0, workers=self.workers, timeout=60)) as source:
            yield source

    def go_on(self, state: State, until: int | None = None) -> History:
        """Trains `state` to its end, or to the step `until`."""
        with self.source() as source:
            return fit(
                state,
                source,
                settings=self.settings,
                loss=CROSS_ENTROPY,
                evaluate=validation_loss(source_of(INPUTS, TARGETS)),
                until=until,
            )


def noisy_rows(index: Tensor, draws: Draws) -> Batch:
    """The rows `index`, each with noise of its own."""
    rows = []
    for row in index.tolist():
        draws.begin(row)
        rows.append(INPUTS[row] + 0.1 * torch.from_numpy(np.random.standard_normal(FEATURES)).float())
    return Batch(torch.stack(rows), TARGETS[index], index)


@pytest.mark.parametrize("number", [*range(8), *(pytest.param(n, marks=pytest.mark.slow) for n in range(8, 100))])
def test_resumed_equals_uninterrupted(number: int, tmp_path: Path) -> None:
    """Optimisers, schedules, early stop, average, precisions, accumulation, batch statistics, noise and loader workers."""
    drawn = Drawn(number)
    whole, first, second = drawn.new_state(), drawn.new_state(), drawn.new_state()
    seed_everything(7)
    expected = drawn.go_on(whole)

    seed_everything(7)
    drawn.go_on(first, until=drawn.at)
    save(first, tmp_path / "checkpoint")
    perturb()
    restore(second, tmp_path / "checkpoint")
    history = drawn.go_on(second)

    assert weights_digest(second.model) == weights_digest(whole.model)
    assert weights_digest(second.evaluated) == weights_digest(whole.evaluated)
    assert history.loss_S.tolist() == expected.loss_S.tolist()
    assert history.learning_rate_S.tolist() == expected.learning_rate_S.tolist()
    assert history.epochs_log == expected.epochs_log
    assert history.update_ratio_U.tolist() == expected.update_ratio_U.tolist()
    assert (history.stopped, history.best_epoch) == (expected.stopped, expected.best_epoch)
    assert (history.skipped_steps, second.step) == (expected.skipped_steps, whole.step)
