"""An estimator before its fit: copied, and what a spec leaves open set at any depth: the seed, one thread, no output."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from pytest_mlspec.engines.boosters import booster_of
from pytest_mlspec.engines.features import Features
from pytest_mlspec.engines.fitted_estimator import final_of
from pytest_mlspec.engines.outside import from_outside
from pytest_mlspec.engines.predictions import Kind
from pytest_mlspec.errors import RecipeError
from pytest_mlspec.recipe.work import Work


def new_estimator(work: Work, *, seed: int) -> tuple[Any, Features]:
    """An unfitted estimator in which every random_state that was left open is `seed`, and how inputs enter it.

    Raises RecipeError where it predicts values, and the targets are classes, or the other way round.
    """
    from sklearn.base import clone

    assert work.recipe.build_model is not None, "a recipe for the engine sklearn has a model"
    estimator = work.recipe.build_model(work.prepared)
    with from_outside("the copy of the estimator", key="model"):
        # CatBoost copies a list that it is given, which clone takes for a constructor that does what it should not.
        is_booster = booster_of(estimator) is not None
        estimator = copy.deepcopy(estimator) if is_booster else clone(estimator, safe=False)
        _demand_kind(estimator, work)
        features = Features.of(estimator, work.prepared.splits["train"].inputs)
        for part in _parts(estimator):
            booster = booster_of(part)
            if booster is not None:
                categories = features.names if part is estimator else ()
                part.set_params(**booster.settings(part.get_params(), seed=seed, categories=categories))
        parameters = _parameters(estimator)
        is_open = {
            name: seed
            for name, value in parameters.items()
            if name.rpartition("__")[2] == "random_state" and value is None
        }
        if is_open:
            estimator.set_params(**is_open)
    return estimator, features


def kind_of(estimator: Any, work: Work) -> Kind:
    """What `estimator` predicts; it need not be fitted."""
    if work.recipe.task == "clustering":
        return "clusters"
    if not work.prepared.classes:
        return "values"
    return "probabilities" if _gives_probabilities(estimator) else "labels"


def _gives_probabilities(estimator: Any) -> bool:
    """True for what has predict_proba; an estimator that is stacked on others shows it after its fit alone."""
    final = final_of(estimator)
    if hasattr(final, "predict_proba"):
        return True
    if hasattr(final, "final_estimator"):
        return final.final_estimator is None or _gives_probabilities(final.final_estimator)
    is_search = hasattr(final, "refit") and hasattr(final, "estimator")
    return is_search and _gives_probabilities(final.estimator)


def _parts(estimator: Any) -> Iterator[Any]:
    """`estimator`, and every estimator inside it."""
    yield estimator
    for value in _parameters(estimator).values():
        if hasattr(value, "get_params") and not isinstance(value, type):
            yield value


def _parameters(estimator: Any) -> Mapping[str, Any]:
    parameters: Mapping[str, Any] = estimator.get_params() if hasattr(estimator, "get_params") else {}
    return parameters


def _demand_kind(estimator: Any, work: Work) -> None:
    from sklearn.base import is_classifier, is_regressor

    name = type(estimator).__name__
    if not hasattr(estimator, "__sklearn_tags__") or not (is_classifier(estimator) or is_regressor(estimator)):
        return  # the team's own may not say which it is
    if work.prepared.classes and is_regressor(estimator):
        raise RecipeError(f"{name} predicts values, and the targets are classes", key="model")
    if work.recipe.task == "regression" and is_classifier(estimator):
        raise RecipeError(f"{name} predicts classes, and the targets are values", key="model")
