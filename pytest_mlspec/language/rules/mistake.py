"""What a rule finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_mlspec.language.load import KeyPath


@dataclass(frozen=True)
class Mistake:
    """A mistake at a key path; `message` says what was read, `advice` what to write.

    `lacks` names the keys without which it would be none: where one of them was written but could not be read, that is the
    mistake to show, and not this one.
    """

    key: KeyPath
    message: str
    advice: str = ""
    lacks: tuple[KeyPath, ...] = ()
