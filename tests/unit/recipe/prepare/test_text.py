"""Texts become ids or numbers; what is cut is told."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pytest_mlspec.errors import DataError, MissingExtraError, MlspecError
from recipe.steps import fitted_on, rows_of

TRAIN = pd.DataFrame({"text": ["the cat sat", "The dog!", "the cat"]})


def _ids(texts: list[Any], **arguments: Any) -> Any:
    fitted = fitted_on(TRAIN, {"use": "tokenize", **arguments})
    return fitted.inputs(pd.DataFrame({"text": texts})).tolist()  # type: ignore[union-attr]


def test_words_get_ids_by_how_often_training_has_them() -> None:
    """0 pads to the longest training text, 1 is an unknown word; case does not count."""
    fitted = fitted_on(TRAIN, "tokenize")

    assert _ids(["The CAT", "a dog", ""]) == [[2, 3, 0], [1, 5, 0], [0, 0, 0]]
    assert fitted.vocabularies == {"": (7,)}
    assert fitted.inputs(TRAIN).dtype == np.int64  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"length": 2}, [2, 3]),
        ({"length": 5}, [2, 3, 6, 0, 0]),
        ({"vocabulary": 4}, [2, 3, 1]),
        ({"min_frequency": 2}, [2, 3, 1]),
        ({"lowercase": False}, [3, 2, 7]),
        ({"ngrams": 2, "buckets": 1}, [2, 3, 6, 7, 7]),
    ],
)
def test_the_arguments_of_tokenize(arguments: dict[str, Any], expected: list[int]) -> None:
    """On the text `the cat sat`."""
    assert _ids(["the cat sat"], **arguments) == [expected]


def test_pairs_follow_right_behind_the_last_word() -> None:
    """Equal pairs have equal ids, those of words in another order have others; none is padding."""
    ids = np.array(_ids(["the cat", "cat the", "dog", "the cat sat"], ngrams=2, buckets=10_000))

    assert ids.shape == (4, 5)
    assert ids[0, 2] == ids[3, 3] != ids[1, 2]
    assert ids[2].tolist() == [5, 0, 0, 0, 0]
    assert (ids[:, 2:].max(), ids[0, 3]) < (7 + 10_000, 1)


def test_byte_pairs_know_every_text() -> None:
    """No text is unknown."""
    ids = _ids(["ẞ 你好 🙂"], kind="bpe", vocabulary=300, length=40)

    assert 1 not in ids[0]


def test_a_text_cannot_write_padding() -> None:
    """The names of the special tokens are text like any other."""
    assert _ids(["<pad> cat", "<unk>"])[0][0] == 1


def test_what_is_cut_or_empty_is_told() -> None:
    """In the notes of the examples."""
    fitted = fitted_on(TRAIN, {"use": "tokenize", "length": 2})
    table = pd.DataFrame({"text": ["the cat sat down", "the cat", "", None]})

    assert fitted.examples(rows_of(table)).notes == (
        "1 of 4 texts of 'text' were cut at 2 words",
        "2 of 4 texts of 'text' have no word",
    )
    assert fitted.examples(rows_of(TRAIN[1:])).notes == ("1 of 2 texts of 'text' were cut at 2 words",)


def test_the_longest_training_text_gives_the_length_up_to_a_limit() -> None:
    """128 words."""
    table = pd.DataFrame({"text": ["word " * 500, "word"]})

    assert fitted_on(table, "tokenize").inputs(table).shape == (2, 128)  # type: ignore[union-attr]


def test_a_tokenizer_from_a_file_keeps_its_ids(tmp_path: Path) -> None:
    """Its own settings of padding and length give way."""
    tokenizer = _tokenizer({"[PAD]": 0, "[UNK]": 1, "cat": 2, "dog": 7})
    tokenizer.enable_padding(length=99)
    (tmp_path / "tokenizer.json").write_text(tokenizer.to_str(), "utf-8")
    fitted = fitted_on(TRAIN, {"use": "tokenize", "file": "tokenizer.json", "length": 3}, root=tmp_path)

    assert fitted.inputs(TRAIN).tolist() == [[1, 2, 1], [1, 7, 1], [1, 2, 0]]  # type: ignore[union-attr]
    assert fitted.vocabularies == {"": (8,)}


def _tokenizer(vocabulary: dict[str, int]) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "tokenizer.json holds no tokenizer"),
        (
            _tokenizer({"cat": 0, "[UNK]": 1}).to_str(),
            "the id 0 of tokenizer.json is the token 'cat', and 0 is padding",
        ),
        (None, "tokenizer.json cannot be read: No such file"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(content: str | None, message: str, tmp_path: Path) -> None:
    """Before anything is trained."""
    (tmp_path / "other.json" if content is None else tmp_path / "tokenizer.json").write_text(content or "", "utf-8")

    with pytest.raises(DataError, match=message) as caught:
        fitted_on(TRAIN, {"use": "tokenize", "file": "tokenizer.json"}, root=tmp_path)
    assert caught.value.key == "data.prepare.file"


def test_training_a_tokenizer_does_not_depend_on_the_process() -> None:
    """Ties are broken by the text."""
    table = pd.DataFrame({"text": [f"w{number % 97} v{number % 89}" for number in range(500)]})
    steps = [fitted_on(table, {"use": "tokenize", "vocabulary": 50}).steps[-1] for _ in range(2)]

    assert steps[0].step.learned == steps[1].step.learned  # type: ignore[union-attr]


@pytest.mark.parametrize("use", ["tokenize", "tfidf", "count"])
@pytest.mark.parametrize(
    ("table", "message", "advice"),
    [
        (pd.DataFrame({"age": [1.0]}), "needs a column of text, and there are 0", "columns: age"),
        (
            pd.DataFrame({"a": ["x"], "b": ["y"]}),
            "needs a column of text, and there are 2",
            "columns: [a]}; texts: a, b",
        ),
    ],
)
def test_the_column_of_text_is_the_one_that_there_is(use: str, table: Any, message: str, advice: str) -> None:
    """Else it must be named."""
    with pytest.raises(DataError, match=message) as caught:
        fitted_on(table, use)
    assert advice in caught.value.advice


def test_a_missing_package_prints_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """`tokenizers` comes with an extra."""
    real = builtins.__import__

    def without_tokenizers(name: str, *arguments: Any, **named: Any) -> Any:
        if name == "tokenizers":
            raise ImportError(name)
        return real(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without_tokenizers)
    with pytest.raises(MissingExtraError, match="the package 'tokenizers' is not installed") as caught:
        fitted_on(TRAIN, "tokenize")
    assert caught.value.advice == "python -m pip install 'pytest-mlspec[text]'"


def test_counts_are_numbers_for_each_word() -> None:
    """`tfidf` weighs them."""
    fitted = fitted_on(TRAIN, "count")
    weighed: Any = fitted_on(TRAIN, "tfidf").inputs(TRAIN)

    assert fitted.columns == ("text=cat", "text=dog", "text=sat", "text=the")
    assert fitted.inputs(TRAIN).tolist() == [[1, 0, 1, 1], [0, 1, 0, 1], [1, 0, 0, 1]]  # type: ignore[union-attr]
    np.testing.assert_allclose((weighed**2).sum(axis=1), 1, rtol=1e-6)


def test_texts_without_a_word_cannot_be_counted() -> None:
    """scikit-learn's own sentence, with the column."""
    with pytest.raises(MlspecError, match="count of the column 'text': empty vocabulary"):
        fitted_on(pd.DataFrame({"text": ["", "a"]}), "count")


def test_more_columns_than_memory_are_refused_before_they_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the argument that bounds them."""
    monkeypatch.setattr("pytest_mlspec.recipe.prepare.counts._LARGEST_BYTES", 50)

    with pytest.raises(DataError, match="count makes 4 columns of 'text'") as caught:
        fitted_on(TRAIN, "count").inputs(TRAIN)
    assert caught.value.advice == "write {use: count, max_features: 5000}"
