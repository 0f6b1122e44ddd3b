"""The order of rows is a function of seed and epoch, and every row comes once an epoch."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from pytest_mlspec.training.batches import Batch, CollatedSource, EpochOrder, ResidentSource, forward
from pytest_mlspec.training.seeding import perturb

from .trainings import CPU


def flat(order: EpochOrder, epoch: int) -> list[int]:
    return [row for step in order.steps(epoch) for index in step for row in index.tolist()]


def test_an_epoch_holds_every_row_once() -> None:
    """In an order that is not that of the rows."""
    order = EpochOrder(rows=37, batch_size=8, seed=0)

    assert sorted(flat(order, 0)) == list(range(37))
    assert flat(order, 0) != list(range(37))


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    """Not on what was drawn before, nor on the size of the batches."""
    order = EpochOrder(rows=37, batch_size=8, seed=0)
    before = flat(order, 3)
    perturb()

    assert flat(order, 3) == before
    assert flat(EpochOrder(rows=37, batch_size=5, seed=0, accumulate=2), 3) == before
    assert flat(order, 4) != before
    assert flat(EpochOrder(rows=37, batch_size=8, seed=1), 3) != before


def test_without_shuffle_rows_come_in_their_order() -> None:
    """In every epoch."""
    assert flat(EpochOrder(rows=5, batch_size=2, seed=0, shuffle=False), 1) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("rows", "batch_size", "accumulate", "drop_last", "sizes"),
    [
        (7, 3, 1, False, [[3], [3], [1]]),
        (7, 3, 1, True, [[3], [3]]),
        (7, 2, 2, False, [[2, 2], [2, 1]]),
        (7, 2, 2, True, [[2, 2]]),
        (6, 3, 1, True, [[3], [3]]),
        (2, 3, 1, False, [[2]]),
        (2, 3, 1, True, []),
        (0, 3, 1, False, []),
    ],
)
def test_steps_and_micro_batches(
    rows: int, batch_size: int, accumulate: int, drop_last: bool, sizes: list[list[int]]
) -> None:
    """The last step takes what is left, or is left out."""
    order = EpochOrder(rows, batch_size, 0, accumulate, drop_last=drop_last)

    assert [[len(index) for index in step] for step in order.steps(0)] == sizes
    assert order.steps_per_epoch == len(sizes)


def test_a_resident_source_gives_copies_of_its_rows() -> None:
    """What a training step does to a batch stays in that batch."""
    source = ResidentSource(torch.arange(6.0).reshape(3, 2), torch.tensor([0, 1, 2]), CPU)
    batch = source.fetch(torch.tensor([2, 0]))
    assert isinstance(batch.inputs, Tensor)
    batch.inputs.zero_()

    assert len(source) == 3
    assert len(batch) == 2
    assert batch.targets is not None
    assert batch.targets.tolist() == [2, 0]
    assert source.fetch(torch.tensor([2])).inputs.tolist() == [[4.0, 5.0]]  # type: ignore[union-attr]


def test_inputs_by_name_are_arguments_of_the_model() -> None:
    """Several tensors of equal length."""

    class Sum(nn.Module):
        def forward(self, left: Tensor, right: Tensor) -> Tensor:
            return left + 10 * right

    source = ResidentSource({"left": torch.arange(3), "right": torch.arange(3)}, None, CPU)
    batch = source.fetch(torch.tensor([1, 2]))

    assert len(source) == 3
    assert batch.targets is None
    assert forward(Sum(), batch).tolist() == [11, 22]


def test_a_collated_source_makes_batches_when_asked() -> None:
    """Rows of different lengths are padded by the function that knows how."""
    texts = [[1], [1, 2, 3], [1, 2]]

    def pad(index: Tensor) -> Batch:
        rows = [torch.tensor(texts[row]) for row in index.tolist()]
        return Batch(nn.utils.rnn.pad_sequence(rows, batch_first=True), None, index)

    source = CollatedSource(3, pad, CPU)

    assert len(source) == 3
    assert source.fetch(torch.tensor([0, 2])).inputs.tolist() == [[1, 0], [1, 2]]  # type: ignore[union-attr]
