"""Why a claim could not be judged: the error of one job, told in full with one claim and in a line with the others."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_mlspec.errors import ErrorRecord


@dataclass(frozen=True)
class Cause:
    """What a job told that gave no evidence.

    `job` is its title, empty where no job failed; `log` the file of its output; `asked` says that the claim asked for this
    job itself, not for one that needs it.
    """

    error: ErrorRecord
    job: str = ""
    log: str = ""
    asked: bool = True

    @property
    def here(self) -> str:
        """The summary of the claim that tells it in full."""
        if self.error.key:
            return f"{self.error.key}: {self.error.message}"
        return self.error.message if self.asked else self.elsewhere

    @property
    def elsewhere(self) -> str:
        """The summary of the other claims."""
        if self.error.key:
            return f"not run, because {self.here}"
        return f"not run, because {self.job} failed: {self.error.message}"

    def is_that_of(self, other: Cause) -> bool:
        """Whether both are one: two jobs that met the same mistake tell the same."""
        return self.error == other.error
