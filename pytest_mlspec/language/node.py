"""What every mapping of the language has in common, and the texts in it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints


class Node(BaseModel):
    """A mapping of the spec."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


Text = Annotated[str, StringConstraints(min_length=1)]


def as_tuple(value: object) -> object:
    """A list of YAML as a tuple, so that what holds it stays hashable; anything else as it is."""
    return tuple(value) if isinstance(value, list) else value


Texts = Annotated[tuple[Text, ...], BeforeValidator(as_tuple)]
