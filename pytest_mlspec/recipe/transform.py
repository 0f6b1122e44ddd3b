"""`data.prepare`: features become what enters the model, by steps fitted one after the other on the training rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_mlspec.language.spec import Use
from pytest_mlspec.recipe.prepare.frame import Frame, Place, Reading
from pytest_mlspec.recipe.prepare.inputs import columns_of, inputs_of, vocabularies_of
from pytest_mlspec.recipe.prepare.own import UsersStep, features_of
from pytest_mlspec.recipe.protocol import Examples, Rows
from pytest_mlspec.recipe.steps import MakeNamed, MakeStep, Step

if TYPE_CHECKING:
    from pytest_mlspec.recipe.protocol import Inputs


@dataclass(frozen=True)
class Named:
    """A fitted step that the package has, with what the spec declares of it."""

    use: Use
    step: Step


FittedStep = Reading | Named | UsersStep


@dataclass(frozen=True)
class Fitted:
    """The fitted steps; a `Reading` stands before each run of registered ones.

    Numbers come out as `dtype`, or all columns by name where `by_name` is true. `columns` names the numbers that come out
    (positions, where they have no names); `vocabularies` are those of `Prepared`.
    """

    steps: tuple[FittedStep, ...]
    dtype: str
    by_name: bool
    columns: tuple[str, ...]
    vocabularies: Mapping[str, tuple[int, ...]]

    def examples(self, rows: Rows) -> Examples:
        """The examples of `rows`, with their targets as they stand."""
        frame = self._frame(rows.features, rows.place)
        return Examples(self._inputs(frame), rows.targets, rows.index, frame.notes)

    def inputs(self, features: Any) -> Inputs:
        """What enters the model for raw `features`, a table or an array of any number of rows."""
        return self._inputs(self._frame(features, "row {}".format))

    def _frame(self, features: Any, place: Place) -> Frame:
        for step in self.steps:
            features = _applied(step, features, place)
        frame: Frame = features
        return frame

    def _inputs(self, frame: Frame) -> Inputs:
        if self.by_name:
            reading = self.steps[0]
            assert isinstance(reading, Reading), "columns go by name where no step has changed them"
            return columns_of(frame, list(reading.kinds))
        return inputs_of(frame, self.dtype)


def fit(steps: Sequence[MakeStep], rows: Rows, *, dtype: str = "float32", columns_by_name: bool = False) -> Fitted:
    """`steps` fitted one after the other, each on what the one before makes of the training `rows`.

    With `columns_by_name` a table that no step changes goes by the names of its columns.
    """
    features: Any = rows.features
    fitted: list[FittedStep] = []
    for make in steps:
        if isinstance(make, MakeNamed):
            features = _read(features, rows.place, fitted)
            named = Named(make.use, make())
            named.step.fit(features, rows.targets)
            fitted.append(named)
            # Nobody fits behind the last step, and one row tells what comes out of it.
            features = named.step.transform(features.first() if make is steps[-1] else features)
        else:
            step = make()
            features = features_of(features) if isinstance(features, Frame) else features
            step.fit(features, rows.targets)
            fitted.append(step)
            features = step.transform(features)
    frame = _read(features, rows.place, fitted)
    by_name = columns_by_name and not steps and frame.shape is None
    return Fitted(tuple(fitted), dtype, by_name, frame.names, vocabularies_of(frame))


def _read(features: Any, place: Place, fitted: list[FittedStep]) -> Frame:
    """`features` as a frame; how they are read is one of the `fitted` steps."""
    if isinstance(features, Frame):
        return features
    reading = Reading.of(features)
    fitted.append(reading)
    return reading.frame(features, place)


def _applied(step: FittedStep, features: Any, place: Place) -> Any:
    match step:
        case Reading():
            return step.frame(features, place)
        case Named():
            return step.step.transform(features)
        case UsersStep():
            return step.transform(features_of(features) if isinstance(features, Frame) else features)
