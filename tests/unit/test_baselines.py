"""The baseline file: what is written comes back, what is not what was written is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from checks.recorded import COLUMNS, DESCRIPTION

from pytest_mlspec import baselines
from pytest_mlspec.errors import DataError
from pytest_mlspec.evidence import Description

TEXT = baselines.text_of({"churn": DESCRIPTION, "churn[lr=0.1]": replace(DESCRIPTION, asked=12)})
VALUES = replace(
    DESCRIPTION,
    classes=(),
    golden={key: replace(row, labels=("ab12",)) for key, row in DESCRIPTION.golden.items()},
)


def kept(entry: Description) -> Description:
    return baselines.read(baselines.text_of({"x": entry}), "x.json")["x"]


def test_the_file_stands_beside_the_spec() -> None:
    """Whatever the spec is called."""
    assert baselines.file_of("specs/a.mlspec.yaml") == "specs/a.mlspec.baseline.json"
    assert baselines.file_of("b.yml") == "b.baseline.json"


@pytest.mark.parametrize("entry", [DESCRIPTION, VALUES], ids=["classes", "values"])
def test_what_is_written_comes_back(entry: Description) -> None:
    """All but the grids, which only what is there now needs; and equal descriptions give equal files."""
    back = kept(entry)

    assert baselines.same(back, entry)
    assert baselines.text_of({"x": back}) == baselines.text_of({"x": entry})
    assert back.golden.keys() == entry.golden.keys()
    assert [(row.labels, row.splits, row.place) for row in back.golden.values()] == [
        (row.labels, row.splits, row.place) for row in entry.golden.values()
    ]
    assert (back.columns["age"].values.grid, back.model) == ((), entry.model)


def test_each_part_has_lines_of_its_own() -> None:
    """So that a change of one column is a change of one line and the digest."""
    age = replace(COLUMNS["age"], missing=0.2)
    other = baselines.text_of({"churn": replace(DESCRIPTION, columns={**COLUMNS, "age": age})})
    before = baselines.text_of({"churn": DESCRIPTION})
    changed = [new for old, new in zip(before.splitlines(), other.splitlines(), strict=True) if old != new]

    assert len(changed) == 2
    assert changed[0].strip().startswith('"age": {')
    assert changed[1].strip().startswith('"digest":')


def test_changes_are_named_by_their_parts() -> None:
    """For the line of a run that renews."""
    age = replace(COLUMNS["age"], missing=0.2)
    now = replace(DESCRIPTION, columns={**COLUMNS, "age": age}, order="dddd")

    assert baselines.changes(kept(DESCRIPTION), now) == ["order", "columns: age"]


def _without_entry(text: str) -> str:
    found = json.loads(text)
    found["specs"]["churn"] = {"rows": 3}
    return json.dumps(found)


def _renamed(text: str) -> str:
    return text.replace('"churn":', '"other":')


BROKEN: dict[str, tuple[Any, str]] = {
    "truncated": (lambda text: text[: len(text) // 2], r"unreadable: .* in line \d+"),
    "empty": (lambda text: "", "unreadable: Expecting value in line 1"),
    "NaN": (lambda text: text.replace('"missing": 0.1', '"missing": NaN'), "NaN stands where a number belongs"),
    "Infinity": (lambda text: text.replace('"count": 900', '"count": Infinity'), "Infinity stands where a number"),
    "conflict": (lambda text: text.replace('  "specs"', '<<<<<<< HEAD\n  "specs"'), "unreadable: .* in line 4"),
    "no baseline": (lambda text: '{"name": "package"}', "it names no format"),
    "list": (lambda text: "[1]", "it names no format"),
    "entry": (_without_entry, "not what --mlspec-update writes"),
    "other spec's key": (_renamed, "the entry of other was changed by hand, merged, or is that of another spec"),
    "edited": (lambda text: text.replace('"rows": 800', '"rows": 900', 1), "the entry of churn was changed by hand"),
    "twice": (lambda text: text.replace('"classes":', '"order": "", "classes":', 1), "'order' stands there twice"),
    "format": (lambda text: text.replace('"mlspec_baseline": 1', '"mlspec_baseline": 2'), "has the format 2"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_what_is_not_what_was_written_is_refused(how: str) -> None:
    """The message names the file and what is wrong, the next step the command."""
    breaks, message = BROKEN[how]

    with pytest.raises(DataError, match=message) as raised:
        baselines.read(breaks(TEXT), "specs/churn.baseline.json")
    assert "specs/churn.baseline.json" in raised.value.message
    assert "--mlspec-update" in raised.value.advice


def test_entries_of_two_branches_merge() -> None:
    """Each entry has a digest of its own."""
    one = baselines.text_of({"a": DESCRIPTION})
    other = baselines.text_of({"b": VALUES})
    merged = json.loads(one)
    merged["specs"] |= json.loads(other)["specs"]

    assert baselines.read(json.dumps(merged), "x").keys() == {"a", "b"}
