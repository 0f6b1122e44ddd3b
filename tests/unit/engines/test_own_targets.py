"""What no language model can tell, and what its outputs become."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pytest_mlspec.engines.own_targets import NextTokens, entropy_of_next
from pytest_mlspec.errors import TrainingError
from pytest_mlspec.training.batches import Batch


@pytest.mark.parametrize(
    ("ids", "entropy"),
    [
        ([[2, 3, 4], [2, 5, 4]], math.log(2) / 2),
        ([[2, 3, 4], [2, 5, 0]], 2 * math.log(2) / 3),
        ([[2, 3, 4], [3, 5, 4]], 0.0),
        ([[2, 3, 4], [2, 3, 4]], 0.0),
        ([[2, 2], [2, 3], [2, 3], [2, 4]], 1.5 * math.log(2)),
        ([[2, 3, 6], [2, 3, 7], [4, 3, 7]], 2 * math.log(2) / 6),
        ([[2, 3, 0, 6], [2, 5, 0, 7]], 2 * math.log(2) / 4),
    ],
)
def test_what_goes_on_differently_after_the_same_cannot_be_told(ids: list[list[int]], entropy: float) -> None:
    """The entropy of the next token given all before it; equal texts and different beginnings leave none."""
    assert entropy_of_next(np.array(ids), vocabulary=8) == pytest.approx(entropy, abs=1e-15)


@pytest.mark.parametrize("ids", [[[2, 3]], [[2, 3], [2, 5]]])
def test_smoothed_targets_leave_more(ids: list[list[int]]) -> None:
    """No logits reach a lower loss: those of the smoothed shares reach it."""
    array = torch.tensor(ids)
    shares = 0.9 * torch.nn.functional.one_hot(array[:, 1], 6).double().mean(0) + 0.1 / 6
    loss = torch.nn.functional.cross_entropy(shares.log().expand(len(ids), 6), array[:, 1], label_smoothing=0.1)

    assert entropy_of_next(array.numpy(), vocabulary=6, smoothing=0.1) == pytest.approx(float(loss))


def test_logits_become_the_loss_of_each_token_and_the_likeliest_id() -> None:
    """Batch by batch: what is kept has no axis of the vocabulary."""
    declared = NextTokens("cross_entropy", {}, vocabulary=4, length=3)
    ids = torch.tensor([[2, 3, 1]])
    logits = torch.tensor([[[0.0, 0.0, 0.0, 5.0], [0.0, 0.0, 9.0, 0.0], [1.0, 1.0, 1.0, 1.0]]])
    kept = declared.predictions(declared.read(logits, Batch(ids, ids, torch.arange(1))))

    assert kept.shape == (1, 2, 2)
    np.testing.assert_allclose(kept[0, :, 0], [math.log(math.exp(5) + 3) - 5, math.log(math.exp(9) + 3)], rtol=1e-4)
    assert kept[0, :, 1].tolist() == [3.0, 2.0]


def test_logits_that_are_no_numbers_are_an_error() -> None:
    """They have no loss."""
    declared = NextTokens("cross_entropy", {}, vocabulary=4, length=2)
    ids = torch.tensor([[2, 3]])
    logits = torch.full((1, 2, 4), math.nan)

    with pytest.raises(TrainingError, match="the model, on test, gives nan for row 1 of 1"):
        declared.predictions(declared.read(logits, Batch(ids, ids, torch.arange(1))), of="test")
