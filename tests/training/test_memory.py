"""Out of memory, the micro-batch is halved and the step keeps its rows; where that would not be exact, it is an error."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pytest_mlspec.errors import TrainingError
from pytest_mlspec.training.batches import Batch
from pytest_mlspec.training.loop import LoopSettings, fit
from pytest_mlspec.training.memory import divided, is_out_of_memory
from pytest_mlspec.training.state import State

from .trainings import CROSS_ENTROPY, classification, network, new_state, source_of

SETTINGS = LoopSettings(batch_size=16, epochs=3)


class Small(nn.Module):
    """Has memory for `rows` rows at a time in training."""

    def __init__(self, model: nn.Module, rows: int, error: Exception) -> None:
        super().__init__()
        self.model, self.rows, self.error = model, rows, error
        self.largest = 0

    def forward(self, inputs: Tensor) -> Any:
        if len(inputs) > self.rows:
            raise self.error
        self.largest = max(self.largest, len(inputs))
        return self.model(inputs)


def allocator_error() -> RuntimeError:
    """What the CPU allocator raises."""
    with pytest.raises(RuntimeError) as caught:
        torch.empty(10**15)
    return caught.value


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), allocator_error()], ids=["cuda", "cpu"]
)
def test_the_micro_batch_is_halved_and_the_gradient_stays(error: Exception) -> None:
    """Memory for 5 rows: batches of 16 go as 4 at a time, and the training is that of whole batches, ragged end included."""
    inputs, targets = classification()
    source = source_of(inputs.double(), targets)
    whole = new_state(network().double(), ("sgd", {"lr": 0.1}))
    small = new_state(Small(network().double(), 5, error), ("sgd", {"lr": 0.1}))
    expected = fit(whole, source, settings=SETTINGS, loss=CROSS_ENTROPY)
    history = fit(small, source, settings=SETTINGS, loss=CROSS_ENTROPY)

    assert history.rows_S.tolist() == expected.rows_S.tolist()
    assert history.loss_S == pytest.approx(expected.loss_S, abs=1e-12)
    assert history.gradient_norm_S == pytest.approx(expected.gradient_norm_S, abs=1e-12)
    for one, other in zip(whole.model.parameters(), small.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)
    assert small.micro_rows == small.model.largest == 4
    assert small.notes == [
        "out of memory at step 1 with 16 rows at a time: from there on micro-batches of 8, with the same rows in a step",
        "out of memory at step 1 with 8 rows at a time: from there on micro-batches of 4, with the same rows in a step",
    ]


def test_memory_for_no_row_is_an_error() -> None:
    """Halving ends at one row."""
    state = new_state(Small(network(), 0, torch.OutOfMemoryError("CUDA out of memory")))

    with pytest.raises(TrainingError, match="out of memory at step 1 with 1 row at a time") as caught:
        fit(state, source_of(*classification()), settings=SETTINGS, loss=CROSS_ENTROPY)
    assert caught.value.key == "train.batch_size"


def test_batch_statistics_refuse_smaller_batches() -> None:
    """A BatchNorm would see other batches than the spec declares."""
    model = nn.Sequential(nn.BatchNorm1d(6), network())
    state = new_state(Small(model, 5, torch.OutOfMemoryError("CUDA out of memory")))

    with pytest.raises(TrainingError, match=r"would change the batch statistics of model\.0"):
        fit(state, source_of(*classification()), settings=SETTINGS, loss=CROSS_ENTROPY)


def test_a_frozen_batch_norm_has_no_batch_statistics() -> None:
    """In evaluation mode it uses what it has learned."""
    frozen = nn.BatchNorm1d(6)
    frozen.train = lambda mode=True: frozen  # type: ignore[method-assign]
    frozen.training = False
    state = new_state(Small(nn.Sequential(frozen, network()), 8, torch.OutOfMemoryError("CUDA out of memory")))
    fit(state, source_of(*classification()), settings=SETTINGS, loss=CROSS_ENTROPY)

    assert state.micro_rows == 8


def test_a_training_step_of_the_teams_own_refuses_smaller_batches() -> None:
    """It is given whole batches."""

    def training_step(state: State, batch: Batch) -> Tensor:
        return CROSS_ENTROPY(state.model(batch.inputs), batch)

    state = new_state(Small(network(), 5, torch.OutOfMemoryError("CUDA out of memory")))

    with pytest.raises(TrainingError, match="training_step is given whole batches"):
        fit(
            state,
            source_of(*classification()),
            settings=SETTINGS,
            loss=CROSS_ENTROPY,
            training_step=training_step,
        )


def test_any_other_error_of_the_model_passes() -> None:
    """It is not about memory."""
    state = new_state(Small(network(), 5, RuntimeError("shapes cannot be multiplied")))

    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        fit(state, source_of(*classification()), settings=SETTINGS, loss=CROSS_ENTROPY)
    assert not is_out_of_memory(RuntimeError("shapes cannot be multiplied"))


def test_batches_are_divided_with_everything_that_they_hold() -> None:
    """Inputs by name, targets and row numbers."""
    batch = Batch({"x": torch.arange(5), "y": torch.arange(5) * 2}, None, torch.arange(10, 15))
    parts = divided([batch], 2)

    assert [len(part) for part in parts] == [2, 2, 1]
    assert parts[1].index.tolist() == [12, 13]
    assert parts[1].targets is None
    assert {name: values.tolist() for name, values in parts[1].inputs.items()} == {"x": [2, 3], "y": [4, 6]}  # type: ignore[union-attr]
