"""Jobs of many seeds and folds as one line."""

from __future__ import annotations

import pytest

from pytest_mlspec.report.families import family_of, merged


@pytest.mark.parametrize(
    ("texts", "lines"),
    [
        ([], []),
        (["a", "b", "a"], ["a", "b"]),
        (["train (seed 4)"], ["train (seed 4)"]),
        (["train (seed 0)", "train (seed 1)"], ["train (seeds 0 to 1)"]),
        (["train (seed 0)", "train (seed 2)"], ["train (seeds 0, 2)"]),
        (["train (seed 9)", "train (seed 10)", "train (seed 8)"], ["train (seeds 8 to 10)"]),
        ([f"train (seed 0, fold {fold})" for fold in (1, 2, 3)], ["train (seed 0, folds 1 to 3)"]),
        (["train (seed 0, steps 200)", "train (seed 1, steps 200)"], ["train (seeds 0 to 1, steps 200)"]),
        (["train (seed 0, steps 200)", "train (seed 1)"], ["train (seed 0, steps 200)", "train (seed 1)"]),
        (
            ["x: train (seed 0): 5 rows", "x: train (seed 1): 6 rows"],
            ["x: train (seed 0): 5 rows", "x: train (seed 1): 6 rows"],
        ),
    ],
)
def test_what_differs_by_a_seed_or_a_fold_alone_is_one_line(texts: list[str], lines: list[str]) -> None:
    """At the place of its first member; whatever else differs stays apart."""
    assert merged(texts) == lines


def test_a_fold_says_more_than_the_seed() -> None:
    """The trainings of a cross-validation share their seed."""
    assert family_of("train (seed 0, fold 3)") != family_of("train (seed 1, fold 3)")
