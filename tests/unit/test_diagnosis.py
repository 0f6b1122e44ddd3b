"""Suspects are put in order by what speaks for them and against them."""

from __future__ import annotations

import pytest

from pytest_mlspec.check import Status
from pytest_mlspec.checks import STANDARD
from pytest_mlspec.diagnosis import SUSPECTS, Likely, Observed, Suspect, Symptom, diagnose
from pytest_mlspec.report import diagnosis_lines

LEFTOVER = Observed("gradients", Status.FAILED, "gradients left over change a step by 0.3", ("gradients.leftover",))
HEALTHY = Observed("converges", Status.PASSED, "train loss 0.1, at most 2.1")
STUCK = Symptom("curve.stuck", "the training loss stays near its start, 2.3: 2.29 at the end")


def first(found: list[Likely] | tuple[Likely, ...]) -> str:
    return found[0].suspect.name


def test_the_likeliest_suspect_comes_first_with_its_evidence() -> None:
    """The finding tells it, by the summary of the claim that made it."""
    found = list(diagnose([LEFTOVER, HEALTHY]))

    assert first(found) == "leftover_gradients"
    assert found[0].told_by == ("gradients: gradients left over change a step by 0.3",)


def test_no_red_claim_has_no_causes() -> None:
    """Whatever the curve looks like."""
    assert diagnose([HEALTHY], [STUCK]) == []


def test_a_trait_of_the_curve_speaks_too() -> None:
    """With its figures, in the order of the weights."""
    red = Observed("converges", Status.FAILED, "train loss 2.29, at most 2.07", ("converges.constant",))
    found = diagnose([red], [Symptom("curve.no_rate", "the learning rate is 0 in every step"), STUCK])

    assert first(list(found)) == "rate_too_low"
    assert found[0].told_by[0] == "the learning rate is 0 in every step"


def test_a_check_that_would_have_seen_it_and_passed_speaks_against_it() -> None:
    """The training is long enough where it converges."""
    red = Observed("test.accuracy", Status.FAILED, "0.7, at least 0.9", ("gate",))
    falling = Symptom("curve.falling", "the training loss still falls")
    found = {likely.suspect.name: likely for likely in diagnose([red, HEALTHY], [falling])}

    assert found["too_short"].against == ("converges passed",)


def test_every_suspect_has_its_own_name_and_something_that_tells_it_best() -> None:
    """A suspect that nothing points to would never be named."""
    names = [suspect.name for suspect in SUSPECTS]

    assert len(set(names)) == len(names)
    assert [suspect.name for suspect in SUSPECTS if max(suspect.told_by.values()) < 2] == []


@pytest.mark.parametrize("suspect", SUSPECTS, ids=lambda suspect: suspect.name)
def test_what_tells_a_suspect_best_puts_it_among_the_first_three(suspect: Suspect) -> None:
    """Alone, without any other finding."""
    best = max(suspect.told_by, key=lambda name: suspect.told_by[name])
    red = Observed("some check", Status.FAILED, "", (best,))

    assert suspect in [likely.suspect for likely in diagnose([red])]


def test_the_report_numbers_the_causes_of_each_spec() -> None:
    """Told by the properties of the items, as they cross from the workers of xdist."""
    properties = [
        ("mlspec.status", "failed"),
        ("mlspec.summary", LEFTOVER.summary),
        ("mlspec.finding", "gradients.leftover"),
    ]
    lines = diagnosis_lines([("specs/a.mlspec.yaml::a::gradients", properties), ("tests/test_x.py::test_x", [])])

    assert lines[:4] == [
        "specs/a.mlspec.yaml::a",
        "  1. gradients of earlier steps are not cleared",
        "       gradients: gradients left over change a step by 0.3",
        "       next: zero_grad, before backward in every step",
    ]


def test_standard_checks_are_known() -> None:
    """What a suspect would be seen by is a check that exists."""
    assert {name for suspect in SUSPECTS for name in suspect.seen_by} <= set(STANDARD)
