"""`tokenizer`: what a fitted step makes of texts is what the tokenizer of transformers makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pytest_mlspec.errors import DataError, MlspecError, RecipeError
from pytest_mlspec.recipe.packing import by_name
from recipe.steps import fitted_on, rows_of

from .tables import TOKENIZER, tokenizer

TEXTS = ["is my card lost", "the card", "", "the fee of my card is high why", "never seen"]
TABLE = pd.DataFrame({"text": TEXTS, "title": ["card", "fee", "fee", "card", "why"]})
ONE = TABLE[["text"]]


def _of_transformers(made: Any, *texts: list[str], length: int) -> dict[str, np.ndarray[Any, Any]]:
    found = made(*texts, padding="max_length", truncation=True, max_length=length, return_tensors="np")
    return {name: values.astype(np.int64) for name, values in found.items()}


def _saved(folder: Path, **settings: Any) -> Path:
    tokenizer(TEXTS[:4], **settings).save_pretrained(folder / "saved")
    return folder


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"padding_side": "left", "truncation_side": "left"},
        {"model_input_names": ["input_ids", "token_type_ids", "attention_mask"]},
    ],
    ids=["right", "left", "with types"],
)
@pytest.mark.parametrize("length", [5, 12])
def test_ids_masks_and_types_are_those_of_transformers(tmp_path: Path, settings: dict[str, Any], length: int) -> None:
    """Cut and padded on its side, with the inputs that its model takes, from the folder that it was saved to."""
    root, made = _saved(tmp_path, **settings), tokenizer(TEXTS[:4], **settings)
    step = {"use": "tokenizer", "path": "saved", "length": length}

    found = by_name(fitted_on(ONE, step, root=root).inputs(ONE))
    expected = _of_transformers(made, TEXTS, length=length)

    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_two_columns_are_a_pair(tmp_path: Path) -> None:
    """In the order in which they are named."""
    step = {"use": "tokenizer", "path": "saved", "length": 10, "columns": ["title", "text"]}
    found = by_name(fitted_on(TABLE, step, root=_saved(tmp_path)).inputs(TABLE))
    expected = _of_transformers(tokenizer(TEXTS[:4]), TABLE["title"].tolist(), TEXTS, length=10)

    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_without_a_length_it_is_that_of_the_longest_training_text() -> None:
    """And the function is given the training texts."""
    fitted = fitted_on(ONE, {"use": "tokenizer", "path": TOKENIZER})
    examples = fitted.examples(rows_of(ONE))

    assert by_name(examples.inputs)["input_ids"].shape == (5, 10)
    assert fitted.vocabularies["input_ids"] == (15,)
    assert examples.notes == ()


def test_what_is_cut_is_noted() -> None:
    """With the number of tokens."""
    fitted = fitted_on(ONE, {"use": "tokenizer", "path": TOKENIZER, "length": 4})

    assert fitted.examples(rows_of(ONE)).notes == ("2 of 5 texts of 'text' were cut at 4 tokens",)


def test_more_than_two_columns_are_refused() -> None:
    """There are texts and pairs."""
    step = {"use": "tokenizer", "path": TOKENIZER, "columns": ["text", "title", "more"]}

    with pytest.raises(RecipeError, match="a text or a pair, not 3 columns"):
        fitted_on(TABLE.assign(more="x"), step)


def test_a_tokenizer_without_padding_is_refused(tmp_path: Path) -> None:
    """Rows of a batch have one length."""
    step = {"use": "tokenizer", "path": "saved", "length": 4}

    with pytest.raises(RecipeError, match="has no padding token") as caught:
        fitted_on(ONE, step, root=_saved(tmp_path, pad_token=None))

    assert "tokenizer.pad_token = " in caught.value.advice


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("saved/config.json", "{}", "saved holds no tokenizer"),
        ("saved/tokenizer.json", "{", "saved holds no tokenizer"),
        ("other/tokenizer.json", "{}", "saved is no folder"),
    ],
)
def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path, name: str, content: str, message: str) -> None:
    """With its name."""
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_text(content)

    with pytest.raises(DataError, match=message) as caught:
        fitted_on(ONE, {"use": "tokenizer", "path": "saved"}, root=tmp_path)

    assert "save_pretrained" in caught.value.advice


def test_a_model_of_the_hub_that_cannot_be_fetched_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Offline, at once, with a way out."""
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", _offline)

    with pytest.raises(MlspecError, match="the hub cannot be reached") as caught:
        fitted_on(ONE, {"use": "tokenizer", "name": "team/never-fetched", "revision": "0" * 40})

    assert "save" in caught.value.advice


def _offline(*given: Any, **named: Any) -> None:
    raise ConnectionError("no network")
