"""One answer as text: what a failure shows, and its properties in a JUnit file."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_mlspec.check import Verdict
from pytest_mlspec.diagnosis import symptoms_of
from pytest_mlspec.report.cost import cost_text
from pytest_mlspec.session import Answer

COST = "mlspec.training"
"""The property of a training behind a claim: what it cost, in a line."""

NOTE = "mlspec.note"
"""The property of what was noted on the way to a claim: by a training, or as a warning of Python, in a line."""

FACT = "mlspec.fact"
"""The property of what a claim that passed tells beside its measurement, in a line."""

FINDING = "mlspec.finding"
"""The property of the name of something that a red claim has found."""

SYMPTOM = "mlspec.symptom"
"""The property of a trait of the loss curve behind a claim: its name, a blank, and the figures."""

FACTS_SHOWN = 30


def failure_text(answer: Answer) -> str:
    """A red answer: place, claim and what was measured on the first line, then facts and the next step.

    One line where another claim tells the cause.
    """
    head, *lines = verdict_lines(answer.claim.name, answer.verdict, answer.claim.sentence)
    head = f"{answer.place}  {head}"
    if answer.told_with:
        return f"{head}; told in full with {answer.told_with}"
    lines = [head, *lines]
    if answer.evidence:
        lines.append(f"  evidence: {' '.join(f'{folder}/' for folder in answer.evidence)}")
    if answer.log_file:
        lines.append(f"  log: {answer.log_file}")
    return "\n".join(lines)


def verdict_lines(name: str, verdict: Verdict, sentence: str) -> list[str]:
    """A verdict in lines: the claim and what was measured, then facts, what was claimed, and the next step."""
    rests_on = basis(verdict.seed, verdict.n, verdict.device)
    left_out = len(verdict.facts) - FACTS_SHOWN
    return [
        f"{name} {verdict.status.upper()}: {verdict.summary}{rests_on}",
        *(f"  {fact}" for fact in verdict.facts[:FACTS_SHOWN]),
        *([f"  … {left_out} more lines"] if left_out > 0 else []),
        f"  claim: {sentence}",
        *(f"  next: {advice}" for advice in verdict.advice),
    ]


def properties(answer: Answer) -> Iterator[tuple[str, str]]:
    """The verdict as name and value, for the properties of a JUnit test case."""
    verdict = answer.verdict
    yield "mlspec.status", str(verdict.status)
    yield "mlspec.summary", verdict.summary
    for name in ("measured", "allowed", "unit", "n", "seed", "device"):
        value = getattr(verdict, name)
        if value not in (None, ""):
            yield f"mlspec.{name}", str(value)
    if answer.evidence:
        yield "mlspec.evidence", " ".join(answer.evidence)
        yield "mlspec.reused", "true" if answer.reused else "false"
    for fact in () if verdict.status.red else verdict.facts[:FACTS_SHOWN]:
        yield FACT, fact
    for finding in verdict.findings:
        yield FINDING, finding
    for symptom in () if answer.declared is None else symptoms_of(answer.declared):
        yield SYMPTOM, f"{symptom.name} {symptom.told}"
    for title, run in answer.trainings.items():
        if cost := cost_text(title, run):
            yield COST, cost
        for note in run.notes:
            yield NOTE, f"{title}: {note}"
    for warning in answer.warnings:
        yield NOTE, warning


def basis(seed: object, n: object, device: object) -> str:
    """What the measurement rests on, in brackets: seed, number of rows, device."""
    parts = [f"{name}{value}" for name, value in (("seed ", seed), ("n=", n), ("", device)) if value not in (None, "")]
    return f" ({', '.join(parts)})" if parts else ""
