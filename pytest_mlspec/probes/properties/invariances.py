"""What a spec declares under `invariant`: changes of the prepared inputs that must leave every prediction as it is.

Shape letters: N rows, L positions, H height, W width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_mlspec.language.invariances import Invariance as DeclaredInvariance
from pytest_mlspec.recipe.protocol import Examples, Inputs

Array = NDArray[Any]

_PADDING = 3
"""Positions that `pad` adds."""


@dataclass(frozen=True)
class Invariance:
    """One change of inputs: its name in the spec, how a message tells it, and the change itself."""

    name: str
    told: str
    change: Callable[[Array], Array]
    fits: Callable[[Array], bool]

    def applied(self, inputs: Inputs) -> Inputs:
        """The inputs changed, wherever the change means something."""
        if isinstance(inputs, Mapping):
            return {name: self.change(values) if self.fits(values) else values for name, values in inputs.items()}
        return self.change(inputs)


def declared(
    invariances: Sequence[DeclaredInvariance], examples: Examples
) -> tuple[tuple[Invariance, ...], tuple[str, ...]]:
    """The declared invariances that mean something for inputs such as `examples`, and a line for each that does not."""
    arrays = list(examples.inputs.values()) if isinstance(examples.inputs, Mapping) else [examples.inputs]
    found = [_made(each) for each in invariances]
    fitting = tuple(each for each in found if any(map(each.fits, arrays)))
    left_out = tuple(
        f"{each.name} was not tried: no input has the form that it changes" for each in found if each not in fitting
    )
    return fitting, left_out


def _made(invariance: DeclaredInvariance) -> Invariance:
    match invariance.use, invariance.value:
        case "scale", float(value):
            return Invariance(f"scale {value:g}", f"a row scaled by {value:g}", partial(_scaled, value), _is_float)
        case "pad", float(value):
            return Invariance(
                "pad", f"a row with {_PADDING} more positions of padding", partial(_padded, int(value)), _is_ids
            )
        case "shift", float(value):
            return Invariance(f"shift {value:g}", f"a row shifted by {value:g}", partial(_shifted, value), _is_float)
        case "flip", "vertical":
            return Invariance("flip vertical", "an image upside down", partial(np.flip, axis=-2), _is_image)
        case "flip", _:
            return Invariance("flip horizontal", "an image in a mirror", partial(np.flip, axis=-1), _is_image)
        case _:  # permute: tokens
            return Invariance("permute", "a row in another order of its positions", _permuted, _has_positions)


# In double precision: what the model computes in decides how far these are rounded.
def _scaled(factor: float, values: Array) -> Array:
    return values.astype(np.float64) * factor


def _shifted(by: float, values: Array) -> Array:
    return values.astype(np.float64) + by


def _padded(padding: int, values: Array) -> Array:
    """More positions: the id of padding, and 0 in a mask."""
    added = 0 if _is_mask(values) else padding
    return np.pad(values, ((0, 0), (0, _PADDING)), constant_values=added)


def _permuted(values: Array) -> Array:
    """Positions of axis 1 in another order; of ids, those after the last that is not 0 are padding and stay where they are."""
    changed = values.copy()
    draw = np.random.default_rng(0)
    for row, of_row in enumerate(values):
        used = len(of_row)
        if values.ndim == 2 and values.dtype.kind in "iu":
            present = np.flatnonzero(of_row != 0)
            used = int(present[-1]) + 1 if len(present) else 0
        changed[row, :used] = of_row[draw.permutation(used)]
    return changed


def _is_float(values: Array) -> bool:
    return values.dtype.kind == "f"


def _is_ids(values: Array) -> bool:
    return values.ndim == 2 and (values.dtype.kind in "iu" or _is_mask(values))


def _is_mask(values: Array) -> bool:
    """Whether an array [N, L] says with 0 and 1 which positions there are."""
    return values.ndim == 2 and (values.dtype.kind == "b" or bool(np.isin(values, (0, 1)).all()))


def _is_image(values: Array) -> bool:
    return values.ndim >= 3 and values.dtype.kind == "f"


def _has_positions(values: Array) -> bool:
    return (values.ndim == 2 and values.dtype.kind in "iu") or values.ndim == 3
