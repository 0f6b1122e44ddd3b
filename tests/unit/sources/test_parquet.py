from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from pytest_mlspec.errors import DataError, MissingExtraError
from pytest_mlspec.recipe.protocol import Rows

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

Load = Callable[..., Rows]
Refused = Callable[..., DataError]


def _features(rows: Rows) -> pd.DataFrame:
    assert isinstance(rows.features, pd.DataFrame)
    return rows.features


def test_a_table_is_read_with_its_types(tmp_path: Path, load: Load) -> None:
    """Numbers, truth values, texts, dates; a decimal is a number, a dictionary what it stands for."""
    table = pa.table(
        {
            "n": pa.array([1, None], pa.int64()),
            "price": [Decimal("1.50"), Decimal("2.00")],
            "on": [True, None],
            "zip": ["007", None],
            "plan": pa.array(["a", "b"]).dictionary_encode(),
            "day": [date(2026, 1, 31), date(2026, 2, 1)],
            "y": [0, 1],
        }
    )
    pq.write_table(table, tmp_path / "rows.parquet")
    rows = load("rows.parquet", target="y")
    features = _features(rows)

    assert features["price"].tolist() == [1.5, 2.0]
    assert features["zip"].fillna("missing").tolist() == ["007", "missing"]
    assert features["plan"].tolist() == ["a", "b"]
    assert features["day"].dt.day.tolist() == [31, 1]
    assert features.isna().sum().sum() == 3
    assert rows.targets.tolist() == [0, 1]
    assert rows.place(1) == "row 1 (from 0) of rows.parquet"


def test_an_index_of_pandas_is_a_column_where_it_has_a_name(tmp_path: Path, load: Load) -> None:
    """One without a name numbers the rows, and is no feature."""
    frame = pd.DataFrame({"x": [5, 6], "y": [0, 1]})
    frame.set_index(pd.Index(["a", "b"], name="who")).to_parquet(tmp_path / "named.parquet")
    frame.set_index(pd.Index([7, 3])).to_parquet(tmp_path / "unnamed.parquet")

    assert list(_features(load("named.parquet", target="y")).columns) == ["x", "who"]
    assert list(_features(load("unnamed.parquet", target="y")).columns) == ["x"]


def test_columns_may_be_chosen(tmp_path: Path, load: Load, refused: Refused) -> None:
    """Then the others may hold what no column can."""
    pq.write_table(pa.table({"x": [1], "tags": [["a"]], "y": [0]}), tmp_path / "rows.parquet")
    nested = refused("rows.parquet", target="y")
    misspelt = refused("rows.parquet", target="y", columns=["xx", "y"])

    assert list(_features(load("rows.parquet", target="y", columns=["x", "y"])).columns) == ["x"]
    assert nested.message.startswith("rows.parquet has the column 'tags' of list<")
    assert (misspelt.key, misspelt.message) == ("data.source.columns", "rows.parquet has no column 'xx'")


def test_a_file_of_another_kind_or_a_cut_one_is_refused(tmp_path: Path, refused: Refused) -> None:
    """As is an empty one, and one without rows."""
    pq.write_table(pa.table({"x": [1], "y": [0]}), tmp_path / "rows.parquet")
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "rows.parquet").read_bytes()[:-20])
    (tmp_path / "text.parquet").write_text("x,y\n1,0\n", "utf-8")
    (tmp_path / "empty.parquet").write_bytes(b"")
    pq.write_table(pa.table({"x": [1], "y": [0]}).slice(0, 0), tmp_path / "none.parquet")

    assert refused("cut.parquet", target="y").message.startswith("cut.parquet cannot be read: ")
    assert refused("text.parquet", target="y").message.startswith("text.parquet cannot be read: ")
    assert refused("empty.parquet", target="y").message.startswith("empty.parquet cannot be read: ")
    assert refused("none.parquet", target="y").message == "none.parquet has 0 rows"


def test_without_pyarrow_the_command_that_installs_it_is_told(
    tmp_path: Path, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for every extra."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(MissingExtraError, match="'pyarrow' is not installed") as caught:
        load("rows.parquet", target="y")
    assert caught.value.advice == "python -m pip install 'pytest-mlspec[parquet]'"
