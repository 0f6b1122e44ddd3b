"""The numbers of a team's own `evaluate`: called, and read by name."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from pytest_mlspec.errors import RecipeError
from pytest_mlspec.recipe.protocol import Examples

_KEY = "recipe.evaluate"
_SPLIT_IN_FRONT = re.compile(r"^(?:val|valid|validation|dev|test|eval|train)[._/ -]+")


def own_metrics(evaluate: Callable[[Any, Examples], Any], judged: Any, examples: Examples) -> dict[str, float]:
    """What `evaluate` gives for `examples`, by the names that the team gives them.

    Raises RecipeError where that is no mapping from names to numbers.
    """
    found = evaluate(judged, examples)
    if not isinstance(found, Mapping) or not found:
        raise RecipeError(
            f"evaluate returned {'nothing' if found is None else f'a {type(found).__name__}'}",
            key=_KEY,
            advice='return the metrics by name, such as {"accuracy": 0.93}',
        )
    metrics: dict[str, float] = {}
    for name, value in found.items():
        try:
            metrics[str(name)] = float(value)
        except (TypeError, ValueError) as error:
            raise RecipeError(f"evaluate gives {name!r} a {type(value).__name__}, not a number", key=_KEY) from error
    return metrics


def plain_name(name: str) -> str:
    """The name of a metric without the split that some put in front of it.

    >>> plain_name("val_Accuracy"), plain_name("test/f1 macro"), plain_name("training_hours")
    ('accuracy', 'f1_macro', 'training_hours')
    """
    return re.sub(r"[ -]+", "_", _SPLIT_IN_FRONT.sub("", name.strip().lower()))


def as_logged(metrics: Mapping[str, float]) -> dict[str, float]:
    """The finite ones of them under the names that the log of epochs has for the validation split."""
    return {f"val.{plain_name(name)}": value for name, value in metrics.items() if math.isfinite(value)}
