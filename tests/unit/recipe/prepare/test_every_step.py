"""What holds for every step of prepare, whatever it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from pytest_mlspec.recipe.packing import by_name
from pytest_mlspec.recipe.prepare.stored import load_fitted, save_fitted
from pytest_mlspec.recipe.prepare.values import UnstorableError
from pytest_mlspec.recipe.protocol import Inputs
from pytest_mlspec.recipe.transform import Fitted
from recipe.steps import fitted_on

from .tables import ROWS, numbers, of_steps, of_transformers

TARGETS = np.arange(ROWS) % 2
NUMBERS = numbers()
STEPS, TRANSFORMERS = of_steps(), of_transformers()
OBJECTS_OF_C = {
    *("Birch", "BisectingKMeans", "FeatureAgglomeration"),
    *("Isomap", "LocallyLinearEmbedding", "RandomTreesEmbedding"),
}
STORABLE = [step for step in TRANSFORMERS if step["use"] not in OBJECTS_OF_C]
ALONE = 8


def _title(value: Any) -> str:
    return str(value) if isinstance(value, list | dict) else ""


def _bits(inputs: Inputs) -> dict[str, bytes]:
    return {name: values[:ALONE].tobytes() for name, values in by_name(inputs).items()}


def _bits_of_rows_alone(fitted: Fitted, features: Any) -> dict[str, bytes]:
    parts = [by_name(fitted.inputs(features[row : row + 1])) for row in range(ALONE)]
    return {name: b"".join(part[name].tobytes() for part in parts) for name in parts[0]}


@pytest.mark.parametrize(("features", "steps"), STEPS, ids=_title)
def test_a_row_alone_is_prepared_as_among_others(features: Any, steps: list[Any]) -> None:
    """To the bit: no step looks at the rows beside, so a row that is served meets the model as a tested one did."""
    fitted = fitted_on(features, *steps, targets=TARGETS)

    assert _bits_of_rows_alone(fitted, features) == _bits(fitted.inputs(features))


@pytest.mark.parametrize("step", TRANSFORMERS, ids=_title)
def test_a_row_alone_is_transformed_by_scikit_learn_as_among_others(step: dict[str, Any]) -> None:
    """Up to the rounding of a product of matrices."""
    fitted = fitted_on(NUMBERS, step, targets=TARGETS)
    together: Any = fitted.inputs(NUMBERS)
    alone = np.concatenate([np.asarray(fitted.inputs(NUMBERS[row : row + 1])) for row in range(ALONE)])

    assert_allclose(alone, together[:ALONE], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("features", "steps"), [*STEPS, *((NUMBERS, [step]) for step in STORABLE)], ids=_title)
def test_what_was_stored_gives_the_same_to_the_bit(features: Any, steps: list[Any], tmp_path: Path) -> None:
    """On raw rows, with the same names and vocabularies."""
    fitted = fitted_on(features, *steps, targets=TARGETS)
    save_fitted(fitted, tmp_path / "stored")
    read = load_fitted(tmp_path / "stored")

    assert _bits(read.inputs(features)) == _bits(fitted.inputs(features))
    assert (read.columns, read.vocabularies, read.dtype) == (fitted.columns, fitted.vocabularies, fitted.dtype)


@pytest.mark.parametrize("name", sorted(OBJECTS_OF_C))
def test_few_transformers_cannot_be_stored(name: str, tmp_path: Path) -> None:
    """What they learn are objects of C, or functions; nothing is written then."""
    (step,) = (step for step in TRANSFORMERS if step["use"] == name)

    with pytest.raises(UnstorableError, match=f"step {name}: a .* cannot be stored without pickling it"):
        save_fitted(fitted_on(NUMBERS, step, targets=TARGETS), tmp_path / "stored")
    assert not (tmp_path / "stored").exists()


@pytest.mark.parametrize(("features", "steps"), STEPS, ids=_title)
def test_what_is_fitted_follows_from_the_training_rows(features: Any, steps: list[Any]) -> None:
    """Two fits on the same rows give the same; what was applied in between leaves no trace."""
    first = fitted_on(features, *steps, targets=TARGETS)
    first.inputs(features[20:])
    second = fitted_on(features, *steps, targets=TARGETS)

    assert _bits(first.inputs(features)) == _bits(second.inputs(features))
