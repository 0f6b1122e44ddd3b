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

LINES = '{"age": 1, "plan": "a", "left": true}\n{"age": null, "plan": null, "left": false}\n'
ARRAY = '[\n {"age": 1, "plan": "a", "left": true},\n\n {"age": null,\n  "plan": null, "left": false}\n]\n'


@pytest.mark.parametrize(
    ("name", "content", "lines"),
    [
        ("rows.jsonl", LINES.encode(), [1, 2]),
        ("rows.ndjson", LINES.encode(), [1, 2]),
        ("rows.jsonl.gz", gzip.compress(LINES.encode(), mtime=0), [1, 2]),
        ("bom.jsonl", b"\xef\xbb\xbf" + LINES.replace("\n", "\r\n").encode(), [1, 2]),
        ("blank_end.jsonl", LINES.encode() + b"\n\n", [1, 2]),
        ("rows.json", ARRAY.encode(), [2, 4]),
        ("rows.json.gz", gzip.compress(ARRAY.encode(), mtime=0), [2, 4]),
    ],
)
def test_every_form_of_records_is_read(tmp_path: Path, load: Load, name: str, content: bytes, lines: list[int]) -> None:
    """A key is a column, null a missing value, and a row is called by its line."""
    (tmp_path / name).write_bytes(content)
    rows = load(name, target="left")
    assert isinstance(rows.features, pd.DataFrame)

    assert rows.features["age"].dtype == "float64"
    assert rows.features.isna().sum().to_dict() == {"age": 1, "plan": 1}
    assert rows.targets.tolist() == [True, False]
    assert [rows.place(0), rows.place(1)] == [f"{name}:{line}" for line in lines]


def test_records_that_share_a_line_go_by_their_numbers(tmp_path: Path, load: Load) -> None:
    """The line would be the same for all of them."""
    (tmp_path / "rows.json").write_text('[{"age": 1, "left": true}, {"age": 2, "left": false}]', "utf-8")

    assert load("rows.json", target="left").place(1) == "row 1 (from 0) of rows.json"


def test_whole_numbers_stay_whole(tmp_path: Path, load: Load) -> None:
    """As do texts that look like numbers."""
    (tmp_path / "rows.jsonl").write_text('{"n": 9007199254740993, "zip": "007", "y": 1}\n', "utf-8")
    features = load("rows.jsonl", target="y").features
    assert isinstance(features, pd.DataFrame)

    assert features.iloc[0].tolist() == [9007199254740993, "007"]


def test_some_keys_may_be_read_alone(tmp_path: Path, load: Load) -> None:
    """What the others hold does not matter then."""
    (tmp_path / "rows.jsonl").write_text('{"a": 1, "y": 0, "m": {}}\n{"y": 1, "a": 2, "z": []}\n', "utf-8")
    features = load("rows.jsonl", target="y", columns=["y", "a"]).features
    assert isinstance(features, pd.DataFrame)

    assert features["a"].tolist() == [1, 2]


def test_a_key_may_be_declared_optional(tmp_path: Path, load: Load) -> None:
    """A record without it has a missing value."""
    (tmp_path / "rows.jsonl").write_text('{"y": 0}\n{"y": 1, "note": "x"}\n', "utf-8")
    features = load("rows.jsonl", target="y", optional=["note"]).features
    assert isinstance(features, pd.DataFrame)

    assert features["note"].isna().tolist() == [True, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "x.jsonl is empty"),
        ("\n\n", "x.jsonl is empty"),
        ('{"y": 1}\n{"y": 2\n', "x.jsonl:2:8: no JSON: expecting ',' delimiter"),
        ('{"y": 1}\n\n{"y": 2}\n', "x.jsonl:2: an empty line among the records"),
        ('{"y": 1}\n{"y": 1, "y": 2}\n', "x.jsonl:2: the key 'y' stands twice"),
        ('{"y": NaN}\n', "x.jsonl:1: NaN, which is no JSON"),
        ('{"y": -Infinity}\n', "x.jsonl:1: -Infinity, which is no JSON"),
        ('{"y": 1} {"y": 2}\n', "x.jsonl:1: text after the record"),
        ('{"y": 1}\n[1]\n', "x.jsonl:2: a list, and every record is an object"),
        ("1\n", "x.jsonl:1: a number, and every record is an object"),
        ("null\n", "x.jsonl:1: null, and every record is an object"),
        ('{"y": 1}\n{"y": {"a": 1}}\n', "x.jsonl:2: 'y' is an object, and a column holds plain values"),
        ('{"y": [1]}\n', "x.jsonl:1: 'y' is a list, and a column holds plain values"),
        ('{"y": 1}\n{"y": null}\n{"y": "1"}\n', "x.jsonl:3: 'y' is text, and a number in line 1"),
        ('{"y": 1}\n{"y": true}\n', "x.jsonl:2: 'y' is true or false, and a number in line 1"),
        ('{"y": 1, "a": 2}\n{"y": 1}\n', "x.jsonl:2: no key 'a'"),
        ('{"y": 1}\n{"y": 1, "a": 2}\n', "x.jsonl:2: the key 'a', which no record before it has"),
        ('{"y": 9223372036854775808}\n', "x.jsonl:1: 'y' is a whole number of more than 64 bits"),
        ('{"y": ' + "9" * 5000 + "}\n", "x.jsonl:1: a number that is too long"),
        ('{"y": ' + "[" * 100_000 + "\n", "x.jsonl:1: nested too deeply"),
    ],
)
def test_what_is_no_table_of_plain_values_is_an_error_with_its_line(
    tmp_path: Path, refused: Refused, text: str, message: str
) -> None:
    """Pandas would take most of these."""
    (tmp_path / "x.jsonl").write_text(text, "utf-8")

    assert refused("x.jsonl", target="y").message == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (" \n", "x.json is empty"),
        ("[]", "x.json has 0 rows"),
        ('\n{"data": []}', "x.json:2: an array of records is needed"),
        ('[{"y": 1}\n', "x.json:2: ',' or ']' is needed after a record"),
        ('[{"y": 1},\n {"y": 2]\n', "x.json:2:9: no JSON: expecting ',' delimiter"),
        ('[{"y": 1},\n]', "x.json:2:1: no JSON: expecting value"),
        ('[{"y": 1}]\n{"y": 2}', "x.json:2: text after the end of the array"),
        ('[{"y": 1}, {"y": "a}]', "x.json:1:18: no JSON: unterminated string"),
        ('[\n{"y": 1},\n{"y": "a"}]', "x.json:3: 'y' is text, and a number in line 2"),
        ('[{"y": 1}, {"y": "a"}]', "x.json:1: row 1 (from 0): 'y' is text, and a number in row 0"),
        ('[{"y": 1}, {"z": 1}]', "x.json:1: row 1 (from 0): the key 'z', which no record before it has"),
    ],
)
def test_an_array_of_records_is_read_as_strictly(tmp_path: Path, refused: Refused, text: str, message: str) -> None:
    """With the line on which each record begins."""
    (tmp_path / "x.json").write_text(text, "utf-8")

    assert refused("x.json", target="y").message == message


def test_a_column_that_is_asked_for_and_absent_gets_the_near_miss(tmp_path: Path, refused: Refused) -> None:
    """In the first record."""
    (tmp_path / "x.jsonl").write_text('{"age": 1, "y": 1}\n', "utf-8")
    error = refused("x.jsonl", target="y", columns=["y", "aeg"])

    assert (error.message, error.advice) == ("x.jsonl:1: no key 'aeg'", "did you mean 'age'?")
