"""Canonical JSON: equal values have one text, every plain value comes back, and a difference is named."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlspec.store import canonical

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("float"), inner),
    max_leaves=10,
)


@given(PLAIN)
def test_every_plain_value_comes_back(value: Any) -> None:
    """parse(dump(value)) is the value, infinite floats and mappings that look like marks included."""
    assert canonical.parse(canonical.dump(value)) == value


@given(PLAIN)
def test_text_is_strict_json(value: Any) -> None:
    """No text holds the constants NaN or Infinity, which are not JSON."""
    json.loads(canonical.dump(value), parse_constant=pytest.fail)


def test_nan_comes_back_as_nan() -> None:
    """A float that is not a number is stored as one."""
    assert math.isnan(canonical.parse(canonical.dump({"loss": math.nan}))["loss"])


@pytest.mark.parametrize("text", ['{"loss": NaN}', "[Infinity]", "[-Infinity]", "{", ""])
def test_text_that_is_not_strict_json_is_refused(text: str) -> None:
    """Reading raises ValueError where another writer left something else."""
    with pytest.raises(ValueError, match=r"."):
        canonical.parse(text)


@pytest.mark.parametrize("value", [{1: 2}, {"a": {1, 2}}, {"a": object()}, b"bytes"])
def test_what_is_not_plain_is_refused(value: Any) -> None:
    """Nothing is written that could not be read back as it was."""
    with pytest.raises(TypeError):
        canonical.dump(value)


def test_digest_ignores_the_order_of_keys() -> None:
    """The order in which a mapping was made does not count."""
    assert canonical.digest({"a": 1, "b": 2}) == canonical.digest({"b": 2, "a": 1})


@pytest.mark.parametrize("other", [{"a": 1.0}, {"a": "1"}, {"a": True}, {"a": [1]}, {"A": 1}, {}])
def test_digest_differs_for_every_other_value(other: dict[str, Any]) -> None:
    """Types count: 1, 1.0, "1" and true are four values."""
    assert canonical.digest({"a": 1}) != canonical.digest(other)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ({"a": 1}, {"a": 1}, None),
        ({"a": math.nan}, {"a": math.nan}, None),
        ({"train": {"epochs": 10}}, {"train": {"epochs": 12}}, "train.epochs: 10 -> 12"),
        ({"train": {}}, {"train": {"clip_norm": 1.0}}, "train.clip_norm: absent -> 1.0"),
        ({"hidden": [64, 64]}, {"hidden": [64, 32]}, "hidden.1: 64 -> 32"),
        ({"hidden": [64]}, {"hidden": [64, 64]}, "hidden: [64] -> [64,64]"),
        ({"device": "cpu"}, {"device": "cuda:A"}, 'device: "cpu" -> "cuda:A"'),
        ({"a": 1}, {"a": True}, "a: 1 -> true"),
        ({"e": {"packages": {"torch": "2.12"}}}, {"e": {"packages": {"torch": "2.13"}}}, "package torch 2.12 -> 2.13"),
        ({"packages": {}}, {"packages": {"torch": "2.13"}}, "package torch absent -> 2.13"),
        ({"packages": {"torch": "2.13"}}, {"packages": {"torch": None}}, "package torch 2.13 -> absent"),
    ],
)
def test_first_difference_is_named(old: Any, new: Any, words: str | None) -> None:
    """The words give the path, what was and what is."""
    assert canonical.first_difference(old, new) == words
