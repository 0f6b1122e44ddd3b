"""`reference_step` is red for what is a mistake whatever was meant, and for what differs from what is declared."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from pytest_mlspec.check import Status
from pytest_mlspec.checks.reference_step import ReferenceStepParams, reference_step
from pytest_mlspec.diagnosis import SUSPECTS
from pytest_mlspec.evidence import ComparedPart, StepComparison
from pytest_mlspec.jobs import ReferenceStep

DEFAULT = ReferenceStepParams()

GRADIENTS = ComparedPart(
    part="gradients",
    reference="cross_entropy (train.loss)",
    declared="written",
    difference=0.0,
    tolerance=1e-6,
    parameter="hidden.weight",
    step=2,
    ratio=1.0,
    cosine=1.0,
)
UPDATE = replace(GRADIENTS, part="update", reference="adamw, lr 0.01 (train.optimizer)")


def compared(*parts: ComparedPart, **changes: Any) -> StepComparison:
    """Three steps of 64 rows whose parts were compared."""
    return replace(StepComparison(parts, (), rows=192, steps=3, dtype="float64"), **changes)


def test_equal_parts_pass() -> None:
    """Each names its reference, and what was measured and allowed."""
    verdict = reference_step(DEFAULT, compared(GRADIENTS, UPDATE))

    assert verdict.status is Status.PASSED
    assert verdict.summary == "gradients, update as in the reference, over 3 steps in float64"
    assert verdict.facts[:3] == (
        "gradients: cross_entropy (train.loss)",
        "update: adamw, lr 0.01 (train.optimizer)",
        "gradients differ from cross_entropy (train.loss) by 0, at most 1e-06",
    )
    assert verdict.n == 192


@pytest.mark.parametrize(("difference", "status"), [(1e-6, Status.PASSED), (1.001e-6, Status.FAILED)])
def test_a_difference_may_reach_its_tolerance(difference: float, status: Status) -> None:
    """Which is that of the precision."""
    assert reference_step(DEFAULT, compared(replace(GRADIENTS, difference=difference))).status is status


def test_a_mistake_fails_with_its_name_its_numbers_and_the_next_step() -> None:
    """The reference and where it is largest are facts."""
    part = replace(
        GRADIENTS, difference=0.984375, ratio=64.0, explained_by="sum_for_mean", detail="64 times as large, of 64 rows"
    )
    verdict = reference_step(DEFAULT, compared(part, UPDATE))

    assert verdict.status is Status.FAILED
    assert verdict.summary == "a sum in the place of a mean: gradients differ by 0.9844, at most 1e-06"
    assert verdict.findings == ("reference_step.scale",)
    assert verdict.facts == (
        "reference: cross_entropy (train.loss)",
        "64 times as large, of 64 rows",
        "step 2, most in hidden.weight; all together 64 times as long, cosine 1",
    )
    assert verdict.advice == ("reduction='mean', or divide by the number of rows",)


MISTAKES = (
    "leftover late cleared ascends detached not_unscaled clipped_before_unscale sum_for_mean mean_twice not_divided"
    " backward_twice micro_batches rows_left_out softmax_before sigmoid_before broadcast truncated_targets"
    " weights_reordered weights_missing padding_counted other_targets decay_twice stepped_twice state_lost"
)


@pytest.mark.parametrize("name", MISTAKES.split())
def test_a_mistake_fails_whatever_is_declared(name: str) -> None:
    """Nobody means it; and a cause is known for what is found."""
    verdict = reference_step(
        DEFAULT, compared(replace(GRADIENTS, difference=0.5, declared="implied", explained_by=name))
    )

    assert verdict.status is Status.FAILED
    assert [suspect.name for suspect in SUSPECTS if suspect.told_by.get(verdict.findings[0], 0) >= 2]


MEANT = ["soft_targets", "class_weights", "rows_weighted", "sum_of_outputs", "another_loss", "penalty"]


@pytest.mark.parametrize("name", [*MEANT, "", "scaled"])
def test_what_may_be_meant_fails_where_something_else_is_declared(name: str) -> None:
    """By the spec, or by the check's own parameter; the advice is how to declare it."""
    for declared in ("written", "asked"):
        part = replace(GRADIENTS, difference=0.5, declared=declared, explained_by=name)
        verdict = reference_step(DEFAULT, compared(part))

        assert verdict.status is Status.FAILED
        assert "reference_step: {loss:" in verdict.advice[0]
        assert [suspect.name for suspect in SUSPECTS if suspect.told_by.get(verdict.findings[0], 0) >= 2]


@pytest.mark.parametrize("name", [*MEANT, "", "scaled"])
def test_what_may_be_meant_is_not_judged_where_nothing_declares_it(name: str) -> None:
    """It is no pass either: the reason tells how to declare it."""
    part = replace(
        GRADIENTS, difference=0.5, declared="implied", reference="cross_entropy (the default)", explained_by=name
    )
    verdict = reference_step(DEFAULT, compared(part))

    assert verdict.status is Status.NOT_APPLICABLE
    assert verdict.summary.startswith("gradients are not those of cross_entropy (the default): ")
    assert verdict.summary.endswith("say what it should be: `reference_step: {loss: …}`")


def test_other_parts_still_pass_beside_one_that_is_not_judged() -> None:
    """Which stands among the facts."""
    part = replace(GRADIENTS, difference=0.5, declared="implied", explained_by="penalty")
    verdict = reference_step(DEFAULT, compared(part, UPDATE))

    assert verdict.status is Status.PASSED
    assert verdict.summary == "update as in the reference, over 3 steps in float64"
    assert verdict.facts[-1].startswith("not compared: gradients are not those of")


@pytest.mark.parametrize(
    "name", ["other_rate", "other_decay", "other_settings", "another_optimizer", "decay_beside", "scaled"]
)
def test_an_update_that_is_not_the_declared_one_fails(name: str) -> None:
    """Given equal gradients."""
    part = replace(UPDATE, difference=0.5, explained_by=name)
    verdict = reference_step(DEFAULT, compared(GRADIENTS, part))

    assert verdict.status is Status.FAILED
    assert "update differs by 0.5, at most 1e-06" in verdict.summary
    assert "reference_step: {optimizer:" in verdict.advice[0]


@pytest.mark.parametrize("name", ["other_norm", "not_clipped", "by_value", "scaled", ""])
def test_clipping_that_is_not_the_declared_one_fails(name: str) -> None:
    """With its own finding."""
    part = replace(GRADIENTS, part="clipping", reference="clip_norm 1", difference=0.5, explained_by=name)
    verdict = reference_step(DEFAULT, compared(GRADIENTS, part))

    assert verdict.status is Status.FAILED
    assert verdict.findings == ("reference_step.clip",)


def test_weights_that_are_held_to_a_constraint_contradict_no_spec() -> None:
    """There is no key for one."""
    part = replace(UPDATE, difference=0.5, explained_by="weights_changed", detail="weights change beside it")

    assert reference_step(DEFAULT, compared(GRADIENTS, part)).status is Status.PASSED
    assert reference_step(DEFAULT, compared(part)).summary == "update: weights change beside it"


def test_several_faults_are_told_together() -> None:
    """The first gives the summary."""
    late = replace(GRADIENTS, difference=1.2, explained_by="late")
    verdict = reference_step(DEFAULT, compared(late, replace(UPDATE, difference=0.1, explained_by="other_rate")))

    assert verdict.findings == ("reference_step.late", "reference_step.rate")
    assert any("another learning rate" in fact for fact in verdict.facts)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("declared", ["written", "implied"])
def test_a_difference_that_is_not_finite_is_an_error(value: float, declared: Any) -> None:
    """It is neither equal nor meant."""
    part = replace(GRADIENTS, difference=value, declared=declared)

    assert reference_step(DEFAULT, compared(part, UPDATE)).status is Status.ERROR


@pytest.mark.parametrize("changes", [{"rows": 0}, {"steps": 0}])
def test_no_step_is_an_error(changes: dict[str, int]) -> None:
    """Nothing was compared."""
    assert reference_step(DEFAULT, compared(GRADIENTS, **changes)).status is Status.ERROR


def test_nothing_compared_is_not_applicable_with_each_reason() -> None:
    """By part."""
    verdict = reference_step(DEFAULT, compared(left_out=("gradients: a closure", "update: a closure")))

    assert verdict.status is Status.NOT_APPLICABLE
    assert verdict.summary == "gradients: a closure; update: a closure"


def test_a_part_may_be_left_out() -> None:
    """Such as the gradients of a step with losses of its own."""
    part = replace(GRADIENTS, difference=0.5)
    verdict = reference_step(ReferenceStepParams(leave_out=("gradients",)), compared(part, UPDATE))

    assert verdict.status is Status.PASSED
    assert verdict.facts[-1] == "not compared: gradients: left out by the spec"


def test_a_part_with_another_name_is_an_error() -> None:
    """A misspelt one would leave nothing out."""
    verdict = reference_step(ReferenceStepParams(leave_out=("gradient",)), compared(GRADIENTS))

    assert verdict.status is Status.ERROR
    assert verdict.advice == ("did you mean 'gradients'?",)


def test_parameters_are_read_as_yaml_gives_them_and_stay_hashable() -> None:
    """A name stands for a mapping with `use`."""
    params = ReferenceStepParams.model_validate(
        {"loss": "mse", "optimizer": {"use": "adamw", "lr": 1e-3}, "clip_norm": 1.0}
    )

    assert hash(params)
    assert ReferenceStep(params.loss, params.optimizer, params.clip_norm) == ReferenceStep(
        '{"use": "mse"}', '{"lr": 0.001, "use": "adamw"}', 1.0
    )


def test_a_mapping_without_use_is_refused() -> None:
    """It names nothing."""
    with pytest.raises(ValidationError, match="`use`"):
        ReferenceStepParams.model_validate({"loss": {"label_smoothing": 0.1}})
