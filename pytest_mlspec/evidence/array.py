"""An array of evidence, read when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


class Array:
    """An array of evidence, read at the first use of `values`.

    Made from an array at hand (`Array.of`) or from a function that reads it.
    """

    def __init__(self, read: Callable[[], np.ndarray[Any, Any]]) -> None:
        self._read = read

    @classmethod
    def of(cls, values: Any) -> Array:
        """The handle of `values`, anything that numpy makes an array of."""
        import numpy as np

        array = np.asarray(values)
        return cls(lambda: array)

    @cached_property
    def values(self) -> np.ndarray[Any, Any]:
        """The array."""
        return self._read()

    def __len__(self) -> int:
        return len(self.values)
