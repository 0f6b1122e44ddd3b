"""`data.prepare`: features become what enters the model, by steps fitted one after the other on the training rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_mlspec.recipe.columns import dense, names_of
from pytest_mlspec.recipe.steps import MakeStep

if TYPE_CHECKING:
    from pytest_mlspec.recipe.protocol import NumpyArray


@dataclass(frozen=True)
class Fitted:
    """The fitted steps, and the names of the columns that come out of them (positions, where they have none)."""

    steps: tuple[Any, ...]
    columns: tuple[str, ...]

    def apply(self, features: Any) -> Any:
        """What the steps make of `features`."""
        for step in self.steps:
            features = dense(step.transform(features))
        return features


def fit(steps: Sequence[MakeStep], features: Any, targets: NumpyArray) -> Fitted:
    """`steps` fitted one after the other, each on what the one before makes of the training `features`."""
    fitted = []
    for make in steps:
        step = make()
        step.fit(features, targets)
        features = dense(step.transform(features))
        fitted.append(step)
    return Fitted(tuple(fitted), tuple(names_of(features)))
