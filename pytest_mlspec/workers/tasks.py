"""Tasks and outcomes: what the broker runs and what it answers, as plain values that fit in JSON.

A task is a job made ready to run: what to ask of a worker, what it needs first, and the limits. The broker knows
nothing of trainings; it is generic over the requests.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pytest_mlspec.errors import DependencyError, ErrorRecord, WorkerError
from pytest_mlspec.tracebacks import users_place, users_traceback

Start = Literal["fork", "spawn", "fresh"]
"""How a worker begins: forked from the warm server; as a new interpreter; as one under another PYTHONHASHSEED."""


@dataclass(frozen=True)
class Limits:
    """What a worker may use: `seconds` of wall time from its start, `memory` in bytes, its own processes included."""

    seconds: float
    memory: int | None = None


@dataclass(frozen=True)
class Task:
    """One call of the target in a worker of its own.

    Tasks with equal keys run once. `needs` are keys of tasks submitted earlier, whose values the request receives.
    `preload` forks from the server that has imported torch. An `exclusive` task runs while no other does. `log` is the
    file that receives the worker's output; `title` names the task in messages.
    """

    key: str
    title: str
    request: Mapping[str, Any]
    limits: Limits
    log: str
    needs: tuple[str, ...] = ()
    start: Start = "fork"
    preload: bool = True
    exclusive: bool = False

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Task:
        """The task that `to_json` wrote."""
        return cls(**{**fields, "limits": Limits(**fields["limits"]), "needs": tuple(fields["needs"])})

    def to_json(self) -> dict[str, Any]:
        """The fields as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Outcome:
    """How a task ended: `value` is what the target returned, or `error` says why there is none.

    `seconds` is the life of the worker; `log` the file of its output; `reused` says that a stored result was found.
    """

    key: str
    value: dict[str, Any] | None = None
    error: ErrorRecord | None = None
    seconds: float = 0.0
    log: str = ""
    reused: bool = False

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Outcome:
        """The outcome that `to_json` wrote."""
        error = fields["error"]
        return cls(**{**fields, "error": None if error is None else ErrorRecord.from_json(error)})

    def to_json(self) -> dict[str, Any]:
        """The fields as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Ending:
    """How a worker ended that sent no result: what happened, the next step, and the key of the spec that it is about."""

    message: str
    advice: str = ""
    key: str = ""


@dataclass(frozen=True)
class Surroundings:
    """What every worker of a session shares: the target as `module:function`, its folder, and where it imports from."""

    target: str
    root: str
    python_path: tuple[str, ...]

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Surroundings:
        """The surroundings that `asdict` wrote."""
        return cls(fields["target"], fields["root"], tuple(fields["python_path"]))


def not_run(title: str, error: ErrorRecord) -> ErrorRecord:
    """The record for a task that needs the failed one called `title`: it names the root, not each task between."""
    kind = DependencyError.__name__
    if error.kind == kind:
        return error
    return replace(error, kind=kind, message=f"not run, because {title} failed: {error.message}")


def internal_error(error: BaseException) -> ErrorRecord:
    """The record of an exception that nobody expected: a bug, so it carries its traceback."""
    lines = traceback.format_exception(error)
    return ErrorRecord("InternalError", f"{type(error).__name__}: {error}", details="".join(lines))


def exit_error(error: SystemExit, root: Path) -> ErrorRecord:
    """The record of user code that has ended its process politely."""
    return ErrorRecord(
        WorkerError.__name__,
        f"the worker ended without a result (exit code {exit_code(error)}): sys.exit at {users_place(error, root)}",
        advice="a training must return; raise an exception where something is wrong",
        details=users_traceback(error),
    )


def exit_code(error: SystemExit) -> int:
    """The exit code of the process that `error` ends."""
    return error.code & 0xFF if isinstance(error.code, int) else int(error.code is not None)
