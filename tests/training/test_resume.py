"""A training that is stopped, saved, restored into new objects and continued equals one that never stopped, bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from torch import nn
from torch.optim.lr_scheduler import ExponentialLR, LRScheduler, SequentialLR, StepLR

from pytest_mlspec.training.checkpoint import restore, save
from pytest_mlspec.training.early_stop import EarlyStop
from pytest_mlspec.training.history import History
from pytest_mlspec.training.loop import LoopSettings, fit
from pytest_mlspec.training.schedule import Schedule
from pytest_mlspec.training.seeding import perturb, seed_everything
from pytest_mlspec.training.state import State
from pytest_mlspec.training.weights import weights_digest

from .trainings import CROSS_ENTROPY, NoisySource, classification, network, new_state, source_of, validation_loss
from .trainings import with_schedule as add_schedule

Named = tuple[str, dict[str, Any]]

SETTINGS = LoopSettings(batch_size=4, accumulate=2, epochs=6, early_stop=EarlyStop(patience=3), clip_norm=1.0)
PAIRS: list[tuple[Named, Named]] = [
    (("sgd", {"lr": 0.1, "momentum": 0.9}), ("one_cycle", {"max_lr": 0.2})),
    (("adamw", {"lr": 0.02}), ("cosine", {"warmup": 0.2})),
    (("rmsprop", {"lr": 0.01}), ("reduce_on_plateau", {"patience": 0, "warmup": 4})),
    (("adam", {"lr": 0.02, "amsgrad": True}), ("multi_step", {"milestones": [1, 3]})),
    (("nadam", {"lr": 0.02}), ("cyclic", {"base_lr": 0.001, "max_lr": 0.05, "step_size_up": 3})),
]


def new_training(optimizer: Named, schedule: Named) -> State:
    return add_schedule(new_state(network(dropout=0.3), optimizer), *schedule, SETTINGS)


def go_on(state: State, until: int | None = None) -> History:
    inputs, targets = classification()
    return fit(
        state,
        NoisySource(inputs, targets),
        settings=SETTINGS,
        loss=CROSS_ENTROPY,
        evaluate=validation_loss(source_of(inputs, targets)),
        until=until,
    )


@pytest.mark.parametrize("at", [1, 4, 5, 13, 24])
@pytest.mark.parametrize(("optimizer", "schedule"), PAIRS, ids=lambda named: named[0])
def test_resumed_equals_uninterrupted(optimizer: Named, schedule: Named, at: int, tmp_path: Path) -> None:
    """Within an epoch (1, 4, 13, 24) and at its end (5): with dropout, augmentation, accumulation and an early stop."""
    whole = new_training(optimizer, schedule)
    seed_everything(7)
    expected = go_on(whole)

    first = new_training(optimizer, schedule)
    seed_everything(7)
    paused = go_on(first, until=at)
    perturb()
    save(first, tmp_path / "checkpoint")
    second = new_training(optimizer, schedule)
    perturb()
    restore(second, tmp_path / "checkpoint")
    history = go_on(second)

    assert paused.stopped == f"paused after {at} of 30 steps"
    assert weights_digest(second.model) == weights_digest(whole.model)
    assert history.loss_S.tolist() == expected.loss_S.tolist()
    assert history.gradient_norm_S.tolist() == expected.gradient_norm_S.tolist()
    assert history.learning_rate_S.tolist() == expected.learning_rate_S.tolist()
    assert history.epochs_log == expected.epochs_log
    assert (history.stopped, history.best_epoch) == (expected.stopped, expected.best_epoch)


def test_a_pause_changes_nothing_even_where_the_program_draws_numbers_meanwhile() -> None:
    """The state of the global generators stays with the training, not with the process."""
    whole, paused = new_training(*PAIRS[1]), new_training(*PAIRS[1])
    seed_everything(7)
    go_on(whole)
    seed_everything(7)
    go_on(paused, until=8)
    perturb()
    go_on(paused)

    assert weights_digest(paused.model) == weights_digest(whole.model)


def test_batch_statistics_are_resumed(tmp_path: Path) -> None:
    """Buffers such as the running mean of a BatchNorm are part of a checkpoint."""
    settings = LoopSettings(batch_size=8, epochs=2)
    source = source_of(*classification())

    def new() -> State:
        return new_state(nn.Sequential(nn.BatchNorm1d(6), *network()))

    whole, first, second = new(), new(), new()
    fit(whole, source, settings=settings, loss=CROSS_ENTROPY)
    fit(first, source, settings=settings, loss=CROSS_ENTROPY, until=3)
    save(first, tmp_path / "checkpoint")
    restore(second, tmp_path / "checkpoint")
    fit(second, source, settings=settings, loss=CROSS_ENTROPY)

    assert weights_digest(second.model) == weights_digest(whole.model)


def test_a_schedule_of_the_users_own_is_resumed(tmp_path: Path) -> None:
    """Any scheduler of torch can be stepped per step; one made of several keeps the state of each."""
    settings = LoopSettings(batch_size=8, epochs=2)
    source = source_of(*classification())

    def new() -> State:
        state = new_state(optimizer=("sgd", {"lr": 0.1}))
        parts: list[LRScheduler] = [ExponentialLR(state.optimizer, 0.9), StepLR(state.optimizer, 2)]
        state.schedule = Schedule(SequentialLR(state.optimizer, parts, milestones=[4]))
        return state

    whole, first, second = new(), new(), new()
    expected = fit(whole, source, settings=settings, loss=CROSS_ENTROPY)
    fit(first, source, settings=settings, loss=CROSS_ENTROPY, until=3)
    save(first, tmp_path / "checkpoint")
    restore(second, tmp_path / "checkpoint")
    history = fit(second, source, settings=settings, loss=CROSS_ENTROPY)

    assert history.learning_rate_S.tolist() == expected.learning_rate_S.tolist()
    assert history.learning_rate_S[:5].tolist() == pytest.approx([0.1, 0.09, 0.081, 0.0729, 0.1])
    assert weights_digest(second.model) == weights_digest(whole.model)


def test_a_finished_training_is_not_trained_again() -> None:
    """`fit` on a finished state gives its history and moves nothing."""
    state = new_training(*PAIRS[0])
    history = go_on(state)
    digest = weights_digest(state.model)
    again = go_on(state)

    assert weights_digest(state.model) == digest
    assert again.loss_S.tolist() == history.loss_S.tolist()
    assert again.stopped == history.stopped
