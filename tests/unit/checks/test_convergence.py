"""`converges` is green only where the training loss fell below its start and below what a constant prediction reaches."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_mlspec.check import Status
from pytest_mlspec.checks.convergence import ConvergesParams, converges
from pytest_mlspec.evidence import Array, ConstantPrediction

from .made import PRIOR, training

DEFAULT = ConvergesParams()
QUARTER = ConvergesParams(margin=0.25, held_out_margin=0.25)


def test_a_training_that_learned_passes() -> None:
    """The summary names the final loss, its bound and what the bound is made of."""
    verdict = converges(DEFAULT, training(), PRIOR)

    assert verdict.status is Status.PASSED
    assert verdict.summary == "train loss 0.125, at most 1.8 (10 % below the 2 of the best constant prediction)"
    assert verdict.facts == (
        "train loss 0.125, at most 2.25 (10 % below the 2.5 of the start)",
        "lowest test loss 0.5, at most 1.9 (5 % below the 2 of the best constant prediction)",
    )
    assert (verdict.n, verdict.seed, verdict.device) == (1437, 0, "cpu")


@pytest.mark.parametrize(("final", "status"), [(1.5, Status.PASSED), (1.5000001, Status.FAILED)])
def test_the_loss_may_reach_the_margin_below_the_constant(final: float, status: Status) -> None:
    """25 % below 2.0 is 1.5."""
    assert converges(QUARTER, training(losses={"train": final}), PRIOR).status is status


@pytest.mark.parametrize(("final", "status"), [(0.75, Status.PASSED), (0.7500001, Status.FAILED)])
def test_the_loss_may_reach_the_margin_below_the_start(final: float, status: Status) -> None:
    """25 % below 1.0 is 0.75, though the constant prediction allows 1.5."""
    run = training(losses_before={"train": 1.0}, losses={"train": final})

    assert converges(QUARTER, run, PRIOR).status is status


@pytest.mark.parametrize(("final", "status"), [(-0.25, Status.PASSED), (-0.2499999, Status.FAILED)])
def test_the_margin_counts_from_the_lowest_possible_loss(final: float, status: Status) -> None:
    """With a floor of -1, a quarter of the way from 0 down to it is -0.25."""
    run = training(losses_before={"train": 1.0}, losses={"train": final}, loss_floor=-1.0)

    assert converges(QUARTER, run, ConstantPrediction(loss=0.0, rows=9)).status is status


def test_a_learning_rate_of_zero_fails() -> None:
    """The loss is the same to the last bit, so no parameter moved."""
    run = training(losses={"train": 2.5}, learning_rate_S=Array.of([0.0] * 4))
    verdict = converges(DEFAULT, run, PRIOR)

    assert verdict.status is Status.FAILED
    assert verdict.summary == "train loss still 2.5 after 4 steps: no parameter moved"
    assert verdict.facts == ("the loss is the same to the last bit", "the learning rate was 0 in every step")
    assert "is the learning rate 0" in verdict.advice[0]


def test_a_learning_rate_of_zero_is_named_though_batch_statistics_changed_the_loss() -> None:
    """The loss moved by itself; the recorded rates tell why nothing was learned."""
    run = training(losses={"train": 2.25}, learning_rate_S=Array.of([0.0] * 4))
    verdict = converges(DEFAULT, run, PRIOR)

    assert verdict.status is Status.FAILED
    assert verdict.facts == ("the learning rate was 0 in every step",)


def test_shuffled_labels_fail_near_the_prior() -> None:
    """A model that cannot memorise stays at the loss of the prior, and the message says so."""
    verdict = converges(DEFAULT, training(losses={"train": 1.95}), PRIOR)

    assert verdict.status is Status.FAILED
    assert verdict.summary.startswith("train loss 1.95, at most 1.8")
    assert verdict.facts[0].startswith("the loss stays near that of the prior")
    assert "labels shuffled" in verdict.advice[0]


def test_shuffled_labels_fail_where_the_model_memorised_its_rows() -> None:
    """The training loss fell, but the held-out loss never left that of the prior."""
    run = training(
        epochs_log=({"test.loss": 1.95}, {"test.loss": 3.5}), losses={"train": 0.125, "test": 3.5}, loss_floor=0.0
    )
    verdict = converges(DEFAULT, run, PRIOR)

    assert verdict.status is Status.FAILED
    assert verdict.summary == "lowest test loss 1.95, at most 1.9 (5 % below the 2 of the best constant prediction)"
    assert "stays near that of the prior" in verdict.facts[0]
    assert "memorised" in verdict.facts[0]


def test_an_overconfident_model_passes() -> None:
    """A held-out loss that ends above the constant's is no fault where it was clearly below it before."""
    run = training(epochs_log=({"test.loss": 1.0}, {"test.loss": 3.5}), losses={"train": 0.125, "test": 3.5})

    assert converges(DEFAULT, run, PRIOR).status is Status.PASSED


def test_the_validation_split_is_judged_before_the_test_split() -> None:
    """Where both were logged, `val` is the held-out split."""
    run = training(epochs_log=({"val.loss": 1.0, "test.loss": 9.0},), losses={"train": 0.125, "val": 1.0, "test": 9.0})
    constant = replace(PRIOR, held_out={"val": 2.0, "test": 2.0})

    assert "lowest val loss" in converges(DEFAULT, run, constant).facts[1]


@pytest.mark.parametrize(("lowest", "status"), [(1.5, Status.PASSED), (1.5000001, Status.FAILED)])
def test_the_held_out_loss_may_reach_its_margin(lowest: float, status: Status) -> None:
    """25 % below 2.0 is 1.5."""
    run = training(epochs_log=({"test.loss": lowest},), losses={"train": 0.125, "test": 3.0})

    assert converges(QUARTER, run, PRIOR).status is status


@pytest.mark.parametrize(
    ("params", "log", "held_out"),
    [
        (ConvergesParams(held_out_margin=None), ({"test.loss": 3.0},), {"test": 2.0}),
        (DEFAULT, (), {"test": 2.0}),
        (DEFAULT, ({"test.loss": 3.0},), {}),
    ],
    ids=["switched off", "no loss per epoch", "no constant loss"],
)
def test_the_held_out_loss_is_judged_only_where_it_was_measured(
    params: ConvergesParams, log: tuple[dict[str, float], ...], held_out: dict[str, float]
) -> None:
    """The verdict then rests on the training loss alone, and claims nothing else."""
    run = training(epochs_log=log, losses={"train": 0.125, "test": 3.0})
    verdict = converges(params, run, replace(PRIOR, held_out=held_out))

    assert verdict.status is Status.PASSED
    assert len(verdict.facts) == 1


def test_a_loss_that_ends_above_the_constant_fails_with_other_advice() -> None:
    """A diverged training is not blamed on its labels."""
    verdict = converges(DEFAULT, training(losses={"train": 40.0}), PRIOR)

    assert verdict.status is Status.FAILED
    assert "lower the learning rate" in verdict.advice[0]


def test_a_training_that_stopped_early_says_why() -> None:
    """A red verdict carries what the engine told of the training."""
    run = training(losses={"train": 1.95}, planned_steps=10, stopped="early_stop", notes=("best epoch 1 restored",))

    assert converges(DEFAULT, run, PRIOR).facts[-2:] == ("it took 4 of 10 steps: early_stop", "best epoch 1 restored")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_losses_that_are_not_finite_are_errors(value: float) -> None:
    """Wherever the value stands, the message names it."""
    curve = converges(DEFAULT, training(loss_S=Array.of([2.0, value, 1.0])), PRIOR)
    before = converges(DEFAULT, training(losses_before={"train": value}), PRIOR)
    end = converges(DEFAULT, training(losses={"train": 0.125, "test": value}), PRIOR)
    constant = converges(DEFAULT, training(), replace(PRIOR, loss=value))
    epoch = converges(DEFAULT, training(epochs_log=({"test.loss": value},)), PRIOR)

    assert {verdict.status for verdict in (curve, before, end, constant, epoch)} == {Status.ERROR}
    assert curve.summary == f"the training: the loss of step 2 of 3 is {value}"
    assert before.summary == f"the training: the train loss before the first step is {value}"
    assert end.summary == f"the training: the test loss at the end is {value}"
    assert constant.summary == f"the loss of the best constant prediction is {value}"
    assert epoch.summary == "the test loss of an epoch or of the best constant prediction is not finite"


def test_zero_steps_are_an_error() -> None:
    """Nothing was trained, so nothing can be claimed."""
    verdict = converges(DEFAULT, training(steps=0, loss_S=Array.of([]), stopped="time limit"), PRIOR)

    assert verdict.status is Status.ERROR
    assert verdict.summary == "the training took 0 of 4 steps"


@pytest.mark.parametrize(
    ("missing", "summary"),
    [
        ({"losses_before": {}}, "the training loss before the first step was not measured"),
        ({"losses": {"test": 0.5}}, "the training loss at the end was not measured"),
    ],
)
def test_a_missing_loss_is_an_error(missing: dict[str, dict[str, float]], summary: str) -> None:
    """The loss of a step in training mode does not stand in for it."""
    verdict = converges(DEFAULT, training(**missing), PRIOR)

    assert verdict.status is Status.ERROR
    assert verdict.summary == summary


def test_a_loss_of_the_wrong_sign_is_an_error() -> None:
    """A loss below its lowest possible value cannot be judged."""
    verdict = converges(DEFAULT, training(losses_before={"train": -0.5}, losses={"train": -2.0}), PRIOR)

    assert verdict.status is Status.ERROR
    assert verdict.summary == "the training loss before the first step is -0.5, below 0, the lowest that it can be"
    assert "wrong sign" in verdict.advice[0]


def test_rounding_below_the_floor_is_no_wrong_sign() -> None:
    """Cross-entropy in float32 can end a rounding error below 0."""
    assert converges(DEFAULT, training(losses={"train": -1e-7}), PRIOR).status is Status.PASSED


def test_a_loss_that_can_be_negative_is_judged_with_its_own_floor() -> None:
    """A negative cosine similarity is lowest at -1; the spec can say so."""
    run = training(losses_before={"train": -0.125}, losses={"train": -0.75})
    constant = ConstantPrediction(loss=-0.25, rows=9)

    assert converges(ConvergesParams(loss_floor=-1.0), run, constant).status is Status.PASSED
    assert converges(DEFAULT, run, constant).status is Status.ERROR


@pytest.mark.parametrize("loss", [0.0, 1e-9, -0.5])
def test_a_constant_that_leaves_nothing_to_learn_is_an_error(loss: float) -> None:
    """Equal targets, or a constant loss of the wrong sign, give no bound."""
    verdict = converges(DEFAULT, training(), replace(PRIOR, loss=loss))

    assert verdict.status is Status.ERROR
    assert verdict.summary.endswith("the lowest is 0: nothing to learn")


def test_a_start_at_the_floor_is_an_error() -> None:
    """There is no way down from the lowest loss."""
    verdict = converges(DEFAULT, training(losses_before={"train": 0.0}, losses={"train": 0.0}), PRIOR)

    assert verdict.status is Status.ERROR
    assert verdict.summary == "the loss at the start is 0, the lowest is 0: nothing to learn"
