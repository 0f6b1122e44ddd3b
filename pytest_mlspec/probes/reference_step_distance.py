"""How far two sets of tensors by parameter are apart: gradients, or updates.

A parameter whose tensors are next to nothing beside all others is compared with those: the bias before a batch norm has a
gradient of rounding alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

# A parameter counts as if its norm were at least this share of the norm over all of them.
_FLOOR = 1e-4

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Distance:
    """The largest difference of any parameter, as a share of the larger of its two norms; `parameter` has it.

    `ratio` and `cosine` compare all parameters together, and are None where one side is 0.
    """

    share: float
    parameter: str
    ratio: float | None
    cosine: float | None


def distance(found: Tensors, expected: Tensors) -> Distance:
    """How far `found` is from `expected`; a parameter that one side lacks is 0 there. Infinite where a number is not finite."""
    names = [*expected, *(name for name in found if name not in expected)]
    total_found, total_expected = norm(found.values()), norm(expected.values())
    floor = _FLOOR * max(total_found, total_expected)
    share, parameter, inner = 0.0, "", 0.0
    for name in names:
        one, other = found.get(name), expected.get(name)
        if one is not None and other is not None:
            inner += float((one.double() * other.double()).sum())
            difference = norm([one.double() - other.double()])
        else:
            difference = norm([tensor for tensor in (one, other) if tensor is not None])
        larger = max(*(norm([tensor]) if tensor is not None else 0.0 for tensor in (one, other)), floor)
        own = difference / larger if larger else difference and math.inf
        if not math.isfinite(own):
            own = math.inf
        if own > share or not parameter:
            share, parameter = own, name
    both = total_found * total_expected
    known = bool(both) and math.isfinite(both)
    ratio = total_found / total_expected if known else None
    return Distance(share, parameter, ratio, inner / both if known else None)


def factor(found: Tensors, expected: Tensors, *, tolerance: float) -> float | None:
    """The number, not 0, that `expected` is to be multiplied by to give `found`; None where there is none."""
    square = sum(float(tensor.double().square().sum()) for tensor in expected.values())
    inner = sum(
        float((found[name].double() * tensor.double()).sum()) for name, tensor in expected.items() if name in found
    )
    if not square or not math.isfinite(square) or not math.isfinite(inner) or not inner:
        return None
    number = inner / square
    multiplied = {name: number * tensor for name, tensor in expected.items()}
    return number if distance(found, multiplied).share <= tolerance else None


def difference(found: Tensors, expected: Tensors) -> dict[str, Tensor]:
    """`found` less `expected`."""
    names = [*expected, *(name for name in found if name not in expected)]
    zero = torch.zeros(())
    return {name: found.get(name, zero) - expected.get(name, zero) for name in names}


def norm(tensors: Iterable[Tensor]) -> float:
    """The 2-norm over all of them."""
    return math.sqrt(sum(float(tensor.detach().double().square().sum()) for tensor in tensors))
