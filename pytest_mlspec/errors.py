"""The exceptions of pytest-mlspec: what a user can meet, and where each comes from.

    MlspecError                a mistake that can be named: what was found, what is allowed, the next step
    ├── SpecError              spec files that cannot be used; carries every Problem of every file
    ├── RecipeError            the user's code does not fit: import path, signature, type of a result
    │   └── UserCodeError      the user's code raised an exception of its own
    ├── DataError              the content of the data: a missing file or column, an empty split, a value out of range
    ├── TrainingError          a training that could not be finished: a loss that is not finite, no step taken
    ├── MeasurementError       a quantity that has no value here: an unknown class, a metric that is undefined
    ├── NotApplicableError     a claim that cannot be asked of this training, by name and with the reason; it is skipped
    ├── MissingExtraError      a package that an extra of pytest-mlspec brings is not installed
    ├── WorkerError            a worker that ended without a result: killed, crashed, over its limit
    ├── DependencyError        the job was not run because one that it needs has failed
    └── StoreError             stored evidence that is missing, broken or of another format

Anything else that escapes from this package is a bug of ours and shows its traceback. An exception raised inside the
user's own code is theirs: it is reported with *their* traceback, as a `UserCodeError`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from difflib import get_close_matches


@dataclass(frozen=True)
class Place:
    """A position in a text file: `path` as shown to the user, `line` and `column` counted from 1."""

    path: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Problem:
    """One mistake in a spec: where it stands, the key path, what was read, what is allowed and what to do."""

    place: Place
    key: str
    message: str
    advice: str = ""

    def __str__(self) -> str:
        key = f"{self.key}: " if self.key else ""
        advice = f"\n    {self.advice}" if self.advice else ""
        return f"{self.place}  {key}{self.message}{advice}"


class MlspecError(Exception):
    """A mistake that can be named.

    `message` says what was found and what is allowed; `key` is the path of the spec's key that it is about (such as
    `data.source`; empty where there is none); `advice` is the next step; `details` holds further lines, such as the
    traceback of the user's code.
    """

    def __init__(self, message: str, *, key: str = "", advice: str = "", details: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.key = key
        self.advice = advice
        self.details = details


class SpecError(MlspecError):
    """Spec files that cannot be used. `problems` holds every mistake that was found, in the order of the files."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class RecipeError(MlspecError):
    """The user's code does not fit the extension point that it is named for."""


class UserCodeError(RecipeError):
    """The user's code raised an exception of its own; `details` holds its traceback, without our frames."""


class DataError(MlspecError):
    """The content of the data cannot be used."""


class TrainingError(MlspecError):
    """A training that could not be finished."""


class MeasurementError(MlspecError):
    """A quantity that has no value here."""


class NotApplicableError(MlspecError):
    """A claim that cannot be asked of this training: its item is skipped with the reason, never passed."""


class MissingExtraError(MlspecError):
    """A package that an extra of pytest-mlspec brings is not installed."""

    def __init__(self, package: str, *, extra: str, key: str = "") -> None:
        super().__init__(
            f"the package {package!r} is not installed",
            key=key,
            advice=f"python -m pip install 'pytest-mlspec[{extra}]'",
        )


class WorkerError(MlspecError):
    """A worker ended without a result."""


class DependencyError(MlspecError):
    """A job was not run because one that it needs has failed."""


class StoreError(MlspecError):
    """Stored evidence is missing, broken or of another format."""


@dataclass(frozen=True)
class ErrorRecord:
    """An error as plain values, so that it can cross from a worker to the pytest process."""

    kind: str
    message: str
    key: str = ""
    advice: str = ""
    details: str = ""

    @classmethod
    def of(cls, error: MlspecError) -> ErrorRecord:
        """The record of `error`."""
        return cls(type(error).__name__, error.message, error.key, error.advice, error.details)

    @classmethod
    def from_json(cls, fields: Mapping[str, str]) -> ErrorRecord:
        """The record that `to_json` wrote."""
        return cls(**fields)

    def to_json(self) -> dict[str, str]:
        """The fields as plain data."""
        return asdict(self)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence that names the nearest known name, or all of them where there are few; for the end of a message.

    >>> did_you_mean("epoch", ["epochs", "batch_size"])
    "did you mean 'epochs'?"
    >>> did_you_mean("zzz", ["epochs", "batch_size"])
    'known: batch_size, epochs'
    """
    names = sorted(known)
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]!r}?"
    shown = ", ".join(names[:20])
    more = f", … ({len(names)} in all)" if len(names) > 20 else ""
    return f"known: {shown}{more}" if names else "none is known"
