"""Tables described as `Describe` does, and held against what a baseline file keeps of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsRegressor

from pytest_mlspec import baselines
from pytest_mlspec.check import Verdict
from pytest_mlspec.checks.baseline import BaselineParams, baseline
from pytest_mlspec.evidence import Description, Recorded
from pytest_mlspec.jobs import Describe
from pytest_mlspec.language.spec import Spec, Use
from pytest_mlspec.probes.describe import describe
from pytest_mlspec.recipe import transform
from pytest_mlspec.recipe.protocol import Recipe, Rows
from pytest_mlspec.recipe.splitting import split_rows
from pytest_mlspec.recipe.steps import built_steps
from pytest_mlspec.recipe.work import Work

Table = tuple[Any, Any]
"""Features and targets."""


def with_categories(seed: int = 0) -> Table:
    """breast_cancer with text columns, of which one depends on the class, and missing values."""
    found = load_breast_cancer(as_frame=True)
    generator, table = np.random.default_rng(seed), found.data.iloc[:, :8].copy()
    table["site"] = generator.choice(["north", "south", "east", "west"], len(table), p=[0.6, 0.25, 0.1, 0.05])
    table["grade"] = np.where(generator.random(len(table)) < 0.8, np.where(found.target == 1, "low", "high"), "middle")
    table.loc[generator.random(len(table)) < 0.1, "mean texture"] = np.nan
    return table, np.where(found.target == 1, "benign", "malignant")


def _of(load: Callable[..., Any]) -> Table:
    found = load(as_frame=True)
    return found.data, found.target.to_numpy()


TABLES: dict[str, Table] = {
    **{load.__name__.removeprefix("load_"): _of(load) for load in (load_iris, load_wine, load_breast_cancer)},
    "digits": (load_digits().data, load_digits().target),
    "diabetes": _of(load_diabetes),
    "categories": with_categories(),
}
"""Real tables that come with scikit-learn."""


def take(table: Table, rows: Any) -> Table:
    """The rows of a table."""
    features, targets = table
    taken = features.iloc[rows] if isinstance(features, pd.DataFrame) else features[rows]
    return (taken.reset_index(drop=True) if isinstance(taken, pd.DataFrame) else taken), targets[rows]


def described(
    table: Table,
    *,
    prepare: str | Callable[[Rows, Any], Any] = "standard",
    seed: int = 0,
    estimator: Any = None,
    golden: int = 256,
    split: Callable[[Rows], Any] | None = None,
) -> Description:
    """The description of a table that is split by `seed`; `prepare` is a step by name or a function of the team's own."""
    features, targets = table
    is_regression = np.asarray(targets).dtype.kind == "f"
    spec = Spec.model_validate(
        {
            "mlspec": 1,
            "name": "x",
            "data": {"source": "sklearn.wine", "split": {"seed": seed}},
            "train": {"engine": "sklearn"},
        }
    )
    assert spec.data is not None
    declared, steps = spec.data.split, built_steps(Use(use=prepare if isinstance(prepare, str) else "none"))
    is_own = callable(prepare)
    recipe = Recipe(
        task="regression" if is_regression else "multiclass" if len(np.unique(targets)) > 2 else "binary",
        load=lambda: Rows(features, np.asarray(targets), np.arange(len(targets)), target_name="target"),
        split=split or (lambda rows: split_rows(rows, declared)),
        fit_prepare=lambda rows: None if is_own else transform.fit(steps, rows, dtype="float64", columns_by_name=True),
        prepare=prepare if callable(prepare) else (lambda rows, fitted: fitted.examples(rows)),
        build_model=lambda _: estimator or (KNeighborsRegressor() if is_regression else GaussianNB()),
        given=frozenset({"prepare"} if is_own else ()) | frozenset({"split"} if split else ()),
    )
    with TemporaryDirectory() as folder:
        work = Work(spec, Path(), Path(folder), {}, lambda news: None)
        work.__dict__["recipe"] = recipe  # what the cached property would resolve from a spec
        found = describe(Describe(golden), work).evidence
    assert isinstance(found, Description)
    return found


def compared(before: Description, now: Description, **params: Any) -> Verdict:
    """The verdict on `now` where a file holds what it keeps of `before`."""
    kept = baselines.read(baselines.text_of({"x": before}), "x.baseline.json")["x"]
    return baseline(BaselineParams(**params), now, Recorded("x.baseline.json", "x.yaml", kept))
