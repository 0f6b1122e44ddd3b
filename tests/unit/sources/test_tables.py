from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from pytest_mlspec.errors import DataError
from pytest_mlspec.recipe.protocol import Rows

Load = Callable[..., Rows]
Refused = Callable[..., DataError]

TEXT = "age,plan,left\n1,a,yes\n2,,no\n,b,yes\n"


def _written(root: Path, text: str | bytes, name: str = "rows.csv") -> None:
    (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())


def _features(rows: Rows) -> pd.DataFrame:
    assert isinstance(rows.features, pd.DataFrame)
    return rows.features


def test_a_table_is_read_with_its_types(tmp_path: Path, load: Load) -> None:
    """Empty fields are missing values; nothing is dropped."""
    _written(tmp_path, TEXT)
    rows = load("rows.csv", target="left")

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
def test_every_form_of_a_table_is_read(tmp_path: Path, load: Load, name: str, content: bytes) -> None:
    """Tabs, gzip, a byte-order mark, line ends, quotes."""
    _written(tmp_path, content, name)
    rows = load(name, target="left")

    assert len(rows) == 3
    assert list(_features(rows).columns) == ["age", "plan"]


def test_a_separator_and_marks_of_missing_values_may_be_given(tmp_path: Path, load: Load) -> None:
    """Under pandas' own names."""
    _written(tmp_path, "age;left\n?;1\n2;0\n")
    rows = load("rows.csv", target="left", sep=";", na_values=["?"])

    assert _features(rows)["age"].isna().tolist() == [True, False]


def test_missing_values_are_those_of_pandas(tmp_path: Path, load: Load) -> None:
    """The list of ours holds all that pandas has."""
    marks = sorted(pd._libs.parsers.STR_NA_VALUES)  # type: ignore[attr-defined]
    _written(tmp_path, "".join(f"{mark}\t1\n" for mark in marks), "rows.tsv")
    rows = load("rows.tsv", target="y", names=["x", "y"])

    assert len(rows) == len(marks)
    assert _features(rows)["x"].isna().all()


def test_columns_of_text_stay_as_they_are_written(tmp_path: Path, load: Load) -> None:
    """Zeros in front stay, and so does NA, the code of Namibia; an empty field alone is missing."""
    _written(tmp_path, "zip,country,left\n00501,NA,1\n,DE,0\n")
    guessed = _features(load("rows.csv", target="left"))
    rows = _features(load("rows.csv", target="left", text=["zip", "country"]))

    assert guessed["zip"].iloc[0] == 501
    assert rows["zip"].fillna("missing").tolist() == ["00501", "missing"]
    assert rows["country"].tolist() == ["NA", "DE"]


def test_columns_may_be_chosen(tmp_path: Path, load: Load) -> None:
    """In the order in which they are named."""
    _written(tmp_path, "a,b,left\n1,2,1\n")
    rows = load("rows.csv", target="left", columns=["left", "b", "a"])

    assert list(_features(rows).columns) == ["b", "a"]


def test_a_file_without_header_line_gets_names(tmp_path: Path, load: Load) -> None:
    """And quotes may be letters, as in many files with tabs."""
    _written(tmp_path, 'ham\t"Go\nspam\tWin"\n', "rows.tsv")
    rows = load("rows.tsv", target="label", names=["label", "text"], quoting="none")

    assert _features(rows)["text"].tolist() == ['"Go', 'Win"']
    assert [rows.place(0), rows.place(1)] == ["rows.tsv:1", "rows.tsv:2"]


def test_a_row_is_called_by_the_line_that_it_begins_on(tmp_path: Path, load: Load) -> None:
    """Texts of several lines are counted, and a row keeps its line when rows are taken."""
    _written(tmp_path, 'text,left\na,1\n"b\nb",0\n"c\r\nc\nc",1\nd,0\n')
    rows = load("rows.csv", target="left")
    taken = rows.take(rows.index[[3, 1]])

    assert [rows.place(position) for position in range(4)] == [f"rows.csv:{line}" for line in (2, 3, 5, 8)]
    assert [taken.place(0), taken.place(1)] == ["rows.csv:8", "rows.csv:3"]


def test_a_field_may_be_as_long_as_a_document(tmp_path: Path, load: Load) -> None:
    """Python's own limit of 131,072 characters is no limit for texts."""
    _written(tmp_path, f"text,left\n{'x' * 200_000},1\n")

    assert len(_features(load("rows.csv", target="left"))["text"].iloc[0]) == 200_000


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
        ('age,left\n"1\n1",yes\n2\n', "rows.csv:4: 1 fields, and the header has 2"),
        ("age,age,left\n1,2,yes\n", "rows.csv:1: the column 'age' stands twice"),
        (",age,left\n0,1,yes\n", "rows.csv:1: column 1 has no name"),
        ("age;left\n1,5;yes\n", "rows.csv:1: one column alone, 'age;left'"),
        ('age,left\n1,"yes\n', "rows.csv:2: unexpected end of data"),
        ("age,left\n1,\xe9".encode("latin-1"), "rows.csv:2: not UTF-8 at byte 11"),
        (b"age,left\n" + b"1,a\n" * 50_000 + b"1,\xff\n", "rows.csv:50002: not UTF-8 at byte 200011"),
        ("age,left\n1,2\n".encode("utf-16-le"), "rows.csv:1: a character NUL"),
    ],
)
def test_a_file_that_is_no_table_is_an_error_with_its_line(
    tmp_path: Path, refused: Refused, text: str | bytes, message: str
) -> None:
    """Pandas would fill, shift, drop or rename."""
    _written(tmp_path, text)
    error = refused("rows.csv", target="left")

    assert error.message == message
    assert error.key == "data.source"


@pytest.mark.parametrize(("mark", "written"), [(";", ";"), ("\t", "\\t"), ("|", "|")])
def test_another_separator_than_the_declared_one_is_told(
    tmp_path: Path, refused: Refused, mark: str, written: str
) -> None:
    """Else all fields would be one column of text."""
    _written(tmp_path, TEXT.replace(",", mark))

    assert refused("rows.csv", target="left").advice.endswith(f'write {{use: rows.csv, sep: "{written}"}}')


def test_a_cut_archive_is_an_error(tmp_path: Path, refused: Refused) -> None:
    """And so is a file that is none."""
    _written(tmp_path, gzip.compress(TEXT.encode())[:-6], "cut.csv.gz")
    _written(tmp_path, TEXT, "plain.csv.gz")

    assert refused("cut.csv.gz", target="left").message.startswith("cut.csv.gz cannot be read")
    assert refused("plain.csv.gz", target="left").message.startswith("plain.csv.gz cannot be read")


def test_a_missing_column_gets_the_near_miss(tmp_path: Path, refused: Refused) -> None:
    """As the target, among those to read, and among those of text."""
    _written(tmp_path, TEXT)
    target = refused("rows.csv", target="lef")
    chosen = refused("rows.csv", target="left", columns=["aeg"])
    text = refused("rows.csv", target="left", columns=["age", "left"], text=["plan"])

    assert (target.key, target.advice) == ("data.target", "did you mean 'left'?")
    assert (chosen.key, chosen.advice) == ("data.source.columns", "did you mean 'age'?")
    assert (text.key, text.advice) == ("data.source.text", "known: age, left")
    assert "no target is declared" in refused("rows.csv").message
