"""CatBoost around its fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pytest_mlspec.engines.boosters import FitRows, Rounds, known_to
from pytest_mlspec.language.boosters import EARLY_STOPPING

_SEEDS, _CATEGORIES = ("random_seed", "random_state"), "cat_features"

RENUMBERS = False


def settings(given: Mapping[str, Any], *, seed: int, categories: Sequence[str]) -> Mapping[str, Any]:
    """The seed and one thread where they were left open; silence, no folder `catboost_info`; and which columns are categories.

    Given validation rows, it would keep the best of all rounds without being asked to stop.
    """
    wanted: dict[str, Any] = {"verbose": False, "allow_writing_files": False}
    if all(given.get(name) is None for name in _SEEDS):
        wanted["random_seed"] = seed
    if given.get("thread_count") is None:
        wanted["thread_count"] = 1
    if given.get("use_best_model") is None:
        wanted["use_best_model"] = given.get(EARLY_STOPPING) is not None
    return {**wanted, **({_CATEGORIES: list(categories)} if categories else {})}


def fit(estimator: Any, train: FitRows, val: FitRows | None) -> None:
    """Fits `estimator`; its detector of overfitting looks at `eval_set` alone."""
    val = known_to(train, val)
    if val is None:
        estimator.set_params(use_best_model=False)
    evaluated = None if val is None else (val.features, val.targets)
    estimator.fit(train.features, train.targets, sample_weight=train.weights, eval_set=evaluated)


def rounds(estimator: Any) -> Rounds | None:
    """The first metric of both, which is that of the objective."""
    found = estimator.get_evals_result()
    metric = next(iter(found["learn"]))
    val = found.get("validation", {}).get(metric)
    stops = estimator.get_params().get(EARLY_STOPPING) is not None
    return Rounds(
        metric,
        np.asarray(found["learn"][metric], dtype=np.float64),
        None if val is None else np.asarray(val, dtype=np.float64),
        planned=int(estimator.get_all_params()["iterations"]),
        best=int(estimator.get_best_iteration()) + 1 if stops and val is not None else None,
    )
