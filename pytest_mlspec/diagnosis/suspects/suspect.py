"""What may be wrong in a training, and what would tell it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Suspect:
    """Something that may be wrong.

    `told_by` maps findings, checks and traits of the curve to their weights; `seen_by` names the checks that would be red if it
    were so; `look` is where to look first.
    """

    name: str
    title: str
    told_by: Mapping[str, float]
    look: str
    seen_by: tuple[str, ...] = ()
