"""The order of rows is a function of seed and epoch, and every row comes once an epoch."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pytest_mlspec.training.batches import EpochOrder, ResidentSource, balanced_weights, forward
from pytest_mlspec.training.seeding import perturb

from .trainings import CPU


def flat(order: EpochOrder, epoch: int) -> list[int]:
    return [row for step in order.steps(epoch) for index in step for row in index.tolist()]


def tensor(values: Any) -> Tensor:
    assert isinstance(values, Tensor)
    return values


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


@pytest.mark.parametrize("features", [16, 5])
@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("begin", [0, 1])
def test_the_steps_of_an_epoch_are_its_rows_fetched(features: int, accumulate: int, begin: int) -> None:
    """Also from its middle, and where a batch of 16 rows does not fill whole lines of memory."""
    source = ResidentSource(torch.randn(53, features), torch.arange(53), CPU)
    order = EpochOrder(rows=53, batch_size=16, seed=0, accumulate=accumulate).steps(0)[begin:]
    walked = list(source.steps(order, epoch=0))
    fetched = [[source.fetch(index) for index in step] for step in order]

    assert [[batch.index.tolist() for batch in step] for step in walked] == [
        [i.tolist() for i in step] for step in order
    ]
    for one, other in zip(chain(*walked), chain(*fetched), strict=True):
        assert torch.equal(tensor(one.inputs), tensor(other.inputs))
        assert torch.equal(tensor(one.targets), tensor(other.targets))


def test_batches_begin_where_a_fetched_one_does() -> None:
    """At an address that libraries of linear algebra round alike for, or a resume would not be exact."""
    source = ResidentSource(torch.randn(53, 5), torch.arange(53), CPU)
    order = EpochOrder(rows=53, batch_size=7, seed=0).steps(0)

    assert all(tensor(batch.inputs).data_ptr() % 64 == 0 for step in source.steps(order, epoch=0) for batch in step)


def test_steps_of_inputs_by_name() -> None:
    """Each name keeps its tensor, and targets may be missing."""
    source = ResidentSource({"left": torch.arange(32.0), "right": -torch.arange(32.0)}, None, CPU)
    (first, *_) = source.steps(EpochOrder(rows=32, batch_size=16, seed=0).steps(0), epoch=0)

    assert isinstance(first[0].inputs, dict)
    assert first[0].inputs["left"].tolist() == first[0].index.tolist()
    assert first[0].inputs["right"].tolist() == (-first[0].index).tolist()
    assert first[0].targets is None


def test_balanced_draws_take_each_class_as_often() -> None:
    """On average: 30,000 draws of classes with 1, 9 and 90 of 100 rows; a class without rows has no draw."""
    classes = torch.tensor([0] * 1 + [1] * 9 + [3] * 90)
    order = EpochOrder(rows=100, batch_size=10, seed=0, weights=balanced_weights(classes))
    drawn = torch.tensor([row for epoch in range(300) for row in flat(order, epoch)])
    shares = torch.bincount(classes[drawn]) / len(drawn)

    assert len(drawn) == 30_000
    assert shares.tolist() == pytest.approx([1 / 3, 1 / 3, 0, 1 / 3], abs=0.01)


def test_draws_depend_on_seed_and_epoch_alone() -> None:
    """As the order without weights does, and not on the size of a batch."""
    weights = balanced_weights(torch.tensor([0, 1, 1, 1, 1]))
    order = EpochOrder(rows=5, batch_size=2, seed=0, weights=weights)
    before = flat(order, 1)
    perturb()

    assert flat(order, 1) == before
    assert flat(EpochOrder(rows=5, batch_size=3, seed=0, weights=weights), 1) == before
    assert flat(order, 2) != before
    assert flat(EpochOrder(rows=5, batch_size=2, seed=1, weights=weights), 1) != before
