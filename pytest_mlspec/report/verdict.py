"""One answer as text: what a failure shows, what `-vv` shows of a pass, and its properties in a JUnit file."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_mlspec.check import Verdict
from pytest_mlspec.session import Answer

FACTS_SHOWN = 30


def failure_text(answer: Answer) -> str:
    """A red answer: place, claim and what was measured on the first line, then facts, the next step and the log."""
    verdict = answer.verdict
    basis = f" ({text})" if (text := _basis(verdict)) else ""
    lines = [f"{answer.place}  {answer.claim.name} {verdict.status.upper()}: {verdict.summary}{basis}"]
    lines += (f"  {fact}" for fact in verdict.facts[:FACTS_SHOWN])
    if len(verdict.facts) > FACTS_SHOWN:
        lines.append(f"  … {len(verdict.facts) - FACTS_SHOWN} more lines")
    lines.append(f"  claim: {answer.claim.sentence}")
    lines += (f"  next: {advice}" for advice in verdict.advice)
    if answer.evidence:
        lines.append(f"  evidence: {' '.join(f'{folder}/' for folder in answer.evidence)}")
    if answer.log:
        lines.append("  log of the job:")
        lines += (f"    {line}" for line in answer.log.splitlines())
    return "\n".join(lines)


def measured_text(answer: Answer) -> str:
    """One line for a claim of any status: what was measured and what is allowed."""
    basis = f" ({text})" if (text := _basis(answer.verdict)) else ""
    reused = ", stored" if answer.reused else ""
    return f"{answer.claim.name} {answer.verdict.status}: {answer.verdict.summary}{basis}{reused}"


def properties(answer: Answer) -> Iterator[tuple[str, str]]:
    """The verdict as name and value, for the properties of a JUnit test case."""
    verdict = answer.verdict
    yield "mlspec.status", str(verdict.status)
    yield "mlspec.summary", verdict.summary
    for name in ("measured", "allowed", "unit", "n", "seed", "device"):
        value = getattr(verdict, name)
        if value not in (None, ""):
            yield f"mlspec.{name}", str(value)


def _basis(verdict: Verdict) -> str:
    """What the measurement rests on: seed, number of rows, device."""
    parts = [
        *([f"seed {verdict.seed}"] if verdict.seed is not None else []),
        *([f"n={verdict.n}"] if verdict.n is not None else []),
        *([verdict.device] if verdict.device else []),
    ]
    return ", ".join(parts)
