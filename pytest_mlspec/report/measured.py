"""What the end of a run shows: with `-vv` what was measured, what trainings cost and what was noted; what was recorded.

Made from the properties of the items, which cross from the workers of xdist.
"""

from __future__ import annotations

from collections.abc import Iterable

from pytest_mlspec.report.families import merged
from pytest_mlspec.report.verdict import COST, FACT, NOTE, basis

Properties = Iterable[tuple[str, object]]


def measured_lines(items: Iterable[tuple[str, Properties]]) -> list[str]:
    """A line for each claim among `items`, given by their node ids; then each cost and each note once.

    What is equal for several seeds or folds is one line.
    """
    given = [(name, list(properties)) for name, properties in items]
    claims = [
        line
        for name, properties in given
        if (text := measured_text(properties))
        for line in (f"{name}  {text}", *(f"  {value}" for kind, value in properties if kind == FACT))
    ]
    told = [each for _, properties in given for each in properties]
    costs, notes = (merged(str(value) for name, value in told if name == kind) for kind in (COST, NOTE))
    return [*claims, *costs, *(f"note: {note}" for note in notes)]


def recorded_lines(items: Iterable[tuple[str, Properties]]) -> list[str]:
    """What `--mlspec-update` recorded, a line for each claim `baseline` that passed, and what it tells beside."""
    given = [(name, list(properties)) for name, properties in items if name.endswith("::baseline")]
    return [
        line
        for name, properties in given
        if ("mlspec.status", "passed") in properties
        for line in (
            f"{name}  {dict(properties)['mlspec.summary']}",
            *(f"  {value}" for kind, value in properties if kind == FACT),
        )
    ]


def measured_text(properties: Properties) -> str:
    """One line for a claim of any status: what was measured and what is allowed; empty for what is no claim."""
    values = {name: str(value) for name, value in properties}
    if "mlspec.status" not in values:
        return ""
    rests_on = basis(*(values.get(f"mlspec.{name}") for name in ("seed", "n", "device")))
    reused = ", stored" if values.get("mlspec.reused") == "true" else ""
    return f"{values['mlspec.status']}: {values['mlspec.summary']}{rests_on}{reused}"
