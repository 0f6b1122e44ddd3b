"""Jobs that differ by the number of a seed or a fold alone, as one line: a spec of many trainings stays short to read."""

from __future__ import annotations

import re
from collections.abc import Iterable

_LAST_NUMBER = re.compile(r"(?P<before>.*\b)(?P<what>seed|fold) (?P<number>\d+)(?P<after>(?!.*\b(?:seed|fold) \d).*)")


def family_of(text: str) -> str:
    """`text` without the number of its fold, or of its seed where no fold is named; equal for the members of a family.

    >>> family_of("train (seed 0, fold 3)")
    'train (seed 0, fold …)'
    """
    return _LAST_NUMBER.sub(r"\g<before>\g<what> …\g<after>", text)


def joined(family: Iterable[str]) -> str:
    """The members of a family as one text.

    >>> joined(["train (seed 0)", "train (seed 1)", "train (seed 2)"])
    'train (seeds 0 to 2)'
    """
    members = list(family)
    numbers = sorted({int(match["number"]) for text in members if (match := _LAST_NUMBER.fullmatch(text))})
    if len(numbers) < 2:
        return members[0]
    gapless = numbers == list(range(numbers[0], numbers[-1] + 1))
    shown = f"{numbers[0]} to {numbers[-1]}" if gapless else ", ".join(map(str, numbers))
    return _LAST_NUMBER.sub(rf"\g<before>\g<what>s {shown}\g<after>", members[0])


def merged(texts: Iterable[str]) -> list[str]:
    """The texts in their order, each once, and those of a family as one.

    >>> merged(["train (seed 0): slow", "train (seed 1): fast", "train (seed 2): slow"])
    ['train (seeds 0, 2): slow', 'train (seed 1): fast']
    """
    families: dict[str, list[str]] = {}
    for text in texts:
        families.setdefault(family_of(text), []).append(text)
    return [joined(family) for family in families.values()]
