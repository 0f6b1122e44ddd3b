"""One YAML document as plain data, and where in the file each of its keys stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_mlspec.errors import Place

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """One YAML document: plain data of its own, shared with no other document.

    `places` has every key of every mapping and every item of every list; the empty path is the document's first node.
    Below an alias the places are those of the text that the alias repeats.
    """

    path: str
    data: dict[str, Any]
    places: Mapping[KeyPath, Place]

    def place(self, key: KeyPath) -> Place:
        """The place of `key`, or of the nearest mapping or list around it that the file holds."""
        while key not in self.places:
            key = key[:-1]
        return self.places[key]


def dotted(key: KeyPath) -> str:
    """The path as messages show it.

    >>> dotted(("checks", 1, "overfit", "steps"))
    'checks[1].overfit.steps'
    """
    parts = [f"[{part}]" if isinstance(part, int) else f".{shortened(part)}" for part in key]
    return "".join(parts).removeprefix(".")


def shortened(text: str) -> str:
    """`text` in at most 60 characters, everything that does not print as an escape."""
    cut = text if len(text) <= 60 else f"{text[:59]}…"
    return cut if cut.isprintable() else cut.encode("unicode_escape").decode("ascii")
