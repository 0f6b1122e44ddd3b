"""What a search over drawn batches found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Violation:
    """The smallest batch found that breaks a property: what happened, and its rows as text."""

    property: str
    told: str
    rows: tuple[str, ...]


@dataclass(frozen=True)
class Search:
    """`batches` of `rows` rows in all were tried for each of `properties`; `left_out` says which could not be, and why.

    `refused` batches the team's own preparation would not have. `remembered` says that the batch that breaks a property was
    found by an earlier run, and tried first.
    """

    batches: int
    rows: int
    properties: tuple[str, ...]
    violation: Violation | None = None
    refused: int = 0
    remembered: bool = False
    left_out: tuple[str, ...] = ()
    device: str = "cpu"
