"""A gate on several trainings, the folds of a cross-validation or several seeds, judges their mean."""

from __future__ import annotations

import math

import pytest
from checks.made import training

from pytest_mlspec.check import Status, Verdict
from pytest_mlspec.evidence import Evidence, Score, ScoreTable
from pytest_mlspec.gates import Gate, judge
from pytest_mlspec.quantities import parse


def judged(name: str, kind: str, *bound: float, scores: list[Score], by: float = 0.0, dummy: float = 0.5) -> Verdict:
    """The verdict where the metric of `name` has these scores, one a training."""
    gate = Gate(parse(name), kind, bound, by)
    (request,) = gate.quantity.requests()
    (of_dummy,) = gate.quantity.requests(of="dummy")
    evidence: dict[str, Evidence] = {}
    for number, score in enumerate(scores, 1):
        evidence[f"run {number}"] = training(seed=number)
        evidence[f"scores {number}"] = ScoreTable({request.key: score, of_dummy.key: Score(dummy, score.rows)})
    return judge(gate, evidence)


FOLDS = [Score(0.7, 100), Score(0.8, 100), Score(0.9, 101)]


@pytest.mark.parametrize(("low", "status"), [(0.79, Status.PASSED), (0.81, Status.FAILED)])
def test_a_cross_validation_is_judged_by_its_mean(low: float, status: Status) -> None:
    """Its deviation, each value and the rows of all folds are told."""
    verdict = judged("cv.accuracy", "at_least", low, scores=FOLDS)

    assert (verdict.status, verdict.n, verdict.seed) == (status, 301, None)
    assert verdict.measured == pytest.approx(0.8)
    assert verdict.facts == ("mean of 3 folds, standard deviation 0.1; each: 0.7, 0.8, 0.9",)


@pytest.mark.parametrize(("high", "status"), [(0.101, Status.PASSED), (0.09, Status.FAILED)])
def test_the_deviation_over_folds_can_be_gated(high: float, status: Status) -> None:
    """With n − 1 in the denominator."""
    verdict = judged("cv_std.accuracy", "at_most", high, scores=FOLDS)

    assert verdict.status is status
    assert verdict.measured == pytest.approx(0.1)
    assert verdict.facts == ("standard deviation over the folds, mean 0.8; each: 0.7, 0.8, 0.9",)


def test_several_seeds_are_judged_by_their_mean() -> None:
    """The rows are those of one training: each sees the same."""
    verdict = judged("test.accuracy", "at_least", 0.79, scores=[Score(0.75, 360), Score(0.85, 360)])

    assert (verdict.status, verdict.n) == (Status.PASSED, 360)
    assert verdict.facts[0].startswith("mean of 2 seeds, standard deviation 0.07071; each: 0.75, 0.85")


@pytest.mark.parametrize(("by", "status"), [(0.3, Status.PASSED), (0.31, Status.FAILED)])
def test_a_lead_is_the_mean_lead(by: float, status: Status) -> None:
    """Over the constant baseline of each fold."""
    verdict = judged("cv.accuracy", "better_than", scores=FOLDS, by=by)

    assert verdict.status is status
    assert verdict.summary.startswith("lead over the constant baseline 0.3")


def test_no_mean_lead_is_not_better() -> None:
    """Without `by`, equal on the whole fails."""
    verdict = judged("cv.accuracy", "better_than", scores=[Score(0.25, 9), Score(0.75, 9)])

    assert (verdict.status, verdict.summary) == (Status.FAILED, "no better than the constant baseline")


@pytest.mark.parametrize(
    "score", [Score(math.nan, 100), Score(None, 100, "0 rows"), Score(0.9, 0), Score(None, 100), Score(math.inf, 9)]
)
@pytest.mark.parametrize("name", ["cv.accuracy", "cv_std.accuracy"])
def test_one_fold_without_a_value_is_an_error(name: str, score: Score) -> None:
    """A mean over the others would not be what was asked."""
    verdict = judged(name, "within", 0.0, 1.0, scores=[FOLDS[0], score])

    assert verdict.status is Status.ERROR
    assert "fold 2 of 2" in verdict.facts
