"""`reproducible` is green only where two comparable trainings in different interpreters are equal to the last bit."""

from __future__ import annotations

from math import nextafter
from typing import Any

import pytest

from pytest_mlspec.check import CHECKS, Status
from pytest_mlspec.checks.reproducibility import ReproducibleParams, reproducible
from pytest_mlspec.evidence import Array, SeedsTried
from pytest_mlspec.jobs import Train, TrySeeds

from .made import training

DEFAULT = ReproducibleParams()
FRESH: dict[str, Any] = {"hash_seed": "2"}
PREDICTIONS_ONLY: dict[str, Any] = {
    "engine": "sklearn",
    "steps": 0,
    "planned_steps": 0,
    "loss_S": Array.of([]),
    "weights_digest": "",
}


def test_equal_trainings_pass() -> None:
    """The summary names what was compared."""
    verdict = reproducible(DEFAULT, training(), training(**FRESH))

    assert verdict.status is Status.PASSED
    assert verdict.summary == "losses of 4 steps, weights, predictions: equal to the last bit"
    assert (verdict.n, verdict.seed) == (4, 0)


def test_an_engine_without_history_is_compared_by_its_predictions() -> None:
    """A tree ensemble takes no steps and shows no weights."""
    verdict = reproducible(DEFAULT, training(**PREDICTIONS_ONLY), training(**PREDICTIONS_ONLY, **FRESH))

    assert verdict.status is Status.PASSED
    assert verdict.summary == "predictions: equal to the last bit"


def test_unseeded_augmentation_fails_at_its_first_step() -> None:
    """Both losses are shown, and what differs in the end."""
    again = training(**FRESH, loss_S=Array.of([2.25, 1.4375, 0.5, 0.25]), weights_digest="w1", predictions_digest="p1")
    verdict = reproducible(DEFAULT, training(), again)

    assert verdict.status is Status.FAILED
    assert (
        verdict.summary
        == "the one in a fresh interpreter differs from the first training from step 2: loss 1.438 against 1.5"
    )
    assert verdict.facts == (
        "the final weights of the one in a fresh interpreter and the first training differ",
        "the predictions of the one in a fresh interpreter and the first training differ",
    )
    assert "augmentation" in verdict.advice[0]


def test_a_difference_in_the_last_bit_fails() -> None:
    """The losses are shown with the digits that tell them apart."""
    again = training(**FRESH, loss_S=Array.of([2.25, 1.5, 0.75, nextafter(0.25, 1.0)]))
    verdict = reproducible(DEFAULT, training(), again)

    assert verdict.status is Status.FAILED
    assert verdict.summary.endswith("from step 4: loss 0.25000000000000006 against 0.25")


def test_a_first_loss_that_differs_points_at_the_seed() -> None:
    """Equal data and another first loss: initialisation, order or augmentation."""
    again = training(**FRESH, loss_S=Array.of([2.5, 1.5, 0.75, 0.25]))

    assert "initialisation" in reproducible(DEFAULT, training(), again).advice[0]


def test_prepared_data_that_differ_are_named_first() -> None:
    """What follows from them stands among the facts."""
    again = training(**FRESH, examples_digest="e1", loss_S=Array.of([2.0, 1.5, 0.75, 0.25]), weights_digest="w1")
    verdict = reproducible(DEFAULT, training(), again)

    assert verdict.status is Status.FAILED
    assert verdict.summary == "the prepared data differ before the first step"
    assert len(verdict.facts) == 2
    assert "load, split or prepare" in verdict.advice[0]


@pytest.mark.parametrize(
    ("change", "summary"),
    [
        (
            {"weights_digest": "w1"},
            "the final weights of the one in a fresh interpreter and the first training differ",
        ),
        (
            {"predictions_digest": "p1"},
            "the predictions of the one in a fresh interpreter and the first training differ",
        ),
        (
            {"loss_S": Array.of([2.25, 1.5, 0.75]), "steps": 3},
            "the one in a fresh interpreter takes 3 steps, the first training 4",
        ),
    ],
    ids=["weights", "predictions", "length"],
)
def test_each_difference_fails_alone(change: dict[str, Any], summary: str) -> None:
    """Equal losses do not excuse other weights, predictions or lengths."""
    verdict = reproducible(DEFAULT, training(), training(**FRESH, **change))

    assert verdict.status is Status.FAILED
    assert verdict.summary == summary


@pytest.mark.parametrize(
    ("change", "summary"),
    [
        (
            {"hash_seed": "1"},
            "the second training did not run in a fresh interpreter: both have the hash seed 1",
        ),
        (
            {"threads": 2},
            "not comparable: the first training has threads 1, the one in a fresh interpreter has threads 2",
        ),
        (
            {"device": "cuda"},
            "not comparable: the first training has device cpu, the one in a fresh interpreter has device cuda",
        ),
        ({"seed": 1}, "not comparable: the first training has seed 0, the one in a fresh interpreter has seed 1"),
        ({"weights_digest": ""}, "not comparable: the one in a fresh interpreter has no digest of the weights"),
        ({"loss_S": Array.of([])}, "not comparable: the one in a fresh interpreter has no history of losses"),
        (
            {"steps": 0, "loss_S": Array.of([])},
            "the one in a fresh interpreter took 0 of 4 steps",
        ),
    ],
)
def test_what_cannot_be_compared_is_an_error(change: dict[str, Any], summary: str) -> None:
    """Two trainings that differ in their circumstances show nothing about the code."""
    verdict = reproducible(DEFAULT, training(), training(**{**FRESH, **change}))

    assert verdict.status is Status.ERROR
    assert verdict.summary == summary


def test_nothing_to_compare_is_an_error() -> None:
    """Equal losses alone do not show equal models."""
    nothing: dict[str, Any] = {"weights_digest": "", "predictions_digest": ""}
    verdict = reproducible(DEFAULT, training(**nothing), training(**nothing, **FRESH))

    assert verdict.status is Status.ERROR
    assert verdict.summary == "nothing to compare: neither training has weights or predictions that could be read"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_losses_that_are_not_finite_are_errors(value: float) -> None:
    """Two trainings that break in the same way are not reproducible trainings."""
    broken: dict[str, Any] = {"loss_S": Array.of([2.25, value, value, value])}
    verdict = reproducible(DEFAULT, training(**broken), training(**broken, **FRESH))

    assert verdict.status is Status.ERROR
    assert verdict.summary == f"the first training: the loss of step 2 of 4 is {value}"


def test_it_asks_for_a_fresh_interpreter() -> None:
    """Both halves have the same length."""
    needs = CHECKS.find("reproducible").needs(ReproducibleParams(steps=30))

    assert needs == {"run": Train(steps=30), "again": Train(steps=30, fresh=True), "seeds": TrySeeds()}


def test_another_seed_may_be_left_untried() -> None:
    """Where a seed is meant to change nothing."""
    assert "seeds" not in CHECKS.find("reproducible").needs(ReproducibleParams(seeds=False))


HEEDED = SeedsTried(seeds=(0, 7919))


def test_a_seed_that_is_heeded_passes() -> None:
    """Both seeds are told."""
    verdict = reproducible(DEFAULT, training(), training(**FRESH), HEEDED)

    assert verdict.status is Status.PASSED
    assert "seeds 0 and 7919 begin different trainings" in verdict.facts


def test_a_seed_in_the_code_fails() -> None:
    """Where it stands is told, though both trainings are equal."""
    tried = SeedsTried(seeds=(0, 7919), same=("torch",), places=("recipe.py:12 torch.manual_seed(0)",))
    verdict = reproducible(DEFAULT, training(), training(**FRESH), tried)

    assert verdict.status is Status.FAILED
    assert verdict.summary == "the seed is overruled: 0 and 7919 leave torch in the same state"
    assert verdict.facts == ("seeded by a constant: recipe.py:12 torch.manual_seed(0)",)
    assert verdict.findings == ("reproducible.seeds",)


def test_what_was_not_tried_is_told() -> None:
    """With the reason."""
    tried = SeedsTried(seeds=(0, 7919), left_out="the engine sklearn draws nothing that the team's code could seed")
    verdict = reproducible(DEFAULT, training(), training(**FRESH), tried)

    assert verdict.status is Status.PASSED
    assert verdict.facts[0].startswith("no other seed was tried: the engine sklearn")


@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        ({"examples_digest": "e1"}, "reproducible.data"),
        ({"loss_S": Array.of([2.5, 1.5, 0.75, 0.25])}, "reproducible.differs"),
        ({"weights_digest": "w1"}, "reproducible.differs"),
    ],
)
def test_each_difference_has_its_finding(changes: dict[str, Any], finding: str) -> None:
    """The data before the steps."""
    assert reproducible(DEFAULT, training(), training(**FRESH, **changes), HEEDED).findings == (finding,)
