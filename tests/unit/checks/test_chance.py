"""`chance` is red where shuffled targets of held-out rows are told, and not applicable where too few rows could tell."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_mlspec.check import Status, Verdict
from pytest_mlspec.checks.chance import ChanceParams, chance
from pytest_mlspec.evidence import Agreement

TEN = (36,) * 10
HEALTHY = Agreement("test", 360, 1437, 200, hits=38, predicted=TEN, true=TEN, correlations=(0.01, -0.05, 0.1))


def judged(params: ChanceParams | None = None, **changes: Any) -> Verdict:
    return chance(params or ChanceParams(), replace(HEALTHY, **changes))


def test_an_agreement_by_chance_passes() -> None:
    """With what was told, and what chance gives."""
    verdict = judged()

    assert verdict.status is Status.PASSED
    assert verdict.facts == (
        "highest rank correlation with shuffled targets 0.1",
        "38 of 360 shuffled targets told, 36 by chance",
        "trained on 1437 rows for 200 steps",
    )
    assert verdict.n == 360


def test_told_classes_fail() -> None:
    """100 of 360 where chance gives 36."""
    verdict = judged(hits=100, correlations=())

    assert verdict.status is Status.FAILED
    assert verdict.summary.startswith("probability of the agreement by chance: ")
    assert "at least 1e-06" in verdict.summary
    assert verdict.findings == ("chance.told",)
    assert "fit_prepare" in verdict.advice[0]


def test_told_values_fail() -> None:
    """A rank correlation of 0.4 in 360 rows."""
    assert judged(hits=None, predicted=(), true=(), correlations=(0.4,)).status is Status.FAILED


def test_one_probability_that_tells_its_class_fails() -> None:
    """However many classes are looked at."""
    assert judged(correlations=(*[0.0] * 9, 0.4)).status is Status.FAILED


def test_what_counts_as_chance_can_be_replaced() -> None:
    """A larger share of false alarms sees smaller leaks."""
    assert judged(ChanceParams(by_chance_at_least=0.01), hits=60).status is Status.FAILED
    assert judged(hits=60).status is Status.PASSED


@pytest.mark.parametrize("rows", [2, 12])
def test_few_rows_might_all_be_told_by_chance(rows: int) -> None:
    """Then no agreement would be red: it is not asked."""
    half = (rows // 2, rows // 2)
    verdict = judged(rows=rows, hits=rows, predicted=half, true=half, correlations=())

    assert verdict.status is Status.NOT_APPLICABLE
    assert verdict.summary == f"too few rows: all {rows} of test might be told by chance"


def test_one_class_alone_tells_nothing() -> None:
    """Every order of equal targets is the same."""
    assert judged(hits=360, predicted=(360, 0), true=(360, 0), correlations=()).status is Status.NOT_APPLICABLE


def test_no_rows_are_an_error() -> None:
    """Nothing was scored."""
    assert judged(rows=0).status is Status.ERROR


def test_nothing_measured_is_an_error() -> None:
    """Neither hits nor a correlation."""
    assert judged(hits=None, correlations=()).status is Status.ERROR


def test_predictions_that_are_all_equal_pass_by_their_hits() -> None:
    """Their correlation has no value; a model that says one class knows nothing."""
    verdict = judged(hits=36, predicted=(360, *[0] * 9), correlations=())

    assert verdict.status is Status.PASSED
