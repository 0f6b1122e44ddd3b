"""Comparisons demand a finite number first; a check is registered whole or not at all."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from pydantic import ValidationError

from pytest_mlspec import check as module
from pytest_mlspec.check import (
    Check,
    NoParams,
    Params,
    Status,
    Verdict,
    at_least,
    at_most,
    check,
    errored,
    failed,
    not_applicable,
    passed,
    shown,
    within,
)
from pytest_mlspec.errors import MlspecError
from pytest_mlspec.evidence import ConstantPrediction, TrainingRun
from pytest_mlspec.jobs import ConstantLoss, Train
from pytest_mlspec.registry import Registry


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float64("nan")])
@pytest.mark.parametrize("compare", [lambda v: at_least(v, 0), lambda v: at_most(v, 0), lambda v: within(v, 0, 1)])
def test_a_number_that_is_not_finite_meets_no_bound(compare: Callable[[float], Verdict], value: float) -> None:
    """It is an error, in whatever direction."""
    verdict = compare(value)

    assert verdict.status is Status.ERROR
    assert f"{float(value)} is not a finite number" in verdict.summary
    assert verdict.measured is None


@pytest.mark.parametrize("compare", [lambda v: at_least(v, 0), lambda v: at_most(v, 0), lambda v: within(v, 0, 1)])
def test_what_was_not_measured_meets_no_bound(compare: Callable[[float | None], Verdict]) -> None:
    """It is an error that says so."""
    verdict = compare(None)

    assert verdict.status is Status.ERROR
    assert verdict.summary.startswith("was not measured, ")


@pytest.mark.parametrize("bound", [math.nan, math.inf])
def test_a_bound_that_is_not_finite_is_a_bug(bound: float) -> None:
    """It would be met by every number, or by none."""
    with pytest.raises(MlspecError, match="a bound must be a finite number"):
        at_most(0.5, bound)


@pytest.mark.parametrize(
    ("verdict", "status", "summary"),
    [
        (at_least(0.9, 0.9), Status.PASSED, "0.9, at least 0.9"),
        (at_least(0.95, 0.9), Status.PASSED, "0.95, at least 0.9"),
        (at_least(0.85, 0.9), Status.FAILED, "0.85, at least 0.9"),
        (at_most(30, 30, unit="s"), Status.PASSED, "30 s, at most 30 s"),
        (at_most(30.5, 30, unit="s"), Status.FAILED, "30.5 s, at most 30 s"),
        (within(0.1, 0.1, 0.2), Status.PASSED, "0.1, between 0.1 and 0.2"),
        (within(0.2, 0.1, 0.2), Status.PASSED, "0.2, between 0.1 and 0.2"),
        (within(0.3, 0.1, 0.2), Status.FAILED, "0.3, between 0.1 and 0.2"),
        (at_most(0.25, 0.1, of="loss"), Status.FAILED, "loss 0.25, at most 0.1"),
        (at_most(None, 0.1, of="loss"), Status.ERROR, "loss was not measured, at most 0.1"),
        (at_least(0, 0), Status.PASSED, "0, at least 0"),
    ],
)
def test_a_bound_itself_is_allowed(verdict: Verdict, status: Status, summary: str) -> None:
    """The summary has the measured value and what is allowed, with the unit."""
    assert (verdict.status, verdict.summary) == (status, summary)


@pytest.mark.parametrize(
    ("verdict", "summary"),
    [
        (at_least(0.95121, 0.95123), "0.95121, at least 0.95123"),
        (at_least(0.9, np.nextafter(0.9, 1)), "0.9, at least 0.9000000000000001"),
        (at_most(np.float64(1.00001), 1.0), "1.00001, at most 1"),
        (within(0.10001, 0.10002, 0.2), "0.10001, between 0.10002 and 0.2"),
        (at_most(1234.5678, 1234.5677, unit="ms"), "1234.5678 ms, at most 1234.5677 ms"),
    ],
)
def test_a_failure_shows_on_which_side_the_value_lies(verdict: Verdict, summary: str) -> None:
    """With as many digits as it takes, of both."""
    assert (verdict.status, verdict.summary) == (Status.FAILED, summary)


def test_a_verdict_has_its_facts_as_data() -> None:
    """The same as in its summary."""
    verdict = at_most(31, 30, unit="s").on(n=360, seed=0, device="cpu")

    assert (verdict.measured, verdict.allowed, verdict.unit) == (31.0, "at most 30 s", "s")
    assert (verdict.n, verdict.seed, verdict.device) == (360, 0, "cpu")
    assert verdict.on(n=2) == at_most(31, 30, unit="s").on(n=2, seed=0, device="cpu")


def test_advice_is_for_what_is_red() -> None:
    """Nothing is to be done about what passes; empty facts are left out."""
    assert passed("fine").explained("fact", "", advice="repair it") == Verdict(Status.PASSED, "fine", facts=("fact",))
    assert failed("bad").explained(advice="repair it").advice == ("repair it",)


@pytest.mark.parametrize(
    ("verdict", "red"),
    [
        (passed(""), False),
        (failed(""), True),
        (errored(""), True),
        (Verdict(Status.INCONCLUSIVE, ""), True),
        (not_applicable(""), False),
        (Verdict(Status.SKIPPED, ""), False),
    ],
)
def test_what_is_not_known_to_hold_is_red(verdict: Verdict, red: bool) -> None:
    """What was not asked is not."""
    assert verdict.status.red is red


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.5, "-0.5"),
        (1e20, "1e+20"),
        (123456789, "123456789"),
        (0.000123456, "0.0001235"),
        (math.nan, "nan"),
    ],
)
def test_numbers_are_shown_short(value: float, text: str) -> None:
    """Whole ones in full."""
    assert shown(value) == text


# Registration


class StepsParams(Params):
    """One parameter."""

    steps: int = 5


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry[Check]:
    """A registry of its own for each test."""
    own: Registry[Check] = Registry("check")
    monkeypatch.setattr(module, "CHECKS", own)
    return own


def test_a_check_is_registered_with_its_claim_and_its_jobs(registry: Registry[Check]) -> None:
    """The claim is the first line of its docstring; the function stays what it is."""

    @check("quick", needs=lambda params: {"run": Train(steps=params.steps)})
    def quick(params: StepsParams, run: TrainingRun) -> Verdict:
        """It is quick.

        More about it.
        """
        return at_most(run.steps, params.steps)

    found = registry.find("quick")

    assert (found.claim, found.params, found.judge) == ("It is quick.", StepsParams, quick)
    assert found.needs(StepsParams(steps=9)) == {"run": Train(steps=9)}


def test_a_name_is_taken_once() -> None:
    """The second check of a name is refused."""

    def claim(params: NoParams) -> Verdict:
        """It holds."""
        return passed("")

    check("twice", needs=lambda params: {})(claim)

    with pytest.raises(MlspecError, match="check 'twice' is registered twice"):
        check("twice", needs=lambda params: {})(claim)


def without_docstring(params: NoParams) -> Verdict:
    return passed("")


def without_params() -> Verdict:
    """It holds."""
    return passed("")


def of_another_type(params: Fraction) -> Verdict:
    """It holds."""
    return passed("")


def of_a_constant(params: NoParams, constant: ConstantPrediction) -> Verdict:
    """It holds."""
    return passed("")


@pytest.mark.parametrize(
    ("judge", "message"),
    [
        (without_docstring, "check 'x': the first line of its docstring is the claim that users read; it has none"),
        (without_params, "check 'x': its first argument must be annotated with a subclass of Params"),
        (of_another_type, "check 'x': its first argument must be annotated with a subclass of Params"),
        (of_a_constant, "check 'x': it takes ['constant'] and needs ['run']; these must be the same"),
    ],
)
def test_a_check_that_is_not_whole_is_refused(
    registry: Registry[Check], judge: Callable[..., Verdict], message: str
) -> None:
    """When it is registered, not when it is asked."""
    with pytest.raises(MlspecError) as caught:
        check("x", needs=lambda params: {"run": ConstantLoss()})(judge)

    assert caught.value.message == message
    assert len(registry) == 0


@pytest.mark.parametrize("given", [{"steps": "5"}, {"steps": True}, {"steps": 5.0}, {"stepz": 5}])
def test_parameters_are_strict(given: dict[str, object]) -> None:
    """As the spec itself."""
    with pytest.raises(ValidationError):
        StepsParams.model_validate(given)
