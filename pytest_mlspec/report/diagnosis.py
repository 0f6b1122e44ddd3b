"""The likely causes at the end of a red run: for each spec, what its red claims and its loss curve point to together.

Made from the properties of the items, which cross from the workers of xdist.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pytest_mlspec.check import Status
from pytest_mlspec.diagnosis import Likely, Observed, Symptom, diagnose
from pytest_mlspec.report.verdict import FINDING, SYMPTOM

Properties = Iterable[tuple[str, object]]


def diagnosis_lines(items: Iterable[tuple[str, Properties]]) -> list[str]:
    """The likely causes of each spec that has some, for items given by their node ids."""
    specs: dict[str, list[tuple[str, list[tuple[str, str]]]]] = {}
    for node, properties in items:
        spec, _, claim = node.rpartition("::")
        specs.setdefault(spec, []).append((claim, [(name, str(value)) for name, value in properties]))
    return [line for spec, claims in specs.items() for line in _of_a_spec(spec, claims)]


def likely_causes(claims: Mapping[str, Properties]) -> list[Likely]:
    """The likely causes for the properties of the claims of one spec, by their names."""
    plain = {name: [(kind, str(value)) for kind, value in properties] for name, properties in claims.items()}
    observed = [_observed(name, properties) for name, properties in plain.items() if _is_judged(properties)]
    symptoms = {value for properties in plain.values() for kind, value in properties if kind == SYMPTOM}
    return list(diagnose(observed, (Symptom(*text.split(" ", 1)) for text in sorted(symptoms))))


def _of_a_spec(spec: str, claims: list[tuple[str, list[tuple[str, str]]]]) -> Iterator[str]:
    found = likely_causes(dict(claims))
    if not found:
        return
    yield spec
    for number, likely in enumerate(found, 1):
        yield f"  {number}. {likely.suspect.title}"
        yield from (f"       {line}" for line in likely.told_by)
        if likely.against:
            yield f"       against it: {', '.join(likely.against)}"
        yield f"       next: {likely.suspect.look}"


def _is_judged(properties: list[tuple[str, str]]) -> bool:
    return any(name == "mlspec.status" for name, _ in properties)


def _observed(claim: str, properties: list[tuple[str, str]]) -> Observed:
    values = dict(properties)
    findings = tuple(value for name, value in properties if name == FINDING)
    return Observed(claim, Status(values["mlspec.status"]), values["mlspec.summary"], findings)
