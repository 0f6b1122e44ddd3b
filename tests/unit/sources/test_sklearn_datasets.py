from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pytest_mlspec import sources
from pytest_mlspec.errors import DataError
from pytest_mlspec.language.names import SOURCES
from pytest_mlspec.language.spec import Use


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_every_name_is_a_data_set_that_ships_with_scikit_learn(name: str) -> None:
    """Its rows are numbered and complete."""
    rows = sources.load(Use(use=name), root=Path(), target=None)

    assert len(rows) >= 150
    assert np.isfinite(np.asarray(rows.features, dtype=float)).all()
    assert rows.index.tolist() == list(range(len(rows)))


def test_tables_have_named_columns() -> None:
    """Digits are an array of pixels."""
    wine = sources.load(Use(use="sklearn.wine"), root=Path(), target=None, drop=["alcohol"])
    digits = sources.load(Use(use="sklearn.digits"), root=Path(), target=None)

    assert isinstance(wine.features, pd.DataFrame)
    assert "alcohol" not in wine.features
    assert wine.others is not None
    assert isinstance(digits.features, np.ndarray)


def test_an_unknown_name_gets_the_near_miss() -> None:
    """Of the names that there are."""
    with pytest.raises(DataError, match="unknown source 'wines'"):
        sources.load(Use(use="wines"), root=Path(), target=None)
    with pytest.raises(DataError, match=r"sklearn\.wines"):
        sources.load(Use(use="sklearn.wines"), root=Path(), target=None)
