"""Texts read as specs, for tests that look at what becomes of a few characters."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_mlspec.errors import SpecError
from pytest_mlspec.language.load import parse_text


def value_of(scalar: str) -> Any:
    """What `scalar` is read as."""
    return parse_text(f"key: {scalar}\n", shown="s.yaml")[0].data["key"]


def problems_of(text: str | bytes) -> list[tuple[int, int, str, str]]:
    """Line, column, key and message of every problem."""
    with pytest.raises(SpecError) as caught:
        parse_text(text, shown="s.yaml")
    return [(each.place.line, each.place.column, each.key, each.message) for each in caught.value.problems]


def only_problem(text: str | bytes) -> str:
    """The only problem as `line:column key: message`."""
    ((line, column, key, message),) = problems_of(text)
    return f"{line}:{column} {key}: {message}"
