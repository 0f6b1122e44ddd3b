"""LightGBM around its fit."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pytest_mlspec.engines.boosters import FitRows, Rounds, known_to
from pytest_mlspec.language.boosters import EARLY_STOPPING

_TRAIN, _VAL = "train", "val"

RENUMBERS = False


def settings(given: Mapping[str, Any], *, seed: int, categories: Sequence[str]) -> Mapping[str, Any]:
    """The seed and one thread where they were left open; silence.

    Left alone, it times two ways of building histograms and takes the faster, and they differ in the last bits: its
    documentation asks for one of them beside `deterministic`.
    """
    wanted: dict[str, Any] = {"verbosity": -1}
    wanted |= {name: value for name, value in (("random_state", seed), ("n_jobs", 1)) if given.get(name) is None}
    if given.get("deterministic") is None:
        wanted["deterministic"] = True
    if not (given.get("force_col_wise") or given.get("force_row_wise")):
        wanted["force_col_wise"] = True
    return wanted


def fit(estimator: Any, train: FitRows, val: FitRows | None) -> None:
    """Fits `estimator`; an early stop leaves the training rows out of account."""
    val = known_to(train, val)
    evaluated = [(train.features, train.targets), *([(val.features, val.targets)] if val is not None else [])]
    features, targets = zip(*evaluated, strict=True)
    # Since 4.7 the pairs of `eval_set` are deprecated.
    is_new = "eval_X" in inspect.signature(type(estimator).fit).parameters
    rows: dict[str, Any] = {"eval_X": features, "eval_y": targets} if is_new else {"eval_set": evaluated}
    estimator.fit(
        train.features, train.targets, sample_weight=train.weights, eval_names=[_TRAIN, _VAL][: len(evaluated)], **rows
    )


def rounds(estimator: Any) -> Rounds | None:
    """The first metric, which is that of the objective unless another was asked for."""
    found = estimator.evals_result_
    metric = next(iter(found[_TRAIN]))
    val = found[_VAL][metric] if _VAL in found else None
    given = estimator.get_params()
    return Rounds(
        metric,
        np.asarray(found[_TRAIN][metric], dtype=np.float64),
        None if val is None else np.asarray(val, dtype=np.float64),
        planned=int(given["n_estimators"]),
        best=None if given.get(EARLY_STOPPING) is None else int(estimator.best_iteration_),
    )
