"""What a baseline is made of and held against: the data and the untrained model as they are now, and as they were recorded."""

from __future__ import annotations

from dataclasses import dataclass

GOLDEN = 256
"""Golden rows of a baseline: of 256, a share of 5 % of wrong labels leaves less than three untouched with p = 1e-4."""


@dataclass(frozen=True)
class ReadBaseline:
    """What the baseline file beside `spec_file` says of the spec called `name`. Gives a `Recorded`.

    The plan fills both in. `required` asks for it even where there is no such file.
    """

    spec_file: str = ""
    name: str = ""
    required: bool = False

    @property
    def title(self) -> str:
        """In a few words, for progress and messages."""
        return "read the baseline"


@dataclass(frozen=True)
class Describe:
    """The data and the model before its training, in as few numbers as tell a change. Gives a `Description`.

    `golden` is how many rows are followed one by one, as hashes. Where `against` is given and nothing is recorded there, nothing
    is looked at.
    """

    golden: int = GOLDEN
    against: ReadBaseline | None = None

    @property
    def title(self) -> str:
        """In a few words, for progress and messages."""
        return "describe the data and the model"
