"""Exceptions that the core meets but did not raise: from the team's model, or from torch or scikit-learn at its request."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest_mlspec
from pytest_mlspec.errors import MlspecError
from pytest_mlspec.recipe.calls import user_code

_OURS = str(Path(pytest_mlspec.__file__).resolve().parent)


@contextmanager
def from_outside(what: str, *, key: str) -> Iterator[None]:
    """Turns an exception raised outside this package into UserCodeError; `what` says what was done.

    One that this package itself raised is a bug of ours and passes.
    """
    try:
        yield
    except MlspecError:
        raise
    except Exception as error:
        innermost = traceback.extract_tb(error.__traceback__)[-1].filename
        if innermost.startswith(_OURS):
            raise
        with user_code(what, key=key):
            raise
