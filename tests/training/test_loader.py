"""Batches that are made on demand are the same for any number of workers, and what goes wrong in one is told with its row."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from torch import Tensor

from pytest_mlspec.errors import DataError, MlspecError, TrainingError
from pytest_mlspec.training.batches import Batch, EpochOrder
from pytest_mlspec.training.checkpoint import restore, save
from pytest_mlspec.training.loader import Draws, LoadedSource
from pytest_mlspec.training.loop import LoopSettings, fit
from pytest_mlspec.training.seeding import perturb, rng_state
from pytest_mlspec.training.state import State
from pytest_mlspec.training.weights import weights_digest

from .trainings import CPU, CROSS_ENTROPY, ROWS, classification, network, new_state

ORDER = EpochOrder(ROWS, 8, 0)


def noisy(index: Tensor, draws: Draws) -> Batch:
    """The rows with noise from every global generator."""
    inputs, targets = classification()
    rows = []
    for row in index.tolist():
        draws.begin(row)
        rows.append(inputs[row] * random.uniform(0.9, 1.1) + 0.1 * np.random.rand() + 0.1 * torch.randn(()))
    return Batch(torch.stack(rows), targets[index], index)


def failing(fail: Callable[[], None], index: Tensor, draws: Draws) -> Batch:
    """Does what `fail` does at row 17."""
    for row in index.tolist():
        draws.begin(row)
        if row == 17:
            fail()
    return Batch(torch.zeros(len(index), 1), None, index)


def raise_error() -> None:
    raise DataError("row 17 holds nothing", key="data.source", details="in data.py, line 3")


def inputs_of(workers: int, epoch: int = 0, *, seed: int | None = 0, begin: int = 0) -> Tensor:
    source = LoadedSource(ROWS, noisy, CPU, seed=seed, workers=workers)
    batches = [batch.inputs for step in source.steps(ORDER.steps(epoch)[begin:], epoch) for batch in step]
    source.close()
    return torch.cat([inputs for inputs in batches if isinstance(inputs, Tensor)])


def walk(fail: Callable[[], None], *, timeout: float = 0.0) -> MlspecError:
    """What is told of a walk through an epoch with two workers of which one meets row 17."""
    source = LoadedSource(ROWS, partial(failing, fail), CPU, seed=0, workers=2, timeout=timeout)
    with pytest.raises(MlspecError) as told:
        list(source.steps(ORDER.steps(0), 0))
    source.close()
    return told.value


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_make_the_batches_that_no_worker_makes(workers: int) -> None:
    """Bit for bit, with randomness in every row, whatever was drawn before."""
    expected = inputs_of(0)
    perturb()

    assert torch.equal(inputs_of(workers), expected)
    assert not torch.equal(inputs_of(workers, epoch=1), expected)
    assert not torch.equal(inputs_of(workers, seed=1), expected)


@pytest.mark.parametrize("workers", [0, 2])
def test_the_rest_of_an_epoch_is_as_in_the_whole(workers: int) -> None:
    """So a resume in its middle is exact."""
    assert torch.equal(inputs_of(workers, begin=2), inputs_of(0)[16:])


def test_the_workers_go_on_from_epoch_to_epoch() -> None:
    """Also after an epoch that was left in its middle."""
    source = LoadedSource(ROWS, noisy, CPU, seed=0, workers=2)
    next(source.steps(ORDER.steps(0), 0))
    batches = [batch for step in source.steps(ORDER.steps(1), 1) for batch in step]
    source.close()

    assert [row for batch in batches for row in batch.index.tolist()] == [
        r for s in ORDER.steps(1) for r in s[0].tolist()
    ]
    assert torch.equal(torch.cat([batch.inputs for batch in batches]), inputs_of(0, epoch=1))  # type: ignore[misc]


def test_micro_batches_stay_together() -> None:
    """A step of two has both."""
    source = LoadedSource(ROWS, noisy, CPU, seed=0, workers=1)
    steps = list(source.steps(EpochOrder(ROWS, 8, 0, accumulate=2).steps(0), 0))
    source.close()

    assert [[len(batch) for batch in step] for step in steps] == [[8, 8], [8, 8], [5]]


def test_without_a_seed_every_epoch_sees_what_evaluation_sees() -> None:
    """For a training that asks whether fixed rows can be learned by heart."""
    source = LoadedSource(ROWS, noisy, CPU)
    fetched = source.fetch(torch.cat([index for (index,) in ORDER.steps(0)])).inputs
    assert isinstance(fetched, Tensor)

    assert torch.equal(inputs_of(0, seed=None), fetched)


@pytest.mark.parametrize("workers", [0, 1])
def test_the_generators_of_the_training_are_left_alone(workers: int) -> None:
    """Dropout draws what it would without randomness in the rows."""
    before = rng_state()
    inputs_of(workers)
    after = rng_state()

    assert torch.equal(after["torch"], before["torch"])
    assert (after["python"], after["numpy"]) == (before["python"], before["numpy"])


def test_an_error_keeps_its_details_on_its_way_from_a_worker() -> None:
    """It is the one that was raised, not torch's text of it."""
    told = walk(raise_error)

    assert isinstance(told, DataError)
    assert (told.message, told.key, told.details) == ("row 17 holds nothing", "data.source", "in data.py, line 3")


def children() -> set[int]:
    """The processes that this one has started; tests before may have left some, as torch's compiler does."""
    return {child.pid for child in psutil.Process().children()}


def test_a_row_that_hangs_is_named_after_the_timeout() -> None:
    """And the worker that hangs is ended."""
    before = children()
    told = walk(lambda: time.sleep(60), timeout=0.5)

    assert isinstance(told, TrainingError)
    assert (told.message, told.key) == ("no batch within 0.5 s, at row 17", "train.timeout")
    assert children() <= before


def test_a_worker_that_dies_is_told_with_its_row() -> None:
    """Wherever the training is when it does."""
    told = walk(lambda: os._exit(3))

    assert isinstance(told, TrainingError)
    assert told.message == "the worker that loaded row 17 ended: it was killed, or something called os._exit"
    assert told.key == "train.workers"


def test_no_worker_outlives_its_source() -> None:
    """Also where training stopped in the middle of an epoch."""
    before = children()
    source = LoadedSource(ROWS, noisy, CPU, seed=0, workers=2)
    steps = source.steps(ORDER.steps(0), 0)
    next(steps)
    alive = children() - before
    source.close()

    assert len(alive) == 2
    assert children() <= before


@pytest.mark.parametrize("until", [3, 7])
def test_a_resume_in_mid_epoch_is_exact(tmp_path: Path, until: int) -> None:
    """Weights equal bit for bit those of a training that was never stopped, with workers and dropout."""

    def train(state: State, workers: int, until: int | None = None) -> State:
        source = LoadedSource(ROWS, noisy, CPU, seed=0, workers=workers)
        fit(state, source, settings=LoopSettings(batch_size=8, epochs=3), loss=CROSS_ENTROPY, until=until)
        source.close()
        return state

    whole = train(new_state(network(dropout=0.2)), workers=0)
    save(train(new_state(network(dropout=0.2)), workers=2, until=until), tmp_path / "checkpoint")
    resumed = new_state(network(dropout=0.2))
    restore(resumed, tmp_path / "checkpoint")
    perturb()
    train(resumed, workers=1)

    assert weights_digest(resumed.model) == weights_digest(whole.model)
