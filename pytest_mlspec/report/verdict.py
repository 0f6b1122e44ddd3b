"""One answer as text: what a failure shows, what `-vv` shows of a pass, and its properties in a JUnit file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pytest_mlspec.report.cost import cost_text
from pytest_mlspec.session import Answer

COST = "mlspec.training"
"""The property of a training behind a claim: what it cost, in a line."""

FACTS_SHOWN = 30


def failure_text(answer: Answer) -> str:
    """A red answer: place, claim and what was measured on the first line, then facts and the next step."""
    verdict = answer.verdict
    basis = _basis(verdict.seed, verdict.n, verdict.device)
    lines = [f"{answer.place}  {answer.claim.name} {verdict.status.upper()}: {verdict.summary}{basis}"]
    lines += (f"  {fact}" for fact in verdict.facts[:FACTS_SHOWN])
    if len(verdict.facts) > FACTS_SHOWN:
        lines.append(f"  … {len(verdict.facts) - FACTS_SHOWN} more lines")
    lines.append(f"  claim: {answer.claim.sentence}")
    lines += (f"  next: {advice}" for advice in verdict.advice)
    if answer.evidence:
        lines.append(f"  evidence: {' '.join(f'{folder}/' for folder in answer.evidence)}")
    return "\n".join(lines)


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
    for title, run in answer.trainings.items():
        if cost := cost_text(title, run):
            yield COST, cost


def measured_text(properties: Iterable[tuple[str, object]]) -> str:
    """One line for a claim of any status, from its properties: what was measured and what is allowed; empty for no claim."""
    values = {name: str(value) for name, value in properties}
    if "mlspec.status" not in values:
        return ""
    basis = _basis(*(values.get(f"mlspec.{name}") for name in ("seed", "n", "device")))
    reused = ", stored" if values.get("mlspec.reused") == "true" else ""
    return f"{values['mlspec.status']}: {values['mlspec.summary']}{basis}{reused}"


def cost_lines(properties: Iterable[tuple[str, object]]) -> list[str]:
    """What the trainings behind these claims cost, each once."""
    return list(dict.fromkeys(str(value) for name, value in properties if name == COST))


def _basis(seed: object, n: object, device: object) -> str:
    """What the measurement rests on, in brackets: seed, number of rows, device."""
    parts = [f"{name}{value}" for name, value in (("seed ", seed), ("n=", n), ("", device)) if value not in (None, "")]
    return f" ({', '.join(parts)})" if parts else ""
