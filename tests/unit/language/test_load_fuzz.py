"""No text makes the reading of specs raise anything but SpecError, and what it accepts is plain data with its places."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlspec.errors import SpecError
from pytest_mlspec.language.load import KeyPath, parse_text

SPEC = """\
mlspec: 1
name: churn
task: {use: binary, positive: "yes"}
data:
  drop: [customer_id]
  split: {test: 0.2, seed: 0}
train: &train
  optimizer: {use: adamw, lr: 3e-3}
checks:
  - standard
  - overfit: {steps: 300}
gates:
  "test.recall[plan=basic]": {at_least: 0.60}
again: *train
text: |
  lines
"""
PIECES = [
    *":-?[]{},&*!|>'\"%@`#~<=. \t\r\n019eExabn\\",
    ": ",
    "- ",
    "\n---\n",
    "\n  ",
    "&a ",
    "*a",
    "<<: ",
    "é",
    "\u200b",
]
YAML_LIKE = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)
CUTS = st.tuples(st.integers(0, len(SPEC)), st.integers(0, 12), YAML_LIKE)
MUTATED = CUTS.map(lambda cut: SPEC[: cut[0]] + cut[2] + SPEC[cut[0] + cut[1] :])

KEYS = st.text("abcdef. []=", min_size=1, max_size=8)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=20)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | FLOATS | TEXTS
DATA = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4))
SPECS = st.dictionaries(KEYS, DATA, max_size=4)

few = settings(derandomize=True, max_examples=100, deadline=None, database=None)


@pytest.fixture(
    autouse=True,
    scope="module",
    params=[
        pytest.param("CBaseLoader", marks=pytest.mark.skipif(not yaml.__with_libyaml__, reason="PyYAML lacks libyaml")),
        "BaseLoader",
    ],
)
def _parser(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test runs with the C parser and with the pure one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pytest_mlspec.language.load.compose.LOADER", getattr(yaml, request.param))
        yield


def paths_of(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """The path of every key and item of plain data; anything else fails."""
    yield path
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from paths_of(item, (*path, key))
    else:
        assert value is None or type(value) in {str, int, float, bool}


def assert_read_or_refused(text: str | bytes) -> None:
    try:
        documents = parse_text(text, shown="s.yaml")
    except SpecError:
        return
    for document in documents:
        assert set(document.places) == set(paths_of(document.data))


@few
@given(st.text() | YAML_LIKE)
def test_any_text_is_read_or_refused(text: str) -> None:
    """Also text made of the characters that mean something in YAML."""
    assert_read_or_refused(text)


@few
@given(st.binary())
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    """Whatever the encoding."""
    assert_read_or_refused(raw)


@few
@given(MUTATED)
def test_a_spec_with_a_part_cut_out_or_put_in_is_read_or_refused(text: str) -> None:
    """The kind of file that an editor or a merge leaves behind."""
    assert_read_or_refused(text)


@few
@given(SPECS)
def test_json_is_read_as_json(data: dict[str, Any]) -> None:
    """JSON without escapes of UTF-16 is YAML: the data comes back with its types, and with a place for everything."""
    (document,) = parse_text(json.dumps(data, ensure_ascii=False), shown="s.json")

    assert repr(document.data) == repr(data)
    assert set(document.places) == set(paths_of(data))
