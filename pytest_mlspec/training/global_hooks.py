"""Hooks on every module, in a fit that compiles its model."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def compiled_beside_hooks() -> Iterator[None]:
    """Without the warning of torch.compile that hooks on every module are called once more: ours count outermost calls alone.

    Where warnings are errors it would end a fit that does nothing wrong.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Using `torch\.compile\(module\)` when there are global hooks")
        yield
