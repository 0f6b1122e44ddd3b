"""The value of a plain YAML scalar: the core schema of YAML 1.2, without what two readers could read as two values.

`no`, `12:30` and `2024-01-01` are text; `1e-3` is a number. Refused are `010` (8 for YAML 1.1, 10 for YAML 1.2), numbers
that are not finite, and numbers that 64 bits cannot hold.
"""

from __future__ import annotations

import math
import re

from pytest_mlspec.errors import MlspecError
from pytest_mlspec.language.load.document import shortened

Scalar = str | int | float | bool | None

_CONSTANTS: dict[str, bool | None] = {
    **dict.fromkeys(["", "~", "null", "Null", "NULL"], None),
    **dict.fromkeys(["true", "True", "TRUE"], True),
    **dict.fromkeys(["false", "False", "FALSE"], False),
}
_STARTS_OF_NUMBERS = frozenset("0123456789+-.")
_INTEGER = re.compile(r"[-+]?(?:0o(?P<octal>[0-7]+)|0x(?P<hexadecimal>[0-9a-fA-F]+)|(?P<decimal>[0-9]+))")
_FLOAT = re.compile(r"[-+]?(?P<digits>\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_BASES = {"octal": 8, "hexadecimal": 16, "decimal": 10}
# 2**63 has 22 octal digits. A longer integer is refused unread: Python's int() takes quadratic time and has a limit.
_DIGITS_AT_MOST = 22
_QUOTE_IT = "quote it if it is meant as text"


def plain_value(text: str) -> Scalar:
    """The value of the plain scalar `text`; raises MlspecError where it is a number that cannot be used."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] not in _STARTS_OF_NUMBERS:
        return text
    if match := _INTEGER.fullmatch(text):
        return _integer(text, kind=str(match.lastgroup), digits=match[match.lastgroup or 0])
    if match := _FLOAT.fullmatch(text):
        return _float(text, digits=match["digits"])
    if _NOT_FINITE.fullmatch(text):
        raise MlspecError(f"{text} is not a finite number", advice=f"write a finite number, or {_QUOTE_IT}")
    return text


def _integer(text: str, *, kind: str, digits: str) -> int:
    significant = digits.lstrip("0") or "0"
    if kind == "decimal" and significant != digits:
        raise MlspecError(
            f"{shortened(text)} is ambiguous: a leading zero means octal to some readers of YAML and nothing to others",
            advice=f"write the number without the zero, an octal one as 0o10, or {_QUOTE_IT}",
        )
    value = int(significant, _BASES[kind]) if len(significant) <= _DIGITS_AT_MOST else 2**64
    signed = -value if text[0] == "-" else value
    if not -(2**63) <= signed < 2**63:
        raise MlspecError(
            f"{shortened(text)} is outside the range of 64-bit integers, -2**63 to 2**63 - 1",
            advice=f"write a smaller number, a float such as 1e30, or {_QUOTE_IT}",
        )
    return signed


def _float(text: str, *, digits: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise MlspecError(
            f"{shortened(text)} is too large for a 64-bit float and would be read as infinity",
            advice=f"write a finite number, or {_QUOTE_IT}",
        )
    if value == 0 and digits.strip("0."):
        raise MlspecError(
            f"{shortened(text)} is too small for a 64-bit float and would be read as 0",
            advice=f"write 0, or {_QUOTE_IT}",
        )
    return value
