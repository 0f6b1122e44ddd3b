"""Outputs in row order, losses by rows, and a model that is left as it was."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from pytest_mlspec.errors import TrainingError
from pytest_mlspec.training.batches import Batch
from pytest_mlspec.training.evaluation import evaluation_mode, mean_loss, model_outputs
from pytest_mlspec.training.losses import build

from .trainings import CROSS_ENTROPY, MSE, classification, network, source_of


def test_outputs_come_in_the_order_of_the_rows() -> None:
    """Whatever the size of the batches, without dropout, and usable in further computations."""
    inputs, targets = classification()
    model = network(dropout=0.5)
    outputs = model_outputs(model, source_of(inputs, targets), batch_size=8)

    torch.testing.assert_close(outputs, model.eval()(inputs).detach())
    assert not outputs.is_inference()
    assert not outputs.requires_grad


def test_every_module_keeps_its_mode() -> None:
    """A part that the user holds in evaluation mode is not switched to training."""
    model = network(dropout=0.5)
    model[2].eval()
    model_outputs(model, source_of(*classification()), batch_size=8)

    assert [module.training for module in model] == [True, True, False, True]


def test_the_mode_comes_back_after_an_exception() -> None:
    """The user's code may raise within."""
    model = network()
    with pytest.raises(KeyError), evaluation_mode(model):
        raise KeyError("planted")

    assert model.training


@pytest.mark.parametrize("weight", [None, [0.2, 1.0, 5.0]])
def test_the_mean_loss_is_that_of_all_rows_at_once(weight: list[float] | None) -> None:
    """Also with a ragged last batch and with class weights."""
    inputs, targets = classification()
    model = network().double()
    loss = build("cross_entropy", {"weight": weight})
    value = mean_loss(model, source_of(inputs.double(), targets), loss, batch_size=8)

    tensor = None if weight is None else torch.tensor(weight, dtype=torch.float64)
    expected = functional.cross_entropy(model(inputs.double()), targets, tensor).item()
    assert value == pytest.approx(expected, rel=1e-12)


def test_no_rows_are_an_error() -> None:
    """Their mean loss would be NaN."""
    with pytest.raises(TrainingError, match="no rows to evaluate"):
        mean_loss(network(), source_of(torch.zeros(0, 6), torch.zeros(0)), CROSS_ENTROPY, batch_size=8)


def test_a_model_that_answers_with_something_else_is_an_error() -> None:
    """A tuple, or fewer outputs than rows."""

    class Pair(nn.Module):
        def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
            return inputs, inputs

    class Mean(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            return inputs.mean(0, keepdim=True)

    source = source_of(*classification())
    with pytest.raises(TrainingError, match="the model returns a tuple"):
        model_outputs(Pair(), source, batch_size=8)
    with pytest.raises(TrainingError, match="the model returns 1 outputs for 8 rows"):
        model_outputs(Mean(), source, batch_size=8)


@pytest.mark.parametrize(("reduction", "shape"), [("none", r"\[8\]"), ("keepdim", r"\[8, 1\]")])
def test_a_loss_for_each_row_is_an_error(reduction: str, shape: str) -> None:
    """Batches of one size would add up in silence, and the ragged last one would fail in torch's words."""

    def loss_per_row(outputs: Tensor, batch: Batch) -> Tensor:
        assert batch.targets is not None
        per_row = functional.cross_entropy(outputs, batch.targets, reduction="none")
        return per_row if reduction == "none" else per_row.unsqueeze(1)

    with pytest.raises(TrainingError, match=f"returned a tensor of shape {shape}, not one number") as caught:
        mean_loss(network(), source_of(*classification()), loss_per_row, batch_size=8)
    assert caught.value.key == "train.loss"


def test_out_of_memory_the_rest_goes_in_smaller_batches() -> None:
    """Every row once, in order; and one row that does not fit is an error."""

    class Small(nn.Module):
        def __init__(self, rows: int) -> None:
            super().__init__()
            self.rows = rows

        def forward(self, inputs: Tensor) -> Tensor:
            if len(inputs) > self.rows:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return inputs * 2

    inputs = torch.arange(37.0).reshape(37, 1)
    source = source_of(inputs, torch.zeros(37, 1))

    torch.testing.assert_close(model_outputs(Small(5), source, 16), inputs * 2)
    assert mean_loss(Small(5), source, MSE, 16) == pytest.approx(mean_loss(Small(99), source, MSE, 16))
    with pytest.raises(torch.OutOfMemoryError):
        model_outputs(Small(0), source, 16)
