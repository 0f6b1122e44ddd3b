"""The part of `data` that looks at labels: codes for a missing one, declared classes, and labels that neighbours contradict."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_mlspec.check import Status, Verdict
from pytest_mlspec.checks.data import DataParams, data
from pytest_mlspec.evidence import Contradicted, Shortened, SplitProfile

from .made import profile


def of_labels(*labels: str, **params: Any) -> Verdict:
    """The verdict on splits with 100 and 25 rows of each label."""
    train, test = (SplitProfile(rows=rows * len(labels), classes=dict.fromkeys(labels, rows)) for rows in (100, 25))
    return data(DataParams(**params), profile(train=train, test=test))


@pytest.mark.parametrize(
    "labels",
    [
        ("0", "1", "2", "255"),
        ("1", "2", "3", "-1"),
        ("0", "1", "-100"),
        ("0", "1", "-9999"),
        ("cat", "dog", "nan"),
        ("cat", "dog", "?"),
        ("0", "1", "N/A"),
    ],
)
def test_a_code_for_no_label_is_red(labels: tuple[str, ...]) -> None:
    """Beside counted classes, or as the text of a missing value; it may be declared a class."""
    verdict = of_labels(*labels)

    assert verdict.status is Status.FAILED
    assert verdict.summary == f"classes that look like a missing label: {labels[-1]!r} in 125 rows"
    assert verdict.findings == ("data.label_codes",)
    assert of_labels(*labels, codes=(labels[-1],)).status is Status.PASSED


@pytest.mark.parametrize(
    "labels",
    [
        ("0", "1"),
        ("-1", "1"),
        ("-1", "0", "1"),
        ("-2", "-1", "0", "1", "2"),
        ("none", "mild", "severe"),
        ("unknown", "yes", "no"),
        ("Na", "K"),
        ("10", "99", "255"),
        ("200", "404", "999"),
        tuple(map(str, range(256))),
        tuple(map(str, range(1, 100))),
        ("3", "4", "5", "6", "7", "8", "9"),
    ],
)
def test_unusual_classes_pass(labels: tuple[str, ...]) -> None:
    """Signs, grades, words, codes of their own, and as many classes as reach a code."""
    assert of_labels(*labels).status is Status.PASSED


def test_a_label_outside_the_declared_classes_is_red() -> None:
    """Numbers and texts alike; where they are declared, no code is looked for."""
    verdict = of_labels("0", "1", "7", classes=(0, "1"))

    assert verdict.summary == "labels that are no declared class: '7' in 125 rows"
    assert verdict.findings == ("data.label_codes",)
    assert of_labels("0", "1", "255", classes=(0, 1, 255)).status is Status.PASSED


def contradicted(train: int, held_out: int, **changes: Any) -> Verdict:
    """The verdict where so many of 1437 training rows and 360 held-out ones are contradicted."""
    found = Contradicted(1437, train, 360, held_out, (("row 7", "3"),))
    return data(DataParams(), profile(contradicted=found, **{"one_pool": True, **changes}))


def test_how_many_labels_are_contradicted_is_told() -> None:
    """It is no fault by itself, however many they are."""
    verdict = contradicted(200, 50)

    assert verdict.status is Status.PASSED
    told = "labels that 9 of 10 neighbours contradict: 200 of 1437 training rows ('3' in row 7); 50 of 360 held out"
    assert told in verdict.facts


def test_training_rows_that_are_contradicted_far_more_often_are_red() -> None:
    """One draw gives both, so they have as many up to chance."""
    verdict = contradicted(144, 2)

    assert verdict.status is Status.FAILED
    assert verdict.summary == "labels of train that their neighbours contradict: 10.0%, of held-out rows 0.6%"
    assert verdict.findings == ("data.label_noise",)


@pytest.mark.parametrize(("train", "held_out"), [(30, 0), (60, 4), (144, 15), (2, 40), (0, 0)])
def test_a_few_more_are_no_fault(train: int, held_out: int) -> None:
    """By chance, by little, or on the other side."""
    assert contradicted(train, held_out).status is Status.PASSED


@pytest.mark.parametrize("changes", [{"one_pool": False}, {"split_by": "time"}, {"split_by": "group"}])
def test_splits_that_were_not_drawn_from_one_pool_are_not_compared(changes: Any) -> None:
    """A test set may be labelled with more care."""
    assert contradicted(144, 2, **changes).status is Status.PASSED


def cut(at_longest: int, longer: int) -> Verdict:
    """The verdict on 360 test texts of which so many end at the longest, 8, and 1437 of training with so many longer ones."""
    one = Shortened("text", "words", "test", 8, 360, at_longest, "train", 1437, longer)
    return data(DataParams(), profile(shortened=(one,)))


def test_a_split_that_is_cut_is_red() -> None:
    """Many of its rows have just the length that many of another go beyond."""
    verdict = cut(200, 800)

    assert verdict.status is Status.FAILED
    assert verdict.summary == "text of test ends at 8 words: 56% of its rows do, and 56% of train are longer"
    assert verdict.findings == ("data.cut",)


@pytest.mark.parametrize(("at_longest", "longer"), [(200, 10), (20, 800), (0, 0)])
def test_texts_that_are_shorter_by_themselves_pass(at_longest: int, longer: int) -> None:
    """By chance, or without a length that many of them have."""
    assert cut(at_longest, longer).status is Status.PASSED
