from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pytest_mlspec import sources
from pytest_mlspec.errors import DataError
from pytest_mlspec.language.spec import Use
from pytest_mlspec.recipe.protocol import Rows

TEXT = "age,plan,left\n1,a,yes\n2,,no\n,b,yes\n"


def _load(root: Path, name: str = "rows.csv", *, target: str | None = "left", **arguments: Any) -> Rows:
    return sources.load(Use(use=name, arguments=arguments), root=root, target=target)


def _features(rows: Rows) -> pd.DataFrame:
    assert isinstance(rows.features, pd.DataFrame)
    return rows.features


def _written(root: Path, text: str | bytes, name: str = "rows.csv") -> Path:
    (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return root


def test_a_table_is_read_with_its_types(tmp_path: Path) -> None:
    """Empty fields are missing values; nothing is dropped."""
    rows = _load(_written(tmp_path, TEXT))

    assert list(_features(rows).columns) == ["age", "plan"]
    assert _features(rows).isna().sum().tolist() == [1, 1]
    assert rows.targets.tolist() == ["yes", "no", "yes"]
    assert (len(rows), rows.target_name) == (3, "left")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.tsv", TEXT.replace(",", "\t").encode()),
        ("rows.csv.gz", gzip.compress(TEXT.encode(), mtime=0)),
        ("rows.tsv.gz", gzip.compress(TEXT.replace(",", "\t").encode(), mtime=0)),
        ("bom.csv", b"\xef\xbb\xbf" + TEXT.encode()),
        ("crlf.csv", TEXT.replace("\n", "\r\n").encode()),
        ("end.csv", TEXT.rstrip().encode()),
        ("blank_end.csv", TEXT.encode() + b"\n\n"),
        ("quoted.csv", b'age,plan,left\n1,"a, or\nb",yes\n2,"say ""x""",no\n3,c,no\n'),
    ],
)
def test_every_form_of_a_table_is_read(tmp_path: Path, name: str, content: bytes) -> None:
    """Tabs, gzip, a byte-order mark, line ends, quotes."""
    rows = _load(_written(tmp_path, content, name), name)

    assert len(rows) == 3
    assert list(_features(rows).columns) == ["age", "plan"]


def test_a_separator_and_marks_of_missing_values_may_be_given(tmp_path: Path) -> None:
    """Under pandas' own names."""
    rows = _load(_written(tmp_path, "age;left\n?;1\n2;0\n"), sep=";", na_values=["?"])

    assert _features(rows)["age"].isna().tolist() == [True, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "rows.csv is empty"),
        (" \n\n", "rows.csv is empty"),
        ("age,left\n", "rows.csv has 0 rows"),
        ("age,left\n1,yes\n2\n3,no\n", "rows.csv:3: 1 fields, and the header has 2"),
        ("age,left\n1,yes\n2,no,x\n", "rows.csv:3: 3 fields, and the header has 2"),
        ("age,left\n0,1,yes\n1,2,no\n", "rows.csv:2: 3 fields, and the header has 2"),
        ("age,left\n1,yes\n\n2,no\n", "rows.csv:3: 0 fields, and the header has 2"),
        ("age,age,left\n1,2,yes\n", "rows.csv:1: the column 'age' stands twice"),
        (",age,left\n0,1,yes\n", "rows.csv:1: column 1 has no name"),
        ('age,left\n1,"yes\n', "rows.csv:2: unexpected end of data"),
        ("age,left\n1,\xe9".encode("latin-1"), "rows.csv:2: not UTF-8 at byte 11"),
    ],
)
def test_a_file_that_is_no_table_is_an_error_with_its_line(tmp_path: Path, text: str | bytes, message: str) -> None:
    """Pandas would fill, shift, drop or rename."""
    with pytest.raises(DataError, match=message) as caught:
        _load(_written(tmp_path, text))
    assert caught.value.key == "data.source"


def test_a_cut_archive_is_an_error(tmp_path: Path) -> None:
    """And so is a file that is none."""
    _written(tmp_path, gzip.compress(TEXT.encode())[:-6], "cut.csv.gz")
    _written(tmp_path, TEXT, "plain.csv.gz")

    with pytest.raises(DataError, match=r"cut\.csv\.gz cannot be read"):
        _load(tmp_path, "cut.csv.gz")
    with pytest.raises(DataError, match=r"plain\.csv\.gz cannot be read"):
        _load(tmp_path, "plain.csv.gz")


def test_a_missing_target_gets_the_near_miss(tmp_path: Path) -> None:
    """Or the columns."""
    with pytest.raises(DataError, match="no column 'lef'") as caught:
        _load(_written(tmp_path, TEXT), target="lef")
    assert (caught.value.key, caught.value.advice) == ("data.target", "did you mean 'left'?")
    with pytest.raises(DataError, match="no target is declared"):
        _load(tmp_path, target=None)


@pytest.mark.parametrize("name", ["../rows.csv", "/etc/x.csv", "a/../../rows.csv", "linked.csv", "folder/rows.csv"])
def test_a_file_outside_the_root_is_refused(tmp_path: Path, name: str) -> None:
    """Symbolic links are followed first."""
    root = tmp_path / "root"
    root.mkdir()
    _written(tmp_path, TEXT)
    (root / "linked.csv").symlink_to(tmp_path / "rows.csv")
    (root / "folder").symlink_to(tmp_path)

    with pytest.raises(DataError, match="lies outside the root directory"):
        _load(root, name)


def test_a_file_that_is_absent_or_a_folder_is_an_error(tmp_path: Path) -> None:
    """With the directory that it was looked for in."""
    (tmp_path / "folder.csv").mkdir()

    with pytest.raises(DataError, match=r"there is no file 'absent\.csv' below the root directory"):
        _load(tmp_path, "absent.csv")
    with pytest.raises(DataError, match="is not a file"):
        _load(tmp_path, "folder.csv")


@pytest.mark.parametrize("name", ["x.pkl", "x.npy", "x.npz", "x.pt", "x.joblib", "x.parquet", "data/x", "x.csv.pkl"])
def test_formats_that_may_hold_code_are_refused(tmp_path: Path, name: str) -> None:
    """Unpickling runs what the file says."""
    with pytest.raises(DataError, match="is not of a format that is read") as caught:
        _load(tmp_path, name)
    assert ".csv" in caught.value.advice
