"""What is probably wrong when checks fail: suspects in order, each with the evidence for and against it.

A suspect is told by findings of red checks and by traits of the loss curve, each with a weight, and is spoken against by
checks that would have seen it and passed. The weights are judgements of how telling a finding is, not probabilities;
`benchmarks/faults` measures how often the true cause is among the first three.

    curve.py  traits of a training's history;  suspects.py  the table
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pytest_mlspec.check import Status
from pytest_mlspec.diagnosis.curve import Symptom, symptoms_of
from pytest_mlspec.diagnosis.suspects import SUSPECTS, Suspect

__all__ = ["SUSPECTS", "Likely", "Observed", "Suspect", "Symptom", "diagnose", "symptoms_of"]

_SPEAKS_AGAINST = 1.0
"""What a check that would have seen a suspect, and passed, takes from its score."""


@dataclass(frozen=True)
class Observed:
    """One claim as it ended: its name and status, and where it is red its summary and the names of what it found."""

    claim: str
    status: Status
    summary: str = ""
    findings: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """What the table may know it by: the check, or `gate` and what is measured (`latency`), and what it found.

        One that could not be judged tells of no suspect by its name.
        """
        if self.status is Status.ERROR:
            return self.findings
        measured, _, rest = self.claim.partition(".")
        return (*(("gate", measured) if rest else (self.claim,)), *self.findings)


@dataclass(frozen=True)
class Likely:
    """A suspect with what speaks for it and against it; the highest score is the likeliest."""

    suspect: Suspect
    score: float
    told_by: tuple[str, ...]
    against: tuple[str, ...] = ()


def diagnose(claims: Iterable[Observed], symptoms: Iterable[Symptom] = (), *, most: int = 3) -> Sequence[Likely]:
    """The `most` likely suspects, the likeliest first; none where no claim is red, or nothing that is known speaks for one."""
    ended = list(claims)
    red = [claim for claim in ended if claim.status.red]
    if not red:
        return []
    passed = {claim.claim for claim in ended if claim.status is Status.PASSED}
    told = {name: f"{claim.claim}: {claim.summary}" for claim in red for name in claim.names}
    told |= {symptom.name: symptom.told for symptom in symptoms}
    found = [likely for suspect in SUSPECTS if (likely := _held_against(suspect, told, passed))]
    return sorted(found, key=lambda likely: -likely.score)[:most]


def _held_against(suspect: Suspect, told: dict[str, str], passed: set[str]) -> Likely | None:
    """The suspect with its score; None where nothing speaks for it more than against it."""
    speaking = {name: weight for name, weight in suspect.told_by.items() if name in told}
    against = [name for name in suspect.seen_by if name in passed]
    score = sum(speaking.values()) - _SPEAKS_AGAINST * len(against)
    if not speaking or score <= 0:
        return None
    strongest = sorted(speaking, key=lambda name: -speaking[name])
    lines = tuple(dict.fromkeys(told[name] for name in strongest))
    return Likely(suspect, score, lines, tuple(f"{name} passed" for name in against))
