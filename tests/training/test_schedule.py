"""The learning rate of every step is the one that its schedule's formula gives."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_mlspec.errors import TrainingError
from pytest_mlspec.language.names import SCHEDULES
from pytest_mlspec.training.loop import LoopSettings, fit
from pytest_mlspec.training.schedule import Schedule
from pytest_mlspec.training.state import State

from .trainings import CROSS_ENTROPY, classification, new_state, schedule_for, scripted, source_of, with_schedule

SETTINGS = LoopSettings(batch_size=8, epochs=4)
STEPS, STEPS_PER_EPOCH = 20, 5
REQUIRED: dict[str, dict[str, Any]] = {
    "cosine_warm_restarts": {"T_0": 2},
    "one_cycle": {"max_lr": 1.0},
    "cyclic": {"base_lr": 0.1, "max_lr": 1.0},
    "step": {"step_size": 2},
    "multi_step": {"milestones": [1, 3]},
    "exponential": {"gamma": 0.5},
}


def trace(name: str, arguments: dict[str, Any]) -> list[float]:
    """The learning rate of each of the 20 steps, from a base rate of 1."""
    state = with_schedule(new_state(optimizer=("sgd", {"lr": 1.0, "momentum": 0.9})), name, arguments, SETTINGS)
    history = fit(
        state,
        source_of(*classification()),
        settings=SETTINGS,
        loss=lambda outputs, batch: 0 * CROSS_ENTROPY(outputs, batch),
        evaluate=scripted(0.5, 0.6, 0.4, 0.7),
    )
    return [float(rate) for rate in history.learning_rate_S]


def rates_of_groups(state: State, schedule: Schedule) -> Iterator[tuple[float, ...]]:
    """The rate of each group in each of the 20 steps, which change nothing."""
    for step in range(1, STEPS + 1):
        yield tuple(group["lr"] for group in state.optimizer.param_groups)
        state.optimizer.step()
        schedule.after_step()
        if step % STEPS_PER_EPOCH == 0:
            schedule.after_epoch({"val.loss": 1.0})


def per_epoch(*rates: float) -> list[float]:
    return [rate for rate in rates for _ in range(STEPS_PER_EPOCH)]


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("constant", {}, [1.0] * STEPS),
        ("linear", {}, [1 - step / STEPS for step in range(STEPS)]),
        ("linear", {"end_factor": 0.5}, [1 - 0.5 * step / STEPS for step in range(STEPS)]),
        ("polynomial", {"power": 2.0}, [(1 - step / STEPS) ** 2 for step in range(STEPS)]),
        ("cosine", {}, [(1 + math.cos(math.pi * step / STEPS)) / 2 for step in range(STEPS)]),
        ("cosine", {"interval": "epoch"}, per_epoch(*[(1 + math.cos(math.pi * k / 4)) / 2 for k in range(4)])),
        ("cosine_warm_restarts", {"T_0": 2}, per_epoch(1.0, 0.5, 1.0, 0.5)),
        ("step", {"step_size": 2}, per_epoch(1.0, 1.0, 0.1, 0.1)),
        ("step", {"step_size": 10, "interval": "step"}, [1.0] * 10 + [0.1] * 10),
        ("multi_step", {"milestones": [1, 3], "gamma": 0.5}, per_epoch(1.0, 0.5, 0.5, 0.25)),
        ("exponential", {"gamma": 0.5}, per_epoch(1.0, 0.5, 0.25, 0.125)),
        ("reduce_on_plateau", {"patience": 0, "factor": 0.5}, per_epoch(1.0, 1.0, 0.5, 0.5)),
    ],
)
def test_the_rates_are_those_of_the_formula(name: str, arguments: dict[str, Any], expected: list[float]) -> None:
    """Lengths that the spec leaves open are those of the training."""
    assert trace(name, arguments) == pytest.approx(expected, abs=1e-12)


def test_one_cycle_spans_the_training() -> None:
    """It begins at max_lr / 25, comes to max_lr after 30 % and ends at a 10,000th of its start."""
    rates = trace("one_cycle", {"max_lr": 1.0})

    assert rates[0] == pytest.approx(1 / 25)
    assert max(rates) == rates[5] == pytest.approx(1.0)
    assert rates[-1] == pytest.approx(1 / 25 / 1e4)


def test_cyclic_comes_back() -> None:
    """A triangle of five steps up and five down."""
    rates = trace("cyclic", {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 5})

    assert [rates[0], rates[5], rates[10], rates[15]] == pytest.approx([0.1, 1.0, 0.1, 1.0])


@pytest.mark.parametrize("warmup", [4, 0.2])
def test_the_warm_up_rises_to_the_first_full_rate(warmup: float) -> None:
    """Four steps, or 20 % of twenty; the schedule spans what is left."""
    expected = [0.2, 0.4, 0.6, 0.8] + [1 - step / 16 for step in range(16)]

    assert trace("linear", {"warmup": warmup}) == pytest.approx(expected, abs=1e-12)


def test_a_warm_up_multiplies_a_schedule_that_goes_by_epochs() -> None:
    """Epochs are counted from the beginning, also where the warm-up goes beyond the first."""
    rates = trace("exponential", {"gamma": 0.5, "warmup": 7})
    unwarmed = per_epoch(1.0, 0.5, 0.25, 0.125)

    assert rates == pytest.approx([rate * min(1, (k + 1) / 8) for k, rate in enumerate(unwarmed)], abs=1e-12)


@pytest.mark.parametrize("name", sorted(SCHEDULES))
@pytest.mark.parametrize("warmup", [0, 3])
def test_every_schedule_runs_to_the_end(name: str, warmup: int) -> None:
    """Without a warning, which would be an error here, and with a finite rate above zero at every step."""
    rates = trace(name, {**REQUIRED.get(name, {}), "warmup": warmup})

    assert len(rates) == STEPS
    assert all(math.isfinite(rate) and rate > 0 for rate in rates)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("cosin", {}, "unknown schedule 'cosin'"),
        ("cosine", {"T_mx": 3}, "cosine takes no argument 'T_mx'"),
        ("step", {}, "step needs step_size"),
        ("one_cycle", {"max_lr": 1.0, "interval": "epoch"}, "one_cycle steps per step"),
        ("reduce_on_plateau", {"interval": "step"}, "reduce_on_plateau steps per epoch"),
        ("cosine", {"warmup": 20}, "a warm-up of 20 steps, and the training has 20"),
        ("cosine", {"warmup": 1.0}, "a warm-up of 20 steps, and the training has 20"),
        ("cosine", {"warmup": -1}, "a warm-up of -1 steps"),
        ("cosine_warm_restarts", {"T_0": 0}, "cosine_warm_restarts cannot be made"),
    ],
)
def test_what_is_no_schedule_is_refused(name: str, arguments: dict[str, Any], message: str) -> None:
    """Before the first step."""
    with pytest.raises(TrainingError, match=message):
        schedule_for(new_state(optimizer=("sgd", {"lr": 1.0})), name, arguments, SETTINGS)


def test_a_schedule_that_cycles_momentum_needs_an_optimizer_with_momentum() -> None:
    """Torch's own refusal, as an error with the spec's key."""
    with pytest.raises(TrainingError, match="one_cycle cannot be made") as caught:
        schedule_for(new_state(optimizer=("adagrad", {})), "one_cycle", {"max_lr": 1.0}, SETTINGS)
    assert caught.value.key == "train.schedule"


def test_a_plateau_needs_its_metric() -> None:
    """The message names the metrics that there are."""
    state = with_schedule(new_state(), "reduce_on_plateau", {"monitor": "val.los"}, SETTINGS)

    with pytest.raises(TrainingError, match=r"val\.los is monitored, but not measured") as caught:
        fit(
            state,
            source_of(*classification()),
            settings=SETTINGS,
            loss=CROSS_ENTROPY,
            evaluate=scripted(0.5, 0.6, 0.4, 0.7),
        )
    assert caught.value.advice == "did you mean 'val.loss'?"


@pytest.mark.parametrize("name", sorted(SCHEDULES))
@pytest.mark.parametrize("warmup", [0, 3])
def test_every_schedule_scales_every_group(name: str, warmup: int) -> None:
    """A backbone at a tenth of the rate stays at a tenth of it; torch's one_cycle and cyclic would give both the same."""
    groups = {"0": {"lr": 0.1}}
    state = new_state(optimizer=("sgd", {"lr": 1.0, "momentum": 0.9, "groups": groups}))
    schedule = schedule_for(state, name, {**REQUIRED.get(name, {}), "warmup": warmup}, SETTINGS)

    assert [part / whole for whole, part in rates_of_groups(state, schedule)] == pytest.approx([0.1] * STEPS)


def test_rates_of_each_group_can_be_written() -> None:
    """As torch takes them: a list, one for each group."""
    state = new_state(optimizer=("sgd", {"lr": 1.0, "momentum": 0.9, "groups": {"0": {"lr": 0.1}}}))
    schedule_for(state, "one_cycle", {"max_lr": [1.0, 0.5]}, SETTINGS)

    assert [group["max_lr"] for group in state.optimizer.param_groups] == [1.0, 0.5]
