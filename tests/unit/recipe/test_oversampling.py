"""Training rows repeated until all classes have as many."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_mlspec.recipe.oversampling import oversampled
from pytest_mlspec.recipe.protocol import Examples


def examples(*targets: int) -> Examples:
    rows = np.arange(len(targets))
    return Examples({"row": rows}, np.array(targets), rows)


def test_every_class_comes_to_have_as_many_rows() -> None:
    """The original rows stand first, in their order; a class without rows gets none."""
    found = oversampled(examples(0, 1, 1, 1, 3, 1), seed=0)

    assert found.index[:6].tolist() == [0, 1, 2, 3, 4, 5]
    assert np.bincount(found.targets).tolist() == [4, 4, 0, 4]
    assert found.inputs["row"].tolist() == found.index.tolist()


def test_repeats_are_drawn_from_all_rows_of_their_class() -> None:
    """With replacement, as often each on average."""
    found = oversampled(examples(*[0] * 4, *[1] * 4004), seed=0)
    repeats = np.bincount(found.index[4008:])

    assert len(repeats) == 4
    assert repeats.tolist() == pytest.approx([1000] * 4, abs=120)


def test_the_draw_follows_the_seed() -> None:
    """That of the split: the same rows in every training."""
    rows = examples(*[0] * 4, *[1] * 40)
    one, same, other = (oversampled(rows, seed=seed).index.tolist() for seed in (0, 0, 1))

    assert one == same != other
