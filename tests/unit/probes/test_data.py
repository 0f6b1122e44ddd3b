from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from pytest_mlspec.evidence import DataProfile
from pytest_mlspec.jobs import Prepare
from pytest_mlspec.language.spec import Spec, Use
from pytest_mlspec.probes.data import profile_data
from pytest_mlspec.recipe import transform
from pytest_mlspec.recipe.protocol import Recipe, Rows
from pytest_mlspec.recipe.steps import built_steps
from pytest_mlspec.recipe.work import Result, Work

NUMBERS = np.arange(16.0).reshape(8, 2)
CLASSES = np.array([0, 1] * 4)


def _profiled(
    features: Any = NUMBERS,
    targets: Any = CLASSES,
    *,
    task: str = "binary",
    prepare: str = "none",
    estimator: Any = None,
) -> Result:
    steps = built_steps(Use(use=prepare))
    recipe = Recipe(
        task=task,
        load=lambda: Rows(features, np.asarray(targets), np.arange(100, 108), target_name="grade"),
        split=lambda rows: {"train": rows.take(np.arange(5)), "test": rows.take(np.arange(5, 8))},
        fit_prepare=lambda rows: transform.fit(steps, rows, dtype="float64", columns_by_name=True),
        prepare=lambda rows, fitted: fitted.examples(rows),
        build_model=lambda _: estimator,
    )
    engine = "torch" if estimator is None else "sklearn"
    spec = Spec.model_validate({"mlspec": 1, "name": "x", "train": {"engine": engine}})
    with TemporaryDirectory() as folder:
        work = Work(spec, Path(), Path(folder), {}, lambda news: None)
        work.__dict__["recipe"] = recipe  # what the cached property would resolve from a spec
        return profile_data(Prepare(), work)


def _profile(*arguments: Any, **named: Any) -> DataProfile:
    evidence = _profiled(*arguments, **named).evidence
    assert isinstance(evidence, DataProfile)
    return evidence


def _with(value: float, *places: tuple[int, int]) -> Any:
    features = NUMBERS.copy()
    for place in places:
        features[place] = value
    return features


def test_sound_data_have_an_empty_profile() -> None:
    """Rows and classes are counted; nothing else is there."""
    profile = _profile()

    assert profile.splits["train"].classes == {"0": 3, "1": 2}
    assert [split.rows for split in profile.splits.values()] == [5, 3]
    assert profile.splits["test"].nulls == profile.splits["test"].prepared_nonfinite == {}
    assert (profile.shared, profile.shared_examples) == ({"train/test": 0}, {})
    assert (profile.features, profile.target) == (2, "grade")


def test_the_examples_are_stored_with_the_profile() -> None:
    """Under the digest that the profile names."""
    result = _profiled()

    assert result.arrays["inputs/train/0"].shape == (5, 2)
    assert result.arrays["targets/test"].tolist() == [1, 0, 1]


def test_missing_and_infinite_values_are_counted_where_they_are() -> None:
    """By raw column, and by what reaches the model."""
    features = _with(np.nan, (0, 1), (6, 1))
    features[2, 0] = -np.inf
    profile = _profile(features)

    assert profile.splits["train"].nulls == {"1": 1}
    assert profile.splits["train"].infinite == {"0": 1}
    assert profile.splits["train"].prepared_nonfinite == {"0": 1, "1": 1}
    assert profile.splits["test"].prepared_nonfinite == {"1": 1}


def test_what_prepare_imputes_does_not_reach_the_model() -> None:
    """An infinite value does."""
    features = _with(np.nan, (0, 1))
    features[6, 0] = np.inf
    profile = _profile(features, prepare="standard")

    assert profile.splits["train"].prepared_nonfinite == {}
    assert profile.splits["test"].prepared_nonfinite == {"0": 1}


def test_columns_of_a_table_go_by_their_names() -> None:
    """Text and numbers."""
    table = pd.DataFrame({"plan": ["a", None] * 4, "age": _with(np.nan, (3, 0))[:, 0]})
    profile = _profile(table)

    assert profile.splits["train"].nulls == {"plan": 2, "age": 1}
    assert profile.splits["train"].prepared_nonfinite == {"plan": 2, "age": 1}


def test_prepared_columns_keep_their_names() -> None:
    """Where prepare makes an array of a table."""
    table = pd.DataFrame({"plan": ["a", "b"] * 4, "age": _with(np.nan, (3, 0))[:, 0]})

    assert _profile(table, prepare="one_hot").splits["train"].prepared_nonfinite == {"age": 1}


def test_infinite_targets_are_counted() -> None:
    """A regression cannot learn them."""
    profile = _profile(targets=[1.0, np.inf, 2, 3, 4, 5, 6, -np.inf], task="regression")

    assert [split.target_nonfinite for split in profile.splits.values()] == [1, 1]
    assert profile.splits["train"].classes == {}


def test_equal_rows_are_counted_within_and_between_splits() -> None:
    """Distinct rows between splits, repeats within one; a few are named by their numbers."""
    features = NUMBERS.copy()
    features[[1, 2]] = features[0]
    features[5] = features[0]
    features[6] = features[4]
    profile = _profile(features)

    assert profile.splits["train"].duplicates == 2
    assert profile.shared == {"train/test": 2}
    assert profile.shared_examples == {"train/test": (("row 100", "row 105"), ("row 104", "row 106"))}


@pytest.mark.parametrize(
    ("estimator", "accepts"),
    [
        (LogisticRegression(), False),
        (HistGradientBoostingClassifier(), True),
        (make_pipeline(SimpleImputer(), LogisticRegression()), True),
        (make_pipeline(make_column_transformer((SimpleImputer(), [0, 1])), LogisticRegression()), True),
        (
            make_pipeline(
                make_column_transformer((SimpleImputer(), [0]), remainder="passthrough"), LogisticRegression()
            ),
            False,
        ),
        (make_pipeline(LogisticRegression()), False),
        (make_pipeline("passthrough", HistGradientBoostingClassifier()), True),
    ],
)
def test_whether_an_estimator_takes_missing_values(estimator: Any, accepts: bool) -> None:
    """By its tag; in a pipeline by what reaches its last step."""
    assert _profile(_with(np.nan, (0, 1)), estimator=estimator).accepts_nulls is accepts


def test_torch_takes_no_missing_values() -> None:
    """Nor is an estimator asked where nothing is missing."""
    assert _profile(_with(np.nan, (0, 1))).accepts_nulls is False
    assert _profile(estimator=HistGradientBoostingClassifier()).accepts_nulls is False
