from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from pytest_mlspec.errors import DataError
from pytest_mlspec.language.names import SOURCES
from pytest_mlspec.recipe.protocol import Rows

Load = Callable[..., Rows]
Refused = Callable[..., DataError]


@pytest.mark.parametrize("name", sorted(name for name in SOURCES if name.startswith("sklearn.")))
def test_every_name_is_a_data_set_that_ships_with_scikit_learn(load: Load, name: str) -> None:
    """Its rows are numbered and complete."""
    rows = load(name)

    assert len(rows) >= 150
    assert np.isfinite(np.asarray(rows.features, dtype=float)).all()
    assert rows.index.tolist() == list(range(len(rows)))


def test_tables_have_named_columns(load: Load) -> None:
    """Digits are an array of pixels."""
    wine, digits = load("sklearn.wine", drop=["alcohol"]), load("sklearn.digits")

    assert isinstance(wine.features, pd.DataFrame)
    assert "alcohol" not in wine.features
    assert wine.others is not None
    assert isinstance(digits.features, np.ndarray)


def test_an_unknown_name_gets_the_near_miss(refused: Refused) -> None:
    """Of the names that there are."""
    assert refused("wines").message == "unknown source 'wines'"
    assert "sklearn.wines" in refused("sklearn.wines").message
