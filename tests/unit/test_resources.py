"""Gates on what a training takes: measured, or skipped with the reason, never passed."""

from __future__ import annotations

import pytest
from checks.made import training
from checks.test_memory import rising, trace

from pytest_mlspec.check import Status, Verdict
from pytest_mlspec.evidence import Cost, Evidence, ModelCost
from pytest_mlspec.gates import Gate, judge
from pytest_mlspec.jobs import CountCost, TraceMemory, Train
from pytest_mlspec.quantities import parse

ON_GPU = Cost(90, 45.0, {}, 10**9, peak_device_memory=2 * 10**9, utilisation=0.75)
ON_CPU = Cost(90, 45.0, {}, 10**9, utilisation_missing="NVML knows nothing of cpu")
WHOLE = Cost(None, None, {}, 10**9, utilisation_missing="the engine fits the model as a whole")


def judged(name: str, evidence: Evidence, at_most: float) -> Verdict:
    return judge(Gate(parse(name), "at_most", (at_most,)), {"measured": evidence})


@pytest.mark.parametrize(
    ("name", "value", "unit"),
    [
        ("train.steps", 4, "steps"),
        ("train.rows_per_second", 45.0, "rows/s"),
        ("train.peak_memory", 10**9, "bytes"),
        ("train.peak_device_memory", 2 * 10**9, "bytes"),
        ("train.gpu_utilization", 0.75, ""),
        ("model.parameters", 650, "parameters"),
    ],
)
def test_what_was_measured_is_held_to_its_bound(name: str, value: float, unit: str) -> None:
    """At it, and beyond it."""
    run = training(cost=ON_GPU)

    assert judged(name, run, value).status is Status.PASSED
    assert judged(name, run, value * 0.99).status is Status.FAILED
    assert judged(name, run, value).unit == unit


def test_a_training_without_a_time_is_not_fast() -> None:
    """The time of a model that is trained already is not 0 seconds."""
    verdict = judged("train.seconds", training(engine="trained", seconds=0.0), 5)

    assert verdict.status is Status.SKIPPED
    assert verdict.summary == "the engine trained reports no time of a training"


@pytest.mark.parametrize(
    ("name", "cost", "reason"),
    [
        ("train.peak_memory", None, "the engine torch measures nothing of its machine"),
        ("train.peak_device_memory", ON_CPU, "the training ran on cpu, whose memory torch does not count"),
        ("train.gpu_utilization", ON_CPU, "NVML knows nothing of cpu"),
        ("train.rows_per_second", WHOLE, "the engine torch fits the model as a whole: no rows of steps are counted"),
    ],
)
def test_what_the_machine_cannot_tell_is_skipped_with_the_reason(name: str, cost: Cost | None, reason: str) -> None:
    """It is never passed, whatever the bound."""
    verdict = judged(name, training(cost=cost), 1e12)

    assert (verdict.status, verdict.summary) == (Status.SKIPPED, reason)


def test_an_engine_without_parameters_is_skipped() -> None:
    """An estimator has none that could be counted."""
    verdict = judged("model.parameters", training(engine="sklearn", parameters=None), 10)

    assert verdict.status is Status.SKIPPED
    assert verdict.summary == "the engine sklearn has no parameters that can be counted"


def test_the_cost_of_a_model_is_gated() -> None:
    """Its size in bytes, its operations for one row."""
    cost = ModelCost(parameters=650, size=2600, flops=None, missing={"flops": "torch counts no operations of LSTM"})

    assert judged("model.size", cost, 2600).status is Status.PASSED
    assert judged("model.size", cost, 2599).status is Status.FAILED
    assert judged("model.flops", cost, 1e12).summary == "torch counts no operations of LSTM"
    assert judged("model.flops", cost, 1e12).status is Status.SKIPPED


def test_growth_is_the_sum_of_tensors_and_objects() -> None:
    """In bytes a step."""
    verdict = judged("train.memory_growth", trace(tensor_bytes_S=rising(400), python_bytes_S=rising(200)), 500)

    assert (verdict.status, verdict.measured) == (Status.FAILED, 600)


@pytest.mark.parametrize(
    ("name", "job"),
    [("train.steps", Train()), ("model.flops", CountCost()), ("train.memory_growth", TraceMemory())],
)
def test_a_quantity_names_its_job(name: str, job: object) -> None:
    """So that equal jobs run once."""
    assert parse(name).job == job
