"""`properties` is green only where batches were tried, and none broke anything."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_mlspec.check import CHECKS, Status, Verdict
from pytest_mlspec.checks.properties import PropertiesParams, properties
from pytest_mlspec.evidence import Search, Violation
from pytest_mlspec.jobs import SearchProperties

HEALTHY = Search(batches=30, rows=120, properties=("answered", "finite", "contract", "independent"))
EMPTY_TEXT = Violation("finite", "the prediction for row 1 of 1 is not finite", ("row 17 with review = ''",))


def judged(**changes: Any) -> Verdict:
    return properties(PropertiesParams(), replace(HEALTHY, **changes))


def test_batches_that_break_nothing_pass() -> None:
    """How many, and what was tried."""
    verdict = judged()

    assert verdict.status is Status.PASSED
    assert verdict.summary == "30 batches keep answered, finite, contract, independent"
    assert verdict.n == 120


def test_a_broken_property_fails_with_its_rows() -> None:
    """The property, what happened, and the smallest batch."""
    verdict = judged(violation=EMPTY_TEXT)

    assert verdict.status is Status.FAILED
    assert verdict.summary == "finite: the prediction for row 1 of 1 is not finite"
    assert verdict.facts == ("row 17 with review = ''",)
    assert verdict.findings == ("properties.finite",)
    assert "mean of nothing" in verdict.advice[0]


def test_a_broken_invariance_is_one_finding() -> None:
    """Whichever the spec declares."""
    verdict = judged(violation=replace(EMPTY_TEXT, property="scale 2"))

    assert verdict.findings == ("properties.invariant",)
    assert "`invariant`" in verdict.advice[0]


def test_what_an_earlier_run_found_is_told() -> None:
    """It was the first to be tried."""
    assert "an earlier run found this batch" in judged(violation=EMPTY_TEXT, remembered=True).facts[1]


@pytest.mark.parametrize("changes", [{"batches": 0}, {"batches": 30, "refused": 30}, {"properties": ()}])
def test_nothing_tried_is_an_error(changes: dict[str, Any]) -> None:
    """No batch, none that was taken, or nothing that it could break."""
    assert judged(**changes).status is Status.ERROR


def test_batches_that_are_refused_are_counted() -> None:
    """The others pass, and what could not be tried is told."""
    verdict = judged(refused=3, left_out=("pad was not tried",))

    assert verdict.status is Status.PASSED
    assert verdict.summary.startswith("27 batches keep")
    assert verdict.facts == ("3 more were refused by the preparation", "pad was not tried")


def test_what_the_spec_asks_reaches_the_search() -> None:
    """So that another tolerance is another search."""
    needs = CHECKS.find("properties").needs(PropertiesParams(examples=5, beyond=True, tolerance=0.5))

    assert needs == {"search": SearchProperties(5, beyond=True, tolerance=0.5)}
