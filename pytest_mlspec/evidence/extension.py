"""What the probe of an extension measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """Numbers by name, as the probe of an extension returned them; `rows` is what they rest on, where it says so."""

    values: Mapping[str, float]
    rows: int | None = None
