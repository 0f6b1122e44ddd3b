from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_mlspec.errors import DataError, RecipeError
from pytest_mlspec.language.spec import Spec
from pytest_mlspec.recipe.preparation import load_rows
from pytest_mlspec.recipe.protocol import Rows
from pytest_mlspec.recipe.taken import resolve_recipe

HEAD = "age,left\n"


def _loaded(root: Path, split: Mapping[str, Any], **more: Any) -> Mapping[str, Rows]:
    fields = {"mlspec": 1, "name": "churn", "task": "binary", "model": "mlp", "train": {}}
    spec = Spec.model_validate({**fields, "data": {"target": "left", "split": split, **more}})
    return load_rows(resolve_recipe(spec, root=root))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    rows = "".join(f"{age},{age % 2}\n" for age in range(10))
    (tmp_path / "train.csv").write_text(HEAD + rows, "utf-8")
    (tmp_path / "test.tsv").write_text("age\tleft\n90\t1\n91\t0\n", "utf-8")
    return tmp_path


def test_each_split_is_read_from_its_file(files: Path) -> None:
    """A row is called by the line of its own file."""
    splits = _loaded(files, {"files": {"test": "test.tsv", "train": "train.csv"}})

    assert {name: len(rows) for name, rows in splits.items()} == {"train": 10, "test": 2}
    assert splits["test"].place(1) == "test.tsv:3"


def test_validation_rows_are_a_share_of_the_training_file(files: Path) -> None:
    """Or have a file of their own."""
    drawn = _loaded(files, {"files": {"train": "train.csv", "test": "test.tsv"}, "val": 0.2})
    given = _loaded(files, {"files": {"train": "train.csv", "val": "test.tsv", "test": "test.tsv"}})

    assert {name: len(rows) for name, rows in drawn.items()} == {"train": 8, "val": 2, "test": 2}
    assert {name: len(rows) for name, rows in given.items()} == {"train": 10, "val": 2, "test": 2}


def test_an_error_in_a_file_names_its_key(files: Path) -> None:
    """And the file with its line."""
    (files / "test.tsv").write_text("age\tleft\n90\n", "utf-8")

    with pytest.raises(DataError, match=r"test\.tsv:2: 1 fields, and the header has 2") as caught:
        _loaded(files, {"files": {"train": "train.csv", "test": "test.tsv"}})
    assert caught.value.key == "data.split.files.test"


def test_a_file_of_several_splits_is_none_of_one(files: Path) -> None:
    """Such as a folder with train and test in it."""
    for split in ("train", "test"):
        (files / "mail" / split / "ham").mkdir(parents=True)
        (files / "mail" / split / "ham" / "1.txt").write_text("x", "utf-8")

    with pytest.raises(RecipeError, match="mail/ gives its own splits") as caught:
        _loaded(files, {"files": {"train": "mail/", "test": "test.tsv"}})
    assert caught.value.key == "data.split.files.train"


def test_a_source_that_brings_its_splits_takes_no_share_for_tests(files: Path) -> None:
    """It would be ignored."""
    for split in ("train", "test"):
        (files / "mail" / split / "ham").mkdir(parents=True)
        (files / "mail" / split / "ham" / "1.txt").write_text("x", "utf-8")

    with pytest.raises(RecipeError, match="mail/ gives its own splits") as caught:
        _loaded(files, {"test": 0.3}, source="mail/")
    assert caught.value.key == "data.split.test"
