"""Values with their unit in the text: `200ms`, `1.5GB`, `5%`. Units of size are decimal: a GB is 10^9 bytes."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

_SECONDS = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
_BYTES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_NUMBER_AND_UNIT = re.compile(r"(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*(?P<unit>[A-Za-z%]+)")


def seconds(text: object) -> object:
    """The seconds that a text such as `200ms` or `1.5h` stands for; what is no text is returned as it is.

    >>> seconds("200ms"), seconds("2min"), seconds(3)
    (0.2, 120.0, 3)
    """
    return _scaled(text, _SECONDS, "a duration with its unit, such as 90s (units: ms, s, min, h)")


def size(text: object) -> object:
    """The bytes that a text such as `1.5GB` stands for; what is no text is returned as it is.

    >>> size("1.5GB")
    1500000000
    """
    scaled = _scaled(text, _BYTES, "a size with its unit, such as 1.5GB (units: B, kB, MB, GB, TB)")
    return round(scaled) if isinstance(scaled, float) else scaled


def share(text: object) -> object:
    """The share that a text such as `5%` stands for; what is no text is returned as it is.

    >>> share("5%")
    0.05
    """
    return _scaled(text, {"%": 0.01}, "a share such as 5%, or a number")


def duration_required(value: object) -> object:
    """`seconds`, and a bare number refused, since its unit would be a guess."""
    return seconds(_with_unit(value, "a duration with its unit, such as 90s"))


def size_required(value: object) -> object:
    """`size`, and a bare number refused, since its unit would be a guess."""
    return size(_with_unit(value, "a size with its unit, such as 2GB"))


Duration = Annotated[float, BeforeValidator(duration_required), Field(gt=0)]
"""Seconds, written with a unit."""

Size = Annotated[int, BeforeValidator(size_required), Field(gt=0)]
"""Bytes, written with a unit."""


def _with_unit(value: object, expected: str) -> object:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise PydanticCustomError(
            "unit_missing", "{value} has no unit; write {expected}", {"value": value, "expected": expected}
        )
    return value


def _scaled(text: object, units: dict[str, float] | dict[str, int], expected: str) -> object:
    if not isinstance(text, str):
        return text
    match = _NUMBER_AND_UNIT.fullmatch(text.strip())
    if match is None or match["unit"] not in units:
        raise PydanticCustomError("unit", "{text} is not {expected}", {"text": repr(text), "expected": expected})
    return float(match["number"]) * units[match["unit"]]
