"""Gradient boosters with a scikit-learn interface: what each needs around its fit, and what it tells of its rounds.

One file a package. Each sets what a spec leaves open (the seed, one thread, no output, no files), hands over the validation
rows, and reads back what was evaluated after each round. Nothing heavy is imported here: who holds an estimator has its package.

Shape letters: N rows, S rounds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from pytest_mlspec.engines.predictions import FloatArray
from pytest_mlspec.language.boosters import BOOSTERS


@dataclass(frozen=True)
class FitRows:
    """What a booster is fitted on, or stopped by: features as it takes them, targets [N], weights [N] where there are some."""

    features: Any
    targets: NDArray[Any]
    weights: FloatArray | None = None


@dataclass(frozen=True)
class Rounds:
    """What was evaluated after each round: `train_S`, and `val_S` where there are validation rows.

    `metric` is the booster's own name of it. `planned` is the number of rounds that was asked for; `best` is the one, counted
    from 1, that an early stop kept.
    """

    metric: str
    train_S: FloatArray
    val_S: FloatArray | None
    planned: int
    best: int | None = None


class Booster(Protocol):
    """What one package needs; `RENUMBERS` is true where it is given the classes that the training rows have as 0, 1, …"""

    RENUMBERS: bool

    def settings(self, given: Mapping[str, Any], *, seed: int, categories: Sequence[str]) -> Mapping[str, Any]:
        """The parameters to set beside those `given`; `categories` names the columns of such."""

    def fit(self, estimator: Any, train: FitRows, val: FitRows | None) -> None:
        """Fits `estimator`; an early stop looks at `val`, and at nothing else."""

    def rounds(self, estimator: Any) -> Rounds | None:
        """What a fitted `estimator` evaluated; None where it was fitted in one round."""


def booster_of(estimator: Any) -> Booster | None:
    """The one behind `estimator`, by its class; None for any other estimator, one of a subclass of the team's own too."""
    package = type(estimator).__module__.partition(".")[0]
    if f"{package}.{type(estimator).__name__}" not in BOOSTERS:
        return None
    return cast(Booster, import_module(f"pytest_mlspec.engines.boosters.{package}"))


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


LOG_LOSS = _words("Logloss MultiClass binary_logloss logloss mlogloss multi_logloss")
MEAN_SQUARED_ERROR = _words("l2")
ROOT_MEAN_SQUARED_ERROR = _words("RMSE rmse")
OTHER_LOSSES = _words(
    "CrossEntropy Expectile Huber LogCosh LogLinQuantile MAE MAPE MSLE MultiClassOneVsAll Poisson Quantile SMAPE Tweedie"
    " binary_error cross_entropy error fair gamma gamma-deviance gamma-nloglik gamma_deviance hinge huber l1 mae mape"
    " merror mphe multi_error poisson poisson-nloglik quantile rmsle tweedie tweedie-nloglik"
)
"""Metrics of the packages, where lower is better; those of the first three are losses as the engine defines them."""


def as_losses(rounds: Rounds) -> tuple[FloatArray, tuple[Mapping[str, float], ...], str]:
    """The training loss after each round [S], the losses of each round by name, and a note of what they are.

    A root mean squared error is squared. What is no loss gives no history; what is a loss of another kind than the engine's own
    is not called `val.loss`, because others compare that with the loss of a constant.
    """
    kind = re.split("[:@]", rounds.metric)[0]  # behind them stand its parameters
    squared = kind in ROOT_MEAN_SQUARED_ERROR
    if kind in LOG_LOSS | MEAN_SQUARED_ERROR or squared:
        exponent = 2 if squared else 1
        loss_S = rounds.train_S**exponent
        logs = [{"train.loss": float(value)} for value in loss_S]
        if rounds.val_S is not None:
            logs = [{**log, "val.loss": float(value)} for log, value in zip(logs, rounds.val_S**exponent, strict=True)]
        return loss_S, tuple(logs), f"the history is {rounds.metric}{' squared' if squared else ''} after each round"
    if kind in OTHER_LOSSES:
        return rounds.train_S, (), f"the history is {rounds.metric} after each round"
    return np.empty(0), (), f"{rounds.metric} after each round is no loss: there is no history"


def known_to(train: FitRows, val: FitRows | None) -> FitRows | None:
    """The validation rows of a classification whose class some training row has; a booster refuses others."""
    if val is None or train.targets.dtype.kind != "i":
        return val
    seen = np.flatnonzero(np.isin(val.targets, train.targets))
    if len(seen) == len(val.targets):
        return val
    features = val.features.iloc[seen] if hasattr(val.features, "iloc") else val.features[seen]
    return FitRows(features, val.targets[seen]) if len(seen) else None
