"""What pydantic says about a spec, in the words of a spec; and how validators of ours say it.

Every kind of complaint that the language can raise has a wording here. Parameters of a team's own check may be of any type:
for what is not in the table, pydantic's sentence stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from pytest_mlspec.errors import MlspecError, did_you_mean

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

# What is needed, by pydantic's name of the complaint; braces hold pydantic's own values.
_NEEDED: Mapping[str, str] = {
    "bool_type": "true or false is needed",
    "dict_type": "a mapping is needed",
    "finite_number": "a finite number is needed",
    "float_type": "a number is needed",
    "greater_than": "more than {gt:.15g} is needed",
    "greater_than_equal": "at least {ge:.15g} is needed",
    "int_from_float": "a whole number is needed",
    "int_type": "a whole number is needed",
    "less_than": "less than {lt:.15g} is needed",
    "less_than_equal": "at most {le:.15g} is needed",
    "mapping_type": "a mapping is needed",
    "model_type": "a mapping is needed",
    "string_too_short": "a text is needed",
    "string_type": "a text is needed",
    "too_short": "a list of at least {min_length} is needed",
    "tuple_type": "a list is needed",
}

_OURS = "mlspec"


def refusal(message: str, advice: str = "") -> PydanticCustomError:
    """What a validator of ours raises: `message` says what was read and what is allowed."""
    return PydanticCustomError(_OURS, "{message}", {"message": message, "advice": advice})


def needed(what: str, value: object, advice: str = "") -> PydanticCustomError:
    """The refusal of a value of another type."""
    return refusal(f"{what} is needed, not {described(value)}", advice)


def reading(parse: Callable[[Any], object]) -> BeforeValidator:
    """A validator that puts what `parse` makes of a value in its place; a MlspecError of it becomes a refusal."""

    def validate(value: Any) -> object:
        try:
            return parse(value)
        except MlspecError as error:
            raise refusal(error.message, error.advice) from None

    return BeforeValidator(validate)


def worded(details: ErrorDetails, value: object) -> tuple[str, str]:
    """The message and the advice for a complaint about `value`. Unknown keys are the caller's: they need the language."""
    kind, context = details["type"], details.get("ctx", {})
    if kind == _OURS:
        return context["message"], context["advice"]
    if kind == "literal_error":
        allowed = [word.strip("'") for word in context["expected"].replace(" or ", ", ").split(", ")]
        return not_among(value, allowed)
    is_number_for_text = kind == "string_type" and isinstance(value, (int, float))
    advice = "quote it if it is meant as text" if is_number_for_text else ""
    what = _NEEDED[kind].format(**context) if kind in _NEEDED else f"{details['msg'][:1].lower()}{details['msg'][1:]}"
    return f"{what}, not {described(value)}", advice


def not_among(value: object, allowed: Sequence[str]) -> tuple[str, str]:
    """The message and the advice for a value that is none of the few `allowed` words."""
    every = f"allowed: {', '.join(allowed)}"
    near = did_you_mean(value, allowed) if isinstance(value, str) else ""
    return f"{described(value)} is not known here", f"{near} {every}" if near.endswith("?") else every


def described(value: object, *, length: int = 60) -> str:
    """A value as a message shows it, in at most `length` characters.

    >>> described(True), described({}), described("adamw")
    ('true', 'a mapping', "'adamw'")
    """
    match value:
        case None:
            return "an empty value"
        case bool():
            return str(value).lower()
        case Mapping():
            return "a mapping"
        case [] | ():
            return "an empty list"
        case list() | tuple():
            return "a list"
        case _:
            text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
            end = text[-1] if isinstance(value, str) else ""
            return text if len(text) <= length else f"{text[: length - 2]}…{end}"
