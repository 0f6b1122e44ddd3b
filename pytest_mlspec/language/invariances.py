"""What may be done to the inputs of a model without a change of any prediction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator

from pytest_mlspec.language.complaints import described, refusal
from pytest_mlspec.language.node import Node, as_tuple


class Invariance(Node):
    """A change of the prepared inputs that leaves every prediction as it is.

    `scale` multiplies numbers, `shift` adds to them; `flip` turns images `horizontal` or `vertical`; `permute: tokens` puts the
    positions of a row in another order; `pad` adds positions with that id, 0 by default, to rows of ids.
    """

    use: Literal["scale", "shift", "flip", "permute", "pad"]
    value: float | str


_INVARIANCES = "write pad, {scale: 2.0}, {shift: 1.0}, {flip: horizontal} or {permute: tokens}"
_WORDS: Mapping[str, tuple[str, ...]] = {"flip": ("horizontal", "vertical"), "permute": ("tokens",)}


def _as_invariance(value: object) -> object:
    match value:
        case Invariance() | {"use": str(), "value": _}:  # made already, or as a spec gives itself back
            return value
        case "pad":
            return Invariance(use="pad", value=0.0)
        case dict() if len(value) == 1:
            [(use, argument)] = value.items()
            if _is_invariance(use, argument):
                return Invariance(use=use, value=argument if isinstance(argument, str) else float(argument))
    raise refusal(f"{described(value)} is no invariance", _INVARIANCES)


def _is_invariance(use: object, argument: object) -> bool:
    if isinstance(argument, bool):
        return False
    match use:
        case "scale":
            return isinstance(argument, (int, float)) and argument not in (0, 1)
        case "shift":
            return isinstance(argument, (int, float)) and argument != 0
        case "pad":
            return isinstance(argument, int) and argument >= 0
        case _:
            return argument in _WORDS.get(str(use), ())


Invariances = Annotated[tuple[Annotated[Invariance, BeforeValidator(_as_invariance)], ...], BeforeValidator(as_tuple)]
"""A list of invariances."""
