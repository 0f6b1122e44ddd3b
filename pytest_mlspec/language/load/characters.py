"""The characters that may stand in a spec: what a reviewer sees has to be what is read.

Refused are controls, marks that change the order in which text is shown (the "Trojan source" attack), line ends that
only some programs know, and in keys whatever leaves no trace on the screen.
"""

from __future__ import annotations

import re

# The escapes are those of `re`: this file shows the code points and holds none of them.
_DIRECTION = r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_NO_TEXT = r"\ud800-\udfff"
_IN_FILE = re.compile(rf"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f{_DIRECTION}\u2028\u2029\ufeff\ufffe\uffff{_NO_TEXT}]")
# Written as an escape in double quotes, other controls are visible to a reviewer: `sep: "\x01"` is a real separator.
_IN_VALUE = re.compile(rf"[\x00{_DIRECTION}{_NO_TEXT}]")
# Printable for Unicode, blank on the screen: joiners, fillers of Hangul and Khmer, variation selectors, empty Braille.
_BLANK = re.compile(
    r"[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def refused_in_file(text: str) -> int | None:
    """The index of the first character that may not stand in a file."""
    match = _IN_FILE.search(text)
    return match.start() if match else None


def refused_in_value(text: str) -> str | None:
    """The first character that no value may hold, not even written as an escape."""
    match = _IN_VALUE.search(text)
    return match.group() if match else None


def refused_in_key(text: str) -> str | None:
    """The first character that cannot be seen."""
    if not text.isprintable():
        return next(character for character in text if not character.isprintable())
    match = None if text.isascii() else _BLANK.search(text)
    return match.group() if match else None


def named(character: str) -> str:
    """The code point and its name.

    >>> named(chr(0x200B))
    'U+200B (zero width space)'
    """
    import unicodedata

    name = unicodedata.name(character, "control character").lower()
    return f"U+{ord(character):04X} ({name})"
