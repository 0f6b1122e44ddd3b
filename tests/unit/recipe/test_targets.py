from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pytest_mlspec.errors import DataError
from pytest_mlspec.recipe.protocol import Rows
from pytest_mlspec.recipe.targets import as_values, find_labels


def _rows(targets: Any) -> Rows:
    values = targets if isinstance(targets, np.ndarray) else np.array(targets)
    return Rows(np.zeros((len(values), 1)), values, np.arange(len(values)) + 100, target_name="grade")


@pytest.mark.parametrize(
    ("targets", "texts", "codes"),
    [
        ([10, 9, 2], ("2", "9", "10"), [2, 1, 0]),
        ([1.0, 0.0], ("0", "1"), [1, 0]),
        ([0.5, 2.0], ("0.5", "2"), [0, 1]),
        ([True, False], ("False", "True"), [1, 0]),
        (["b", "a"], ("a", "b"), [1, 0]),
        (np.array(["b", 3, "a"], dtype=object), ("3", "a", "b"), [2, 0, 1]),
    ],
)
def test_classes_are_sorted_labels_as_text(targets: Any, texts: tuple[str, ...], codes: list[int]) -> None:
    """Numbers sort as numbers."""
    rows = _rows(targets)
    labels = find_labels({"train": rows}, "multiclass")

    assert labels.texts == texts
    assert labels.encode(rows.targets).tolist() == codes


def test_labels_of_every_split_count() -> None:
    """A class that training has no row of keeps its number."""
    labels = find_labels({"train": _rows(["c", "a"]), "test": _rows(["b"])}, "multiclass")

    assert labels.texts == ("a", "b", "c")
    assert labels.encode(np.array(["c", "b"])).dtype == np.int64


@pytest.mark.parametrize(
    ("targets", "count", "advice"),
    [(["a", "b", "c"], "3 classes", "task: multiclass"), (["a", "a"], "1 class", "is data.target the right column")],
)
def test_binary_has_two_classes(targets: list[str], count: str, advice: str) -> None:
    """Neither more nor fewer; the next step is another one in each case."""
    with pytest.raises(DataError, match=f"'grade' has {count}, and the task binary needs 2") as caught:
        find_labels({"train": _rows(targets)}, "binary")
    assert caught.value.advice.startswith(advice)


@pytest.mark.parametrize(
    ("targets", "told"),
    [
        ([0, 1, 1, 5, 0], "0, 1, 5; the rarest is 5, 1 row, the first is row 103"),
        (["no", "yes", "no", "yes", "yes", "n/a"], "n/a, no, yes; the rarest is n/a, 1 row, the first is row 105"),
        ([0, -1, 1, 1, 0, -1, 1, 0], "-1, 0, 1; the rarest is -1, 2 rows, the first is row 101"),
    ],
    ids=["out of range", "a text for none", "minus one for none"],
)
def test_a_label_too_many_names_its_row(targets: list[Any], told: str) -> None:
    """The rarest is the one that was not meant."""
    with pytest.raises(DataError, match=f"has 3 classes, and the task binary needs 2: {told}$"):
        find_labels({"train": _rows(targets)}, "binary")


@pytest.mark.parametrize(
    ("train", "test", "told", "advice"),
    [
        (
            ["no", "yes", "no", "Yes "],
            ["no"],
            "'Yes ', no, yes; the rarest is 'Yes '",
            "are 'Yes ' and 'yes' the same class? write them alike in the source",
        ),
        (
            ["no", "yes", "no", "yes"],
            [1, 0, 0],
            "0, 1, no, yes; the rarest is 1",
            "write the labels alike in all splits: train has no, yes; test has 0, 1",
        ),
    ],
    ids=["case and blanks", "by split"],
)
def test_labels_that_are_written_in_two_ways_are_told(
    train: list[Any], test: list[Any], told: str, advice: str
) -> None:
    """Another task is not what is needed then."""
    with pytest.raises(DataError) as caught:
        find_labels({"train": _rows(train), "test": _rows(test)}, "binary")

    assert told in caught.value.message
    assert caught.value.advice == advice


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_a_class_that_losses_leave_out_is_an_error(task: str) -> None:
    """The rows would be trained on in silence, or left out in silence."""
    with pytest.raises(
        DataError, match="the class -100, which losses leave out: 2 rows, the first is row 104"
    ) as caught:
        find_labels({"train": _rows([0, 0, 0, 0, -100, -100])}, task)
    assert "leave these rows out" in caught.value.advice


def test_one_class_is_no_classification() -> None:
    """There is nothing to tell apart."""
    with pytest.raises(DataError, match="one class alone: a"):
        find_labels({"train": _rows(["a", "a"])}, "multiclass")


@pytest.mark.parametrize("targets", [np.linspace(0, 1, 30), np.tile(np.linspace(0, 1, 60), 10)])
def test_measured_values_are_no_classes(targets: Any) -> None:
    """A class for every row, or many numbers that are not whole."""
    with pytest.raises(DataError, match=r"has \d+ classes in \d+ rows") as caught:
        find_labels({"train": _rows(targets)}, "multiclass")
    assert "is it a regression?" in caught.value.advice


def test_a_label_as_number_and_as_text_is_an_error() -> None:
    """They would be two classes of one name."""
    with pytest.raises(DataError, match="the label '1' as a number and as text"):
        find_labels({"train": _rows(np.array([1, "1", "2"], dtype=object))}, "multiclass")


@pytest.mark.parametrize("targets", [np.array([1.0, np.nan]), np.array(["a", None], dtype=object)])
def test_a_missing_target_names_its_row(targets: Any) -> None:
    """Nobody can learn from it."""
    with pytest.raises(
        DataError, match="row 101 has no target: the column 'grade' is empty in 1 of 2 rows of split test"
    ):
        find_labels({"test": _rows(targets)}, "multiclass")


def test_values_are_single_precision() -> None:
    """Infinite values are kept, for the profile to count."""
    values = as_values(_rows([1, 2]), "train")

    assert values.dtype == np.float32
    assert as_values(_rows([1e300, 1.0]), "train").tolist() == [np.inf, 1.0]
    with pytest.raises(DataError, match="row 101 has no target"):
        as_values(_rows([1.0, np.nan]), "train")


def test_text_is_no_value() -> None:
    """Not even digits: a file with one mistake would be read as text."""
    with pytest.raises(DataError, match=r"row 100 has '1\.5' in the column 'grade', and a regression needs numbers"):
        as_values(_rows(["1.5", "x"]), "train")
