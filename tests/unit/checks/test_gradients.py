"""`gradients` is green only where every parameter that should learn does, and a step clears the gradients before it."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_mlspec.check import Status
from pytest_mlspec.checks.gradients import GradientsParams, gradients
from pytest_mlspec.evidence import ParameterGradient

from .made import flow

DEFAULT = GradientsParams()
HEAD_ONLY = GradientsParams(frozen=("encoder.*",))


def layer(
    name: str, *, gradient_norm: float | None = 0.5, change: float = 0.01, trainable: bool = True, **more: Any
) -> ParameterGradient:
    return ParameterGradient(
        name, elements=100, trainable=trainable, gradient_norm=gradient_norm, change=change, **more
    )


def test_layers_that_learn_pass() -> None:
    """The summary counts parameters and scalars, a fact what gradients left over change."""
    verdict = gradients(DEFAULT, flow())

    assert verdict.status is Status.PASSED
    assert verdict.summary == "2 parameters (650 scalars) get a finite gradient and move"
    assert verdict.facts == ("gradients left over from before the step change it by 0, at most 0",)
    assert verdict.n == 64


def test_a_detached_branch_fails() -> None:
    """Its parameters get no gradient, and are named."""
    verdict = gradients(
        DEFAULT,
        flow(layer("side.weight", gradient_norm=None, change=0.0), layer("side.bias", gradient_norm=None, change=0.0)),
    )

    assert verdict.status is Status.FAILED
    assert verdict.summary == "no gradient for 2 of 4 parameters: side.weight, side.bias"
    assert "detach" in verdict.advice[0]


def test_a_gradient_of_zero_fails() -> None:
    """Weight decay moves such a parameter, so that its change does not excuse it."""
    verdict = gradients(DEFAULT, flow(layer("dead.weight", gradient_norm=0.0)))

    assert verdict.status is Status.FAILED
    assert verdict.summary == "gradient exactly 0 for 1 of 3 parameters: dead.weight"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_fails(value: float) -> None:
    """What follows from it stands among the facts."""
    verdict = gradients(DEFAULT, flow(layer("log.weight", gradient_norm=value, change=value), poisoned=value))

    assert verdict.status is Status.FAILED
    assert verdict.summary == "gradient not finite for 1 of 3 parameters: log.weight"
    assert f"gradients left over from before the step change it by {value} is not a finite number" in verdict.facts[0]


def test_a_value_that_is_not_finite_after_the_step_fails() -> None:
    """The gradient was finite, the step was not."""
    verdict = gradients(DEFAULT, flow(layer("out.weight", change=float("nan"))))

    assert verdict.status is Status.FAILED
    assert verdict.summary == "value not finite after 2 steps for 1 of 3 parameters: out.weight"


def test_a_layer_that_the_optimizer_does_not_hold_fails() -> None:
    """It gets a gradient and stays where it is."""
    verdict = gradients(DEFAULT, flow(layer("body.weight", change=0.0)))

    assert verdict.status is Status.FAILED
    assert verdict.summary == "a gradient but no change in 2 steps for 1 of 3 parameters: body.weight"
    assert "left out of the optimizer" in verdict.advice[0]


def test_a_rate_of_zero_fails_with_its_own_advice() -> None:
    """No parameter moves at all."""
    verdict = gradients(DEFAULT, flow(parameters=(layer("a", change=0.0), layer("b", change=0.0))))

    assert verdict.status is Status.FAILED
    assert "is the learning rate 0" in verdict.advice[0]


def test_a_layer_frozen_by_mistake_fails() -> None:
    """What does not learn must be declared."""
    verdict = gradients(DEFAULT, flow(layer("encoder.weight", trainable=False, gradient_norm=None, change=0.0)))

    assert verdict.status is Status.FAILED
    assert verdict.summary == "requires_grad false, not declared frozen, for 1 of 3 parameters: encoder.weight"
    assert verdict.advice[0].startswith("where that is meant: `train: {freeze: [MODULE]}`")


def test_a_declared_frozen_layer_passes() -> None:
    """It is counted apart from those that learn."""
    verdict = gradients(HEAD_ONLY, flow(layer("encoder.weight", trainable=False, gradient_norm=None, change=0.0)))

    assert verdict.status is Status.PASSED
    assert verdict.facts[0] == "declared frozen and unmoved: encoder.weight"


@pytest.mark.parametrize("change", [1e-12, float("nan")])
def test_a_declared_frozen_layer_that_moves_fails(change: float) -> None:
    """Any change is one too many."""
    verdict = gradients(HEAD_ONLY, flow(layer("encoder.weight", change=change)))

    assert verdict.status is Status.FAILED
    assert verdict.summary == "declared frozen but moved: 1 of 1 parameters: encoder.weight"


def test_a_pattern_that_names_no_parameter_is_an_error() -> None:
    """A misspelt name would leave a layer unguarded."""
    verdict = gradients(GradientsParams(frozen=("hiden.weight",)), flow())

    assert verdict.status is Status.ERROR
    assert verdict.summary == "no parameter is called 'hiden.weight'"
    assert verdict.advice == ("did you mean 'hidden.weight'?",)


def test_zero_grad_left_out_fails() -> None:
    """Gradients left over change the step."""
    verdict = gradients(DEFAULT, flow(poisoned=0.125, poisoned_parameter="hidden.weight"))

    assert verdict.status is Status.FAILED
    assert verdict.summary == "gradients left over from before the step change it by 0.125, at most 0"
    assert verdict.facts == ("the largest change is in hidden.weight",)
    assert verdict.advice == ("is zero_grad called before backward in every step?",)


@pytest.mark.parametrize(("poisoned", "status"), [(0.125, Status.PASSED), (0.1250001, Status.FAILED)])
def test_gradients_left_over_may_reach_a_stated_bound(poisoned: float, status: Status) -> None:
    """A device whose sums differ from run to run needs one."""
    assert gradients(GradientsParams(leftover_at_most=0.125), flow(poisoned=poisoned)).status is status


def test_a_leftover_that_was_not_measured_is_an_error() -> None:
    """NaN is no difference of 0."""
    assert gradients(DEFAULT, flow(poisoned=float("nan"))).status is Status.ERROR


@pytest.mark.parametrize("changes", [{"parameters": ()}, {"rows": 0}, {"steps": 0}])
def test_nothing_measured_is_an_error(changes: dict[str, int]) -> None:
    """No parameter, no row or no step shows nothing."""
    assert gradients(DEFAULT, flow(**changes)).status is Status.ERROR


def test_no_trainable_parameter_is_an_error() -> None:
    """A model that is frozen as a whole cannot learn, declared or not."""
    verdict = gradients(
        GradientsParams(frozen=("*",)), flow(parameters=(layer("a", trainable=False, gradient_norm=None, change=0.0),))
    )

    assert verdict.status is Status.ERROR
    assert verdict.summary == "none of the 1 parameters is trainable"


def test_many_names_are_cut() -> None:
    """Five names, then how many there are."""
    verdict = gradients(DEFAULT, flow(*(layer(f"l{n}", gradient_norm=None) for n in range(9))))

    assert verdict.summary == "no gradient for 9 of 11 parameters: l0, l1, l2, l3, l4, … (9 in all)"


def test_patterns_are_read_as_yaml_gives_them() -> None:
    """YAML gives a list."""
    assert GradientsParams.model_validate({"frozen": ["encoder.*"]}) == HEAD_ONLY


@pytest.mark.parametrize(
    ("parameter", "changes", "finding"),
    [
        (layer("a.weight", symmetric=16), {}, "gradients.symmetric"),
        (layer("a.weight"), {"constant_start": True}, "gradients.symmetric"),
        (layer("a.weight", dtype="bfloat16", lost=0.5), {}, "gradients.dtype"),
        (layer("a.weight"), {"repeated": ("a.weight",)}, "gradients.groups"),
        (layer("a.weight", change=0.0), {"strangers": 4}, "gradients.stale"),
        (layer("a.weight", change=0.0, rate=0.0), {}, "gradients.unmoved"),
        (layer("a.weight"), {"update_ratio": 1001.0}, "gradients.ratio"),
        (layer("a.weight", trainable=False, gradient_norm=None, change=0.0), {}, "gradients.frozen"),
        (layer("a.weight", gradient_norm=0.0), {}, "gradients.zero"),
        (layer("a.weight", gradient_norm=None), {}, "gradients.no_gradient"),
        (layer("a.weight"), {"poisoned": 0.1}, "gradients.leftover"),
    ],
)
def test_each_fault_has_its_finding(parameter: ParameterGradient, changes: dict[str, Any], finding: str) -> None:
    """And no other."""
    verdict = gradients(DEFAULT, flow(parameter, **changes))

    assert verdict.status is Status.FAILED
    assert verdict.findings == (finding,)
    assert verdict.advice


@pytest.mark.parametrize(
    ("parameter", "changes"),
    [
        (layer("a.weight", dtype="bfloat16", lost=0.02), {}),
        (layer("a.weight", dtype="float32", lost=0.5), {}),
        (layer("a.weight", trainable=True, change=0.0, rate=1e-6), {}),
        (layer("a.weight"), {"strangers": 3}),
        (layer("a.weight"), {"update_ratio": 1000.0}),
        (layer("a.weight"), {"update_ratio": None}),
    ],
)
def test_what_may_be_passes(parameter: ParameterGradient, changes: dict[str, Any]) -> None:
    """Few lost updates, one too small to show that the optimizer holds, parameters of a loss, a start at zero."""
    assert gradients(DEFAULT, flow(parameter, **changes)).status is Status.PASSED


@pytest.mark.parametrize(("norm", "status"), [(1e-9, Status.PASSED), (0.9e-9, Status.FAILED)])
def test_gradients_may_differ_by_a_factor(norm: float, status: Status) -> None:
    """Of weights alone: a bias may have any."""
    weights = (layer("first.weight", gradient_norm=norm, is_weight=True), layer("a", gradient_norm=1.0, is_weight=True))
    verdict = gradients(GradientsParams(spread_at_most=1.0000001e9), flow(*weights, layer("bias", gradient_norm=1e-30)))

    assert verdict.status is status
    assert verdict.findings == (() if status is Status.PASSED else ("gradients.norms",))


def test_a_share_that_was_not_measured_is_an_error() -> None:
    """NaN is no share of 0."""
    lost = layer("a.weight", dtype="bfloat16", lost=float("nan"))

    assert gradients(DEFAULT, flow(lost)).status is Status.ERROR
