"""Units of a layer that begin equal and learn the same: they stay one unit for ever.

A unit is a row of a weight of two dimensions or more. Units that begin equal are healthy where their gradients differ, as
those of an output layer that starts at zero do; so it is the gradients that tell.

Shape letters: U units, F values of a unit.
"""

from __future__ import annotations

import torch
from torch import Tensor

# Gradients that are equal but for the order of their sums differ by less than this share of the largest one.
_ROUNDING = 1e-4


class Twins:
    """The units of `weight` that began equal, and whether every gradient since has been equal among them."""

    def __init__(self, weight: Tensor) -> None:
        self._group_U = _groups(weight)
        self._alike = self._group_U is not None

    def look(self, gradient: Tensor) -> None:
        """Takes in the gradient of one backward pass; one that is 0 says nothing."""
        if self._group_U is None or not self._alike or gradient.is_sparse:
            self._alike = False
            return
        gradient_UF = gradient.detach().flatten(1).float()
        largest = float(gradient_UF.abs().max())
        if largest == 0:
            return
        order_U = torch.argsort(self._group_U, stable=True)
        same_U = self._group_U[order_U][1:] == self._group_U[order_U][:-1]
        apart_U = (gradient_UF[order_U][1:] - gradient_UF[order_U][:-1]).abs().amax(dim=1)
        self._alike = not bool((apart_U[same_U] > _ROUNDING * largest).any())

    @property
    def units(self) -> int:
        """How many units there are, where each has a twin that learns what it learns; else 0."""
        return len(self._group_U) if self._group_U is not None and self._alike else 0


def _groups(weight: Tensor) -> Tensor | None:
    """The number [U] of the group of equal units that each belongs to; None where a unit is like no other."""
    if weight.dim() < 2 or len(weight) < 2 or not weight.is_floating_point() or weight.numel() == 0:
        return None
    values_UF = weight.detach().flatten(1).double()
    directions_F = torch.linspace(1, 2, values_UF.shape[1], dtype=torch.float64, device=weight.device).sin()
    # equal units have equal places on any line, and others almost never: sorting one number a unit is cheap
    _, group_U, counts = torch.unique(values_UF @ directions_F, return_inverse=True, return_counts=True)
    return group_U if bool((counts >= 2).all()) else None
