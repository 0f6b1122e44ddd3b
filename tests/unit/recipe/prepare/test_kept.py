"""The fitted preparation is kept beside the prepared examples, once it has proved itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_mlspec.language.spec import Use
from pytest_mlspec.recipe.preparation import Loaded, prepare_all
from pytest_mlspec.recipe.prepare import kept
from pytest_mlspec.recipe.prepare.kept import keep_preparation
from pytest_mlspec.recipe.prepare.own import UsersStep
from pytest_mlspec.recipe.prepare.stored import load_fitted
from pytest_mlspec.recipe.protocol import Recipe, Rows
from pytest_mlspec.recipe.steps import MakeStep, built_steps
from pytest_mlspec.recipe.transform import fit

FEATURES = np.arange(40.0).reshape(20, 2)


def _loaded(*steps: MakeStep, **points: Any) -> Loaded:
    built: dict[str, Any] = {
        "task": "binary",
        "load": lambda: Rows(FEATURES, np.arange(20) % 2, np.arange(20)),
        "split": lambda rows: {"train": rows.take(np.arange(15)), "test": rows.take(np.arange(15, 20))},
        "fit_prepare": lambda rows: fit(steps, rows),
        "prepare": lambda rows, fitted: fitted.examples(rows),
    }
    return prepare_all(Recipe(**{**built, **points}))


def test_it_is_kept_in_a_folder_of_the_job(tmp_path: Path) -> None:
    """Read back, it gives the examples of the test split."""
    loaded = _loaded(*built_steps(Use(use="standardize")))
    prepared = keep_preparation(loaded, tmp_path)
    inputs: Any = load_fitted(tmp_path / "preparation").inputs(FEATURES[15:])

    assert prepared is loaded.prepared
    np.testing.assert_array_equal(inputs, prepared.splits["test"].inputs)


class Own:
    def fit(self, features: Any) -> None: ...

    def transform(self, features: Any) -> Any:
        return features


def test_what_cannot_be_stored_is_noted(tmp_path: Path) -> None:
    """And the examples are as they would be."""
    prepared = keep_preparation(_loaded(lambda: UsersStep(Own(), "team:Own")), tmp_path)

    assert list(tmp_path.iterdir()) == []
    assert prepared.notes == (
        "the preparation is not stored with the model, and is fitted anew where it is needed: step team:Own: a Own cannot be"
        " stored without pickling it",
    )


def test_what_would_give_other_values_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job reads back what it wrote before anybody relies on it."""
    other = _loaded(*built_steps(Use(use="min_max"))).fitted
    monkeypatch.setattr(kept, "load_fitted", lambda folder: other)
    prepared = keep_preparation(_loaded(*built_steps(Use(use="standardize"))), tmp_path)

    assert list(tmp_path.iterdir()) == []
    assert "read back, the preparation gives other values" in prepared.notes[0]


def test_what_the_team_fits_is_its_own(tmp_path: Path) -> None:
    """Nothing of it is written."""
    own = _loaded(fit_prepare=len, prepare=lambda rows, fitted: (rows.features, rows.targets))

    assert keep_preparation(own, tmp_path).notes == ()
    assert list(tmp_path.iterdir()) == []
