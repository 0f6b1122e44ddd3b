"""What an extension gives to a recipe: the function behind a source, the fit and predict of an engine."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from pytest_mlspec.errors import RecipeError
from pytest_mlspec.extensions import FITS, SOURCES
from pytest_mlspec.language.spec import Use
from pytest_mlspec.recipe.calls import guarded


def source_function(use: Use, *, key: str) -> Callable[..., Any]:
    """The function of the registered source, its exceptions told as its own."""
    return guarded(SOURCES.find(use.use).function, name=f"the source {use.use}", key=key)


def fit_points(use: Use) -> dict[str, Callable[..., Any]]:
    """`fit(examples, *, seed)` of the registered engine, with the arguments of the spec, and `predict(fitted, inputs)`."""
    key = "train.engine"
    registered = FITS.find(use.use).function
    fit = guarded(partial(registered, **use.arguments), name=f"the engine {use.use}", key=key)

    def predict(fitted: Any, inputs: Any) -> Any:
        if not callable(fitted):
            raise RecipeError(
                f"the engine {use.use} returned a {type(fitted).__name__}, which cannot be called",
                key=key,
                advice="return a function: predict(inputs) -> probabilities [N, C] or values [N]",
            )
        return fitted(inputs)

    return {"fit": fit, "predict": guarded(predict, name=f"the predict of the engine {use.use}", key=key)}
