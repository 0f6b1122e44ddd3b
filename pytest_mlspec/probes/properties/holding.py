"""What must hold of every batch that could come: finite answers of the right form, each row's by itself, and what is declared.

Shape letters: N rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_mlspec.engines import ModulePredictor, Predictor
from pytest_mlspec.errors import MlspecError, TrainingError
from pytest_mlspec.exports import first_line
from pytest_mlspec.probes.properties.drawing import Batch
from pytest_mlspec.probes.properties.invariances import declared
from pytest_mlspec.recipe.packing import by_name
from pytest_mlspec.recipe.preparation import as_examples
from pytest_mlspec.recipe.protocol import Examples, Rows
from pytest_mlspec.recipe.work import Work

# What the rounding of a sum in another order explains, as a share of the largest prediction.
_TOLERANCE = {"float64": 1e-9, "float32": 1e-4}
# What a preparation may raise that refuses rows, in the words of `recipe/calls.py`; every other exception is a crash.
_REFUSALS = ("raised ValueError", "raised AssertionError")
_SUM_TOLERANCE, _OF_INPUTS = 1e-4, 1e-5


@dataclass(frozen=True)
class Broken:
    """A property that `batch` breaks, and how."""

    property: str
    told: str
    batch: Batch


class RefusedError(Exception):
    """The team's own preparation does not take these rows, and says so."""


class Subject:
    """A trained model behind its preparation."""

    def __init__(
        self, work: Work, model: Predictor, fitted: Any, *, probabilities: bool, tolerance: float | None = None
    ) -> None:
        self._work, self._model, self._fitted = work, model, fitted
        self._probabilities, self._tolerance = probabilities, tolerance
        self._invariances, left_out = declared(work.spec.invariant, work.prepared.splits["train"])
        # a tree or a neighbour may decide a tie by the rounding of a sum
        self._has_rows = isinstance(model, ModulePredictor)
        rows = () if self._has_rows else ("independent was not tried: an estimator may decide a tie by rounding",)
        self.left_out = (*rows, *left_out)

    @property
    def properties(self) -> tuple[str, ...]:
        """Everything that is tried, by name."""
        contract = ("contract",) if self._probabilities else ()
        rows = ("independent",) if self._has_rows else ()
        return ("answered", "finite", *contract, *rows, *(invariance.name for invariance in self._invariances))

    def prepared(self, rows: Rows) -> Examples:
        """What enters the model for raw rows."""
        return as_examples(self._work.recipe.prepare(rows, self._fitted), rows, "drawn")

    def prepares_each_row_by_itself(self, rows: Rows, known: Examples) -> bool:
        """Whether these few raw rows become what they were among all rows: else a row is no request by itself."""
        try:
            found, expected = by_name(self.prepared(rows).inputs), by_name(known.inputs)
        except MlspecError as error:
            return not _is_refusal(error)  # a crash is found by the search
        return found.keys() == expected.keys() and all(_same(found[name], expected[name]) for name in found)

    def broken_by(self, batch: Batch, rows: Rows) -> Broken | None:
        """The first property that does not hold for `rows`, those of `batch`; raises RefusedError for rows that may not come."""
        try:
            examples = self.prepared(rows)
        except MlspecError as error:
            if _is_refusal(error):
                raise RefusedError from error
            return Broken("answered", error.message, batch)
        try:
            answers = self._answers(examples)
        except MemoryError:
            raise
        except Exception as error:  # whatever the team's forward raises for rows that it was not made for
            name = "finite" if isinstance(error, TrainingError) else "answered"
            return Broken(name, error.message if isinstance(error, MlspecError) else first_line(error), batch)
        return next((Broken(name, told, batch) for name, told in self._against(examples, answers)), None)

    def _against(self, examples: Examples, answers: NDArray[np.float64]) -> Iterator[tuple[str, str]]:
        count = len(examples)
        if len(answers) != count:
            yield "contract", f"{len(answers)} predictions for {count} rows"
            return
        bad = np.flatnonzero(~np.isfinite(answers.reshape(count, -1)).all(axis=1))
        if len(bad):
            yield "finite", f"the prediction for row {bad[0] + 1} of {count} is not finite"
            return
        if self._probabilities:
            sums = answers.sum(axis=-1)
            wrong = (np.abs(sums - 1) > _SUM_TOLERANCE) | (answers.min(axis=-1) < 0)
            if wrong.any():
                yield (
                    "contract",
                    f"probabilities sum to {float(sums[wrong][0]):.6g}, the least is {float(answers.min()):.3g}",
                )
        tolerance = _TOLERANCE[self._model.dtype] * max(1.0, float(np.abs(answers).max()))
        tolerance = tolerance if self._tolerance is None else self._tolerance
        if self._has_rows and count > 1:
            alone = self._answers(examples.take(np.array([count - 1])))
            yield from _differ("independent", f"row {count} alone", alone, answers[-1:], tolerance)
        # what is changed enters the model in the precision of its inputs, whatever that computes in
        rounded = _OF_INPUTS * max(1.0, float(np.abs(answers).max()))
        for invariance in self._invariances:
            try:
                changed = self._answers(replace(examples, inputs=invariance.applied(examples.inputs)))
            except Exception as error:  # whatever the team's forward raises for what it should not notice
                yield invariance.name, f"{invariance.told} has no prediction: {first_line(error)}"
                continue
            yield from _differ(invariance.name, invariance.told, changed, answers, max(tolerance, rounded))

    def _answers(self, examples: Examples) -> NDArray[np.float64]:
        return np.asarray(self._model(examples.inputs), dtype=np.float64)


def _is_refusal(error: MlspecError) -> bool:
    return any(refusal in error.message for refusal in _REFUSALS)


def _same(found: NDArray[Any], expected: NDArray[Any]) -> bool:
    if found.shape != expected.shape or found.dtype.kind != expected.dtype.kind:
        return False
    if found.dtype.kind == "f":
        return bool(np.allclose(found, expected, rtol=1e-4, atol=1e-6, equal_nan=True))
    return bool((found == expected).all())


def _differ(
    name: str, what: str, changed: NDArray[np.float64], answers: NDArray[np.float64], tolerance: float
) -> Iterator[tuple[str, str]]:
    if changed.shape != answers.shape:
        yield name, f"{what} gets a prediction of the shape {list(changed.shape)}, not {list(answers.shape)}"
        return
    difference = np.abs(changed - answers)
    if not np.isfinite(difference).all() or difference.max() > tolerance:
        yield (
            name,
            f"{what} is predicted otherwise, by {float(difference.max()):.3g} (at most {tolerance:.3g} is allowed)",
        )
