"""Calls into the user's code: its signature is checked before, and what it raises is told as its own mistake."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pytest_mlspec.errors import MlspecError, RecipeError, UserCodeError
from pytest_mlspec.tracebacks import users_traceback

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_NOT_WHAT_IT_IS = {"batch": frozenset({"target", "targets", "label", "labels", "y", "y_true"})}


@contextmanager
def user_code(what: str, *, key: str) -> Iterator[None]:
    """Turns an exception of the block into UserCodeError; `what` says what raised it, such as `import churn.data`."""
    try:
        yield
    except MlspecError:
        raise
    except Exception as error:
        raise _told(error, what, key) from error


def guarded(function: Callable[..., Any], *, name: str, key: str) -> Callable[..., Any]:
    """`function` with every exception turned into UserCodeError; `name` is what messages call it."""

    @functools.wraps(function, assigned=("__doc__",), updated=())
    def call(*arguments: Any, **named: Any) -> Any:
        try:
            return function(*arguments, **named)
        except MlspecError:
            raise
        except Exception as error:
            raise _told(error, name, key) from error

    return call


def call_user(function: Callable[..., Any], *arguments: Any, key: str, name: str, **named: Any) -> Any:
    """The result of one call; what `function` raises becomes UserCodeError, as in `guarded`."""
    return guarded(function, name=name, key=key)(*arguments, **named)


def check_arguments(
    function: Callable[..., Any], names: Sequence[str], *, key: str, name: str, keywords: Sequence[str] = ()
) -> None:
    """Raises RecipeError unless `function` takes the arguments `names` in this order, and `keywords` by name.

    Arguments are passed by position, so a parameter may have a name of its own, but not that of another argument, and not
    one that tells of a mistake (`loss(outputs, targets)`: the second is the whole batch). More parameters need defaults.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a compiled function tells no signature
        return
    parameters = list(signature.parameters.values())
    positional = [parameter for parameter in parameters if parameter.kind in _POSITIONAL]
    kinds = {parameter.kind for parameter in parameters}
    enough = len(positional) >= len(names) or inspect.Parameter.VAR_POSITIONAL in kinds
    mistaken = any(
        parameter.name != expected and (parameter.name in names or parameter.name in _NOT_WHAT_IT_IS.get(expected, ()))
        for parameter, expected in zip(positional, names, strict=False)
    )
    further = [
        *positional[len(names) :],
        *(parameter for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY),
    ]
    needed = {parameter.name for parameter in further if parameter.default is parameter.empty}
    by_name = inspect.Parameter.VAR_KEYWORD in kinds or {parameter.name for parameter in further}.issuperset(keywords)
    if not enough or mistaken or not by_name or not needed <= {*keywords}:
        expected = ", ".join([*names, *(["*", *keywords] if keywords else [])])
        raise RecipeError(
            f"{name}{_without_types(signature)} does not fit",
            key=key,
            advice=f"it is called as {name}({expected}); further parameters need defaults",
        )


def check_call(
    function: Callable[..., Any], positional: Sequence[str], arguments: Mapping[str, Any], *, key: str, name: str
) -> None:
    """Raises RecipeError unless `function` can be called with so many positional arguments and the spec's `arguments`."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*positional, **arguments)
    except TypeError as error:
        given = ", ".join([*positional, *(f"{argument}={value!r}" for argument, value in arguments.items())])
        raise RecipeError(
            f"{name} cannot be called as {name}({given}): {error}",
            key=key,
            advice=f"it is {name}{_without_types(signature)}",
        ) from None


def takes(function: Callable[..., Any], count: int) -> bool:
    """True where `function` can be called with `count` positional arguments."""
    try:
        inspect.signature(function).bind(*range(count))
    except (TypeError, ValueError):
        return False
    return True


def _without_types(signature: inspect.Signature) -> inspect.Signature:
    empty = inspect.Parameter.empty
    parameters = [parameter.replace(annotation=empty) for parameter in signature.parameters.values()]
    return signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty)


def _told(error: Exception, what: str, key: str) -> UserCodeError:
    import bdb

    if isinstance(error, bdb.BdbQuit):
        return UserCodeError(
            f"{what} stopped at a breakpoint", key=key, advice="pytest --mlspec-inline runs jobs where you can debug"
        )
    line = str(error).strip().partition("\n")[0]
    return UserCodeError(
        f"{what} raised {type(error).__name__}{f': {line}' if line else ''}", key=key, details=users_traceback(error)
    )
