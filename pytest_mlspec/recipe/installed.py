"""The packages behind engines that an extra brings: there, of a version that the engine was written for, and Keras on torch."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from pytest_mlspec.errors import MissingExtraError, MlspecError

_KEY = "train.engine"
# What the team's own module imports when it is resolved: without the package, that would be told as its mistake.
_LOWEST: Mapping[str, str] = {"lightning": "2.6", "keras": "3.10"}
_BACKEND = "KERAS_BACKEND"


def make_ready(engine: str) -> None:
    """To be called before the team's code is imported; raises as `demand` does, and for a Keras on another backend."""
    if engine in _LOWEST:
        demand(engine, lowest=_LOWEST[engine], extra=engine)
    if engine == "keras":
        _put_keras_on_torch()


def demand(package: str, *, lowest: str, extra: str) -> None:
    """Raises MissingExtraError where `package` is not installed, MlspecError where it is older than `lowest`.

    Nothing is imported to tell.
    """
    try:
        found = version(package)
    except PackageNotFoundError:
        raise MissingExtraError(package, extra=extra, key=_KEY) from None
    if _numbers(found) < _numbers(lowest):
        raise MlspecError(
            f"{package} {found} is installed, and this engine needs {lowest} or later",
            key=_KEY,
            advice=f"python -m pip install --upgrade 'pytest-mlspec[{extra}]'",
        )


def _put_keras_on_torch() -> None:
    """Keras reads its backend once, when it is imported."""
    keras = sys.modules.get("keras")
    chosen = os.environ.get(_BACKEND, "torch") if keras is None else keras.config.backend()
    if chosen != "torch":
        told = f"{_BACKEND} is {chosen!r}" if keras is None else f"Keras was imported with the backend {chosen!r}"
        raise MlspecError(
            f"{told}, and the engine keras trains on torch", key=_KEY, advice=f"set {_BACKEND}=torch, or unset it"
        )
    os.environ[_BACKEND] = "torch"


def _numbers(release: str) -> tuple[int, ...]:
    """The first two numbers of a version.

    >>> _numbers("2.6.0.dev1"), _numbers("3.15.1")
    ((2, 6), (3, 15))
    """
    return tuple(int(number) for number in re.findall(r"\d+", release)[:2])
