"""The team's own transformers as steps: they see the features as they are, and what they return is read like raw features."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pytest_mlspec.errors import RecipeError
from pytest_mlspec.recipe.calls import call_user, takes
from pytest_mlspec.recipe.columns import dense
from pytest_mlspec.recipe.prepare.frame import KEY, Frame

if TYPE_CHECKING:
    from pytest_mlspec.recipe.protocol import NumpyArray


class UsersStep:
    """A transformer of the team, whose exceptions are told as its own; `fit` may do without targets."""

    def __init__(self, transformer: Any, name: str) -> None:
        for method in ("fit", "transform"):
            if not callable(getattr(transformer, method, None)):
                raise RecipeError(f"{name} gives a {type(transformer).__name__}, which has no {method}", key=KEY)
        self.transformer = transformer
        self.name = name

    def fit(self, features: Any, targets: NumpyArray) -> None:
        """Fits on the training rows."""
        fit = self.transformer.fit
        arguments = (features, targets) if takes(fit, 2) else (features,)
        call_user(fit, *arguments, key=KEY, name=f"{self.name}.fit")

    def transform(self, features: Any) -> Any:
        """What the transformer makes of `features`: as many rows."""
        import numpy as np

        found = dense(call_user(self.transformer.transform, features, key=KEY, name=f"{self.name}.transform"))
        if np.ndim(found) < 2 or len(found) != len(features):
            raise RecipeError(
                f"{self.name}.transform made {list(np.shape(found))} of {list(np.shape(features))}",
                key=KEY,
                advice="return as many rows, with an axis for their columns",
            )
        return found


def copied(transformer: Any) -> Callable[[], Any]:
    """Makes copies of a transformer that the team made, so that no fit leaves traces in it."""
    return lambda: copy.deepcopy(transformer)


def features_of(frame: Frame) -> Any:
    """The features of a frame as a transformer of the team takes them: an array, or a DataFrame; raises RecipeError for ids."""
    import pandas as pd

    if frame.ids:
        raise RecipeError(
            f"{next(iter(frame.ids))!r} has become ids, and a transformer of your own takes none",
            key=KEY,
            advice="write it before that step",
        )
    if frame.shape is not None:
        return frame.numbers.reshape(len(frame), *frame.shape)
    table = pd.DataFrame(frame.numbers, columns=list(frame.names))
    return table.assign(**frame.texts, **frame.times)
