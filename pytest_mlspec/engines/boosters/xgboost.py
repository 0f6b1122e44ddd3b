"""XGBoost around its fit. It takes the classes 0 … C - 1 alone, so they are numbered anew where the training rows lack one.

Shape letters: N rows, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pytest_mlspec.engines.boosters import FitRows, Rounds, known_to

RENUMBERS = True


def settings(given: Mapping[str, Any], *, seed: int, categories: Sequence[str]) -> Mapping[str, Any]:
    """The seed and one thread where they were left open; silence; and leave to take columns of categories."""
    wanted: dict[str, Any] = {"verbosity": 0}
    wanted |= {name: value for name, value in (("random_state", seed), ("n_jobs", 1)) if given.get(name) is None}
    return {**wanted, **({"enable_categorical": True} if categories else {})}


def fit(estimator: Any, train: FitRows, val: FitRows | None) -> None:
    """Fits `estimator`; the last rows of `eval_set` are those that an early stop looks at."""
    val = known_to(train, val)
    is_forest = type(estimator).__name__.startswith("XGBRF")
    is_classifier = train.targets.dtype.kind == "i"
    present_C = np.unique(train.targets)

    def targets(rows: FitRows) -> Any:
        return np.searchsorted(present_C, rows.targets) if is_classifier else rows.targets

    of_train = targets(train)
    # The same objects again: it recognises its training rows, and does not build them twice.
    evaluated = [] if is_forest else [(train.features, of_train)]
    if val is not None and not is_forest:
        evaluated.append((val.features, targets(val)))
    estimator.fit(train.features, of_train, sample_weight=train.weights, eval_set=evaluated or None, verbose=False)


def rounds(estimator: Any) -> Rounds | None:
    """The last metric of the training rows, and of the validation rows: that by which it stops."""
    if type(estimator).__name__.startswith("XGBRF"):
        return None
    found = list(estimator.evals_result().values())
    metric = list(found[0])[-1]
    train, val = found[0][metric], found[1][metric] if len(found) > 1 else None
    return Rounds(
        metric,
        np.asarray(train, dtype=np.float64),
        None if val is None else np.asarray(val, dtype=np.float64),
        planned=estimator.get_num_boosting_rounds(),
        best=None if estimator.early_stopping_rounds is None else int(estimator.best_iteration) + 1,
    )
