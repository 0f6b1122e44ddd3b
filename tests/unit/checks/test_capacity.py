"""`capacity` is red for layers that are lost, bounds, a bottleneck, dead units and dropout, and for nothing that is meant."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_mlspec.check import Status
from pytest_mlspec.checks.capacity import CapacityParams, capacity
from pytest_mlspec.evidence import Capacity, Chain, DeadUnits, OutputRange

DEFAULT = CapacityParams()


def model(**changes: Any) -> Capacity:
    """A healthy model of three layers, on 64 rows of 10 classes, with `changes`."""
    healthy = Capacity(
        rows=64,
        layers=3,
        outputs=10,
        classes=10,
        chains=(),
        dead=(DeadUnits("first", units=32, dead=4),),
        spread=1.2,
        affine=0.3,
        narrowest="head",
        width=10,
        rates={"drop": 0.5},
    )
    return replace(healthy, **changes)


def test_a_healthy_model_passes() -> None:
    """It says how many layers were looked at."""
    verdict = capacity(DEFAULT, model())

    assert verdict.status is Status.PASSED
    assert verdict.summary == "3 linear layers and convolutions, none of them lost"
    assert verdict.n == 64


def test_two_layers_without_an_activation_fail() -> None:
    """Both are named."""
    verdict = capacity(DEFAULT, model(chains=(Chain("first", "second"),)))

    assert (verdict.status, verdict.findings) == (Status.FAILED, ("capacity.linear",))
    assert verdict.summary == "no activation between layers first and second"
    assert "put an activation between them" in verdict.advice[0]


def test_pooling_alone_between_layers_is_told() -> None:
    """It is no activation."""
    verdict = capacity(DEFAULT, model(chains=(Chain("first", "second", pooling=True),)))

    assert verdict.summary == "no activation between layers first and second (pooling alone)"


@pytest.mark.parametrize(
    "chain", [Chain("down", "up", narrow=True), Chain("embed.0", "head"), Chain("body", "embed.out")]
)
def test_a_factorisation_and_what_is_allowed_pass(chain: Chain) -> None:
    """A narrow middle is meant; other pairs can be named."""
    assert capacity(CapacityParams(allow=("embed*",)), model(chains=(chain,))).status is Status.PASSED


@pytest.mark.parametrize(
    ("affine", "dtype", "status"),
    [
        (1e-9, "float64", Status.FAILED),
        (2e-9, "float64", Status.PASSED),
        (1e-5, "float32", Status.FAILED),
        (None, "float64", Status.PASSED),
    ],
)
def test_a_factorisation_of_a_model_that_is_affine_as_a_whole_fails(
    affine: float | None, dtype: str, status: Status
) -> None:
    """Up to rounding."""
    chains = (Chain("down", "up", narrow=True),)

    assert capacity(DEFAULT, model(chains=chains, affine=affine, dtype=dtype)).status is status


def test_a_model_of_one_layer_is_affine_by_intent() -> None:
    """There is no pair of layers."""
    assert capacity(DEFAULT, model(affine=0.0, layers=1)).status is Status.PASSED


def test_an_autoencoder_may_be_linear() -> None:
    """That is principal components."""
    chains = (Chain("down", "up", narrow=True),)

    assert capacity(DEFAULT, model(chains=chains, affine=0.0, reconstructs=True)).status is Status.PASSED


def test_logits_with_bounds_fail() -> None:
    """The operation is named."""
    verdict = capacity(DEFAULT, model(range=OutputRange("Relu", logits=True)))

    assert (verdict.status, verdict.findings) == (Status.FAILED, ("capacity.range",))
    assert verdict.summary == "the outputs come from a relu, and the loss takes logits"


@pytest.mark.parametrize(("outside", "status"), [(0.01, Status.PASSED), (0.0101, Status.FAILED), (None, Status.PASSED)])
def test_targets_that_no_output_reaches_fail(outside: float | None, status: Status) -> None:
    """A few of them may be outliers."""
    verdict = capacity(DEFAULT, model(range=OutputRange("Tanh", logits=False, outside=outside)))

    assert verdict.status is status


@pytest.mark.parametrize(
    ("dead", "units", "status"),
    [
        (19, 20, Status.PASSED),
        (20, 20, Status.FAILED),
        (97, 100, Status.FAILED),
        (3, 3, Status.PASSED),
        (4, 4, Status.FAILED),
    ],
)
def test_dead_units_fail_where_nearly_all_of_a_layer_are(dead: int, units: int, status: Status) -> None:
    """95 % may be, and never all."""
    verdict = capacity(DEFAULT, model(dead=(DeadUnits("a", 10, 0), DeadUnits("b", units, dead))))

    assert verdict.status is status
    assert verdict.findings == (() if status is Status.PASSED else ("capacity.dead",))


def test_all_units_may_never_be_dead() -> None:
    """Whatever the spec allows."""
    verdict = capacity(CapacityParams(dead_at_most=1.0), model(dead=(DeadUnits("b", 4, 4),)))

    assert verdict.status is Status.FAILED


@pytest.mark.parametrize(
    ("width", "classes", "status"),
    [(1, 10, Status.FAILED), (2, 10, Status.PASSED), (1, 2, Status.PASSED), (1, 0, Status.PASSED)],
)
def test_a_bottleneck_of_one_number_fails_for_many_classes(width: int, classes: int, status: Status) -> None:
    """Two classes, and values, need no more than one."""
    verdict = capacity(DEFAULT, model(narrowest="neck", width=width, classes=classes))

    assert verdict.status is status
    assert verdict.findings == (() if status is Status.PASSED else ("capacity.narrow",))


def test_a_bottleneck_that_is_meant_passes() -> None:
    """Such as the score of an ordinal model."""
    assert capacity(CapacityParams(allow=("score",)), model(narrowest="score", width=1)).status is Status.PASSED


def test_the_same_output_for_all_rows_fails() -> None:
    """Up to rounding."""
    verdict = capacity(DEFAULT, model(spread=1e-12))

    assert (verdict.status, verdict.findings) == (Status.FAILED, ("capacity.collapsed",))
    assert verdict.summary == "the same output for all 64 rows"


@pytest.mark.parametrize(("rate", "status"), [(0.85, Status.PASSED), (0.86, Status.FAILED)])
def test_dropout_that_leaves_little_fails(rate: float, status: Status) -> None:
    """The largest rate is judged."""
    verdict = capacity(DEFAULT, model(rates={"first": 0.1, "second": rate}))

    assert verdict.status is status


@pytest.mark.parametrize(
    "changes", [{"rows": 0}, {"rows": 1}, {"spread": float("nan")}, {"spread": float("inf")}], ids=str
)
def test_what_was_not_measured_is_an_error(changes: dict[str, Any]) -> None:
    """Too few rows, and outputs that are not finite."""
    assert capacity(DEFAULT, model(**changes)).status is Status.ERROR


def test_a_part_without_a_graph_is_told() -> None:
    """What could not be seen is said."""
    verdict = capacity(DEFAULT, model(unread="its outputs have no graph"))

    assert "its outputs have no graph" in verdict.facts
