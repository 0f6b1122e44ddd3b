"""Gates on the time of a call: what each reads from a timing, and what it tells beside the number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pytest_mlspec.check import Status, Verdict
from pytest_mlspec.errors import MlspecError
from pytest_mlspec.evidence import Array, Timing
from pytest_mlspec.gates import Gate, judge
from pytest_mlspec.jobs import Export, Latency, Prepare, Train, needed_by
from pytest_mlspec.quantities import Reading, parse


def timing(own_ms: Sequence[float] = (2.0, 3.0, 10.0), wall_ms: Sequence[float] | None = None, **more: Any) -> Timing:
    """Three calls on a machine that is left alone, unless told otherwise."""
    told: dict[str, Any] = {
        "batch": 4,
        "threads": 1,
        "form": "eager",
        "rows": 4,
        "device": "cpu",
        "machine": "a processor, 2 processors",
        "tells_waits": True,
        "first_ms": 12.0,
        "relative": 10.0,
        "reference_ms": 0.2,
        **more,
    }
    return Timing(wall_ms_R=Array.of(np.array(wall_ms or own_ms)), own_ms_R=Array.of(np.array(own_ms)), **told)


def read(gate: str, evidence: Timing) -> Reading:
    return parse(gate).read(evidence)


def verdict(gate: str, most: float, evidence: Timing) -> Verdict:
    return judge(Gate(parse(gate), "at_most", (most,)), {"measured": evidence})


@pytest.mark.parametrize(
    ("gate", "value"),
    [
        ("latency.min", 2.0),
        ("latency.p50", 3.0),
        ("latency.throughput[batch=4]", 4000 / 3),
        ("latency.first", 12.0),
    ],
)
def test_what_a_gate_reads(gate: str, value: float) -> None:
    """The minimum is the relative one in milliseconds; the others are without waits; n counts calls."""
    reading = read(gate, timing(wall_ms=[50, 60, 70]))

    assert reading.value == pytest.approx(value)
    assert (reading.n, reading.device) == (3, "cpu")


@pytest.mark.parametrize(("percent", "calls"), [(90, 50), (95, 100), (99, 500)])
def test_a_high_percentile_is_what_a_caller_waits(percent: int, calls: int) -> None:
    """Waits are included, and so many calls are enough."""
    wall_ms = np.arange(calls, dtype=float)

    assert read(f"latency.p{percent}", timing([1.0] * calls, wall_ms.tolist())).value == np.percentile(wall_ms, percent)


@pytest.mark.parametrize(("percent", "calls"), [(90, 49), (95, 99), (99, 499)])
def test_too_few_calls_tell_no_high_percentile(percent: int, calls: int) -> None:
    """It was not measured, so it is red, and says how many calls there are."""
    found = verdict(f"latency.p{percent}", 1000, timing([1.0] * calls))

    assert found.status is Status.ERROR
    assert found.facts[0] == f"{calls} calls fitted into the time, and p{percent} needs {calls + 1}"
    assert found.advice == ("gate latency.p50, or a smaller batch",)


@pytest.mark.parametrize(("most", "status"), [(1.9, Status.FAILED), (2.0, Status.PASSED), (2.1, Status.PASSED)])
def test_a_bound_on_the_minimum(most: float, status: Status) -> None:
    """At the bound it holds."""
    assert verdict("latency.min", most, timing()).status is status


@pytest.mark.parametrize("relative", [math.nan, math.inf])
def test_a_minimum_that_is_no_number_is_an_error(relative: float) -> None:
    """It is never green."""
    assert verdict("latency.min", 1e9, timing(relative=relative)).status is Status.ERROR


def test_a_reading_names_what_it_rests_on() -> None:
    """Calls, form, rows, threads, machine, and how they scatter."""
    reading = read("latency.min[batch=4]", timing())

    assert reading.facts == (
        "3 calls of eager, 4 rows, 1 thread, a processor, 2 processors",
        "median 3 ms, the middle half 2.5 to 6.5 ms; first 12 ms",
    )


def test_rows_that_repeat_are_told() -> None:
    """A batch can be larger than its split."""
    assert (
        "calls of onnx, 500 rows (360 different ones), 2 threads"
        in read("latency.min", timing(batch=500, rows=360, threads=2, form="onnx")).facts[0]
    )


def test_neighbours_are_told() -> None:
    """How much of the time was theirs, and what the median is with it."""
    found = verdict("latency.min", 1, timing([2, 3, 4], [12, 13, 11]))

    assert (
        found.facts[2]
        == "other work had the processor for 75% of the time: that is left out; with it the median is 12 ms"
    )
    assert found.advice[0].startswith("is the machine busy?")


def test_a_system_that_tells_no_waits_is_named() -> None:
    """Its long calls tell of the neighbours; a GPU has none."""
    told = "this system does not tell how long a call waited for a processor: a long one tells of the neighbours"

    assert told in read("latency.min", timing(tells_waits=False)).facts
    assert told not in read("latency.min", timing(tells_waits=False, device="cuda:0")).facts


def test_a_median_far_above_the_minimum_is_advised_on() -> None:
    """Though nothing tells of waits."""
    found = verdict("latency.p50", 2, timing([2, 4, 5], tells_waits=False))

    assert found.advice[0].startswith("the median lies far above the shortest call")


def test_a_long_first_call_is_advised_on() -> None:
    """Forty times the median are more than a cold cache."""
    found = verdict("latency.first", 100, timing(first_ms=120.0))

    assert found.status is Status.FAILED
    assert found.advice[0].startswith("the first call takes 40 times the median: does it compile")


def test_a_slower_model_alone_gets_no_advice() -> None:
    """Nothing is known against the machine."""
    assert verdict("latency.min", 1, timing([2, 2.1, 2.2])).advice == ()


def test_throughput_is_better_when_higher() -> None:
    """And counted in rows a second."""
    quantity = parse("latency.throughput[batch=4]")

    assert (quantity.higher_is_better, quantity.unit) == (True, "rows/s")


@pytest.mark.parametrize(
    ("gate", "job"),
    [
        ("latency.min", Latency()),
        ("latency.p50[batch=256, threads=2]", Latency(256, 2)),
        ("latency.first[of=export]", Latency(form="torch_export")),
        ("latency.throughput[of=onnx]", Latency(form="onnx")),
        ("latency.p99[of=predict]", Latency(form="predict", calls=500)),
    ],
)
def test_the_brackets_say_what_is_timed(gate: str, job: Latency) -> None:
    """Gates with equal brackets share a timing; high percentiles take more calls."""
    assert parse(gate).job == job


@pytest.mark.parametrize(
    ("gate", "message", "advice"),
    [
        ("latency.min[batch=0]", "latency.min[batch=0]: ", ""),
        ("latency.min[batch=many]", "latency.min[batch=many]: ", ""),
        ("latency.min[of=onx]", "latency.min[of=onx]: ", ""),
        ("latency.min[bach=3]", "latency.min has no selector 'bach'", "did you mean 'batch'?"),
        ("latency.p98", "unknown quantity 'latency.p98'", "did you mean 'latency.p9"),
    ],
)
def test_brackets_that_mean_nothing(gate: str, message: str, advice: str) -> None:
    """Each is told before training."""
    with pytest.raises(MlspecError) as told:
        parse(gate)

    assert told.value.message.startswith(message)
    assert told.value.advice.startswith(advice)


def test_an_exported_form_is_exported_first() -> None:
    """The model and the serving path are called as they are."""
    of = Train(seed=3)

    assert needed_by(Latency(form="onnx", of=of)) == (Prepare(), of, Export("onnx", of=of))
    assert needed_by(Latency(form="predict", of=of)) == needed_by(Latency(of=of)) == (Prepare(), of)


def test_the_title_of_a_timing() -> None:
    """What is called, and how often at least."""
    assert Latency(256, 2, "onnx").title == "time 10 calls (onnx, batch 256, threads 2)"


def test_the_minimum_is_relative_to_the_reference() -> None:
    """What the reference costs left alone puts it into milliseconds."""
    assert replace(timing(), relative=7.0, reference_ms=0.5).minimum_ms == 3.5
