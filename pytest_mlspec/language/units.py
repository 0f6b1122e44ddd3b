"""Values with their unit in the text: `200ms`, `1.5GB`, `5%`. Units of size are decimal: a GB is 10^9 bytes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from pytest_mlspec.errors import MlspecError
from pytest_mlspec.language.complaints import described

_SECONDS = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
_BYTES = {"B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}
_NUMBER_AND_UNIT = re.compile(r"(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*(?P<unit>[A-Za-z%]+)", re.ASCII)


def seconds(value: object) -> float:
    """The seconds that a text such as `200ms` or `1.5h` stands for; raises MlspecError where it is none.

    >>> seconds("200ms"), seconds("2min")
    (0.2, 120.0)
    """
    return _scaled(value, _SECONDS, "a duration", "write a number with its unit (ms, s, min, h), such as 90s")


def size(value: object) -> int:
    """The bytes that a text such as `1.5GB` stands for; raises MlspecError where it is none.

    >>> size("1.5GB")
    1500000000
    """
    return round(_scaled(value, _BYTES, "a size", "write a number with its unit (B, kB, MB, GB, TB), such as 1.5GB"))


def share(value: object) -> float:
    """The share that a text such as `5%` stands for; raises MlspecError where it is none.

    >>> share("5%")
    0.05
    """
    return _scaled(value, {"%": 0.01}, "a share", "write a percentage, such as 5%")


def _scaled(value: object, units: Mapping[str, float], noun: str, advice: str) -> float:
    match = _NUMBER_AND_UNIT.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or match["unit"] not in units:
        raise MlspecError(f"{described(value)} is not {noun}", advice=advice)
    scaled = float(match["number"]) * units[match["unit"]]
    if math.isinf(scaled):
        raise MlspecError(f"{described(value)} is too large", advice=advice)
    return scaled
