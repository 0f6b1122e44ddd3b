"""`data.prepare`: every step, argument and order that cannot be is told before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_mlspec.language import names
from pytest_mlspec.language.rules.mistake import Mistake
from pytest_mlspec.language.rules.preparation import mistakes
from pytest_mlspec.language.rules.preparation_arguments import PARTS
from pytest_mlspec.language.spec import Spec


def told(*steps: Any, root: Path = Path(), engine: str = "torch", **data: Any) -> list[Mistake]:
    """The mistakes of `prepare: steps`."""
    document = {
        "mlspec": 1,
        "name": "x",
        "data": {"source": "team:load", "prepare": list(steps), **data},
        "train": {"engine": engine},
    }
    spec = Spec.model_validate(document)
    assert spec.data is not None
    return list(mistakes(spec, spec.data, root))


@pytest.mark.parametrize(
    "steps",
    [
        ["none"],
        ["standard", {"use": "PCA", "n_components": 0.95}],
        ["impute", "standardize", "ids"],
        [{"use": "impute", "strategy": "constant", "fill_value": 0, "add_indicator": True, "columns": ["age", 3]}],
        [{"use": "min_max", "feature_range": [-1, 1.0], "clip": True}],
        [{"use": "impute", "columns": ["a"]}, {"use": "impute", "strategy": "mean", "columns": ["b"]}],
        [{"use": "one_hot", "columns": ["plan"], "min_frequency": 0.01}, {"use": "ids", "columns": ["user"]}],
        [{"use": "tokenize", "columns": ["text"], "kind": "bpe", "vocabulary": 258}, "one_hot"],
        [{"use": "tokenize", "length": 32, "ngrams": 2, "buckets": 100}],
        [{"use": "tfidf", "ngram_range": [1, 2], "max_features": 5000, "min_df": 2, "stop_words": "english"}],
        [{"use": "dates", "columns": ["day"], "format": "%d/%m/%Y", "parts": list(PARTS), "cyclic": True}, "standard"],
        [{"use": "images", "mean": [0.5], "std": [0.25], "shape": [8, 8]}],
        ["team.prepare:Own", "images"],
        [{"use": "SelectKBest", "score_func": "f_classif", "k": 3, "columns": ["a"]}],
    ],
)
def test_what_can_be_is_no_mistake(steps: list[Any]) -> None:
    """With scikit-learn's names of arguments."""
    assert told(*steps) == []


@pytest.mark.parametrize("name", sorted({*names.PREPARATIONS, *names.TRANSFORMERS} - {"tokenizer"}))
def test_every_step_can_stand_alone(name: str) -> None:
    """Its defaults are complete, as far as the spec tells; a tokenizer that was made before lies somewhere."""
    assert told(name) == []


@pytest.mark.parametrize(
    ("step", "key", "message", "advice"),
    [
        ("standardise", (), "unknown step of prepare 'standardise'", "did you mean 'standardize'?"),
        ("StandardScalar", (), "unknown step of prepare 'StandardScalar'", "did you mean 'StandardScaler'?"),
        ("NMF", (), "unknown step of prepare 'NMF'", ""),
        ({"use": "impute", "strat": "mean"}, ("strat",), "impute has no argument 'strat'", "did you mean 'strategy'?"),
        ({"use": "standard", "columns": ["a"]}, ("columns",), "standard has no argument 'columns'", "it takes none"),
        (
            {"use": "images", "columns": ["a"]},
            ("columns",),
            "images has no argument 'columns'",
            "known: channels, mean",
        ),
        ({"use": "impute", "strategy": "modus"}, ("strategy",), "'modus' is not known here", "allowed: median, mean"),
        (
            {"use": "impute", "fill_value": 0},
            (),
            "fill_value and the strategy constant go together",
            "{strategy: constant",
        ),
        ({"use": "impute", "strategy": "constant"}, (), "fill_value and the strategy constant go together", ""),
        ({"use": "standardize", "with_mean": 1}, ("with_mean",), "true or false is needed, not 1", ""),
        ({"use": "min_max", "feature_range": [1]}, ("feature_range",), "a list of 2 numbers is needed, not [1]", ""),
        ({"use": "quantile", "n_quantiles": 0}, ("n_quantiles",), "a whole number of at least 1 is needed, not 0", ""),
        ({"use": "one_hot", "min_frequency": 1.0}, ("min_frequency",), "a number of rows or a share of them is", ""),
        (
            {"use": "ids", "min_frequency": 0.1},
            ("min_frequency",),
            "a whole number of at least 1 is needed, not 0.1",
            "",
        ),
        ({"use": "ids", "columns": "plan"}, ("columns",), "a list of different column names is needed, not 'plan'", ""),
        ({"use": "ids", "columns": []}, ("columns",), "a list of different column names is needed, not []", ""),
        ({"use": "ids", "columns": ["a", "a"]}, ("columns",), "a list of different column names is needed", ""),
        ({"use": "PCA", "columns": [True]}, ("columns",), "a list of different column names is needed", ""),
        ({"use": "dates", "parts": ["months"]}, ("parts",), "'months' is not known here", "did you mean 'month'?"),
        ({"use": "dates", "parts": "month"}, ("parts",), "a list of parts is needed, not 'month'", "parts: year"),
        ({"use": "dates", "format": 3}, ("format",), "a text is needed, not 3", ""),
        ({"use": "tokenize", "kind": "words"}, ("kind",), "'words' is not known here", "did you mean 'word'?"),
        ({"use": "tokenize", "length": 0}, ("length",), "a whole number of at least 1 is needed, not 0", ""),
        ({"use": "tokenize", "length": True}, ("length",), "a whole number of at least 1 is needed, not true", ""),
        ({"use": "tokenize", "ngrams": 3}, ("ngrams",), "3 is not known here", "allowed: 1, 2"),
        ({"use": "tokenize", "buckets": 9}, ("buckets",), "buckets are for pairs of words", "write ngrams: 2"),
        (
            {"use": "tokenize", "kind": "bpe", "vocabulary": 257},
            ("vocabulary",),
            "byte pairs need at least 258 ids",
            "",
        ),
        ({"use": "tokenize", "file": "no.json"}, ("file",), "there is no file 'no.json' below the root directory", ""),
        (
            {"use": "tokenize", "file": "../t.json"},
            ("file",),
            "'../t.json' lies outside the root directory",
            "below it",
        ),
        ({"use": "tokenize", "file": "x" * 300}, ("file",), "cannot be looked for", ""),
        ({"use": "tfidf", "ngram_range": [1]}, ("ngram_range",), "a list of 2 whole numbers is needed, not [1]", ""),
        ({"use": "tfidf", "norm": "l3"}, ("norm",), "'l3' is not known here", "allowed: l1, l2"),
        ({"use": "images", "std": [0.0]}, ("std",), "a list of numbers above 0 is needed, not [0.0]", ""),
        ({"use": "images", "mean": 0.5}, ("mean",), "a list of numbers is needed, not 0.5", ""),
        ({"use": "images", "shape": [64]}, ("shape",), "a list of 2 or 3 sizes is needed, not [64]", ""),
        ({"use": "images", "channels": 3}, ("channels",), "3 is not known here", "allowed: first, last"),
        ("os:system()", (), "'os:system()' is no import path", "write package.module:name"),
    ],
)
def test_a_step_by_itself(step: Any, key: tuple[str, ...], message: str, advice: str, tmp_path: Path) -> None:
    """The mistake stands at the argument, and says what is allowed."""
    (mistake,) = told(step, root=tmp_path)

    assert mistake.key == ("data", "prepare", 0, *key)
    assert message in mistake.message
    assert advice in mistake.advice


def test_a_tokenizers_file_decides_what_it_was_trained_with(tmp_path: Path) -> None:
    """An argument that would be ignored is a mistake."""
    (tmp_path / "tokenizer.json").write_text("{}", "utf-8")
    step = {"use": "tokenize", "file": "tokenizer.json", "length": 9}

    assert told(step, root=tmp_path) == []
    (mistake,) = told({**step, "lowercase": True}, root=tmp_path)
    assert mistake.message == "the tokenizer of the file decides its lowercase"


@pytest.mark.parametrize(
    ("steps", "key", "message", "advice"),
    [
        (["none", "impute"], (), "`none` among other steps", "write `prepare: none`"),
        (["images", "standardize"], (), "`images` among other steps", "write `prepare: images`"),
        (["impute", "impute"], (1,), "impute is listed twice with the same arguments", "keep one of them"),
        (["standard", "one_hot"], (1,), "standard has already taken every column of text", "name the columns of each"),
        (["one_hot", "ids"], (1,), "one_hot has already taken every column of text", "name the columns of each"),
        (["ordinal", "tokenize"], (1,), "ordinal has already taken every column of text", "name the columns of each"),
        (
            [{"use": "ids", "columns": ["plan", "user"]}, {"use": "standardize", "columns": ["plan"]}],
            (1, "columns"),
            "ids has already taken 'plan'",
            "remove one of them",
        ),
        (
            [{"use": "dates", "columns": ["day"]}, {"use": "one_hot", "columns": ["day"]}],
            (1, "columns"),
            "dates has already taken 'day'",
            "remove one of them",
        ),
        (
            ["ids", "team:Own"],
            (1,),
            "after ids there are ids, and a transformer of your own takes none",
            "write it before",
        ),
    ],
)
def test_an_order_in_which_a_step_would_find_nothing(
    steps: list[Any], key: tuple[Any, ...], message: str, advice: str
) -> None:
    """It would do nothing, or fail after the data were read."""
    (mistake,) = told(*steps)

    assert mistake.key == ("data", "prepare", *key)
    assert message in mistake.message
    assert advice in mistake.advice


@pytest.mark.parametrize(
    ("step", "advice"),
    [("ids", "write ordinal"), ("tokenize", "write tfidf or count"), ("images", "write standardize, or leave it out")],
)
def test_an_estimator_takes_a_table(step: str, advice: str) -> None:
    """No ids for embeddings, and no images."""
    (mistake,) = told(step, engine="sklearn")

    assert mistake.message == f"an estimator of scikit-learn takes a table, and {step} gives none"
    assert mistake.advice == advice


@pytest.mark.parametrize(
    ("data", "message"),
    [({"target": "age"}, "'age' is the target, and never among the features"), ({"drop": ["age"]}, "'age' is dropped")],
)
def test_columns_that_are_no_features(data: dict[str, Any], message: str) -> None:
    """A step could never find them."""
    (mistake,) = told({"use": "log1p", "columns": ["age"]}, **data)

    assert mistake.key == ("data", "prepare", 0, "columns")
    assert mistake.message == message
