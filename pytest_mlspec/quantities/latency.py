"""How long a call of the trained model takes, how many rows a second that makes, and what the very first call takes.

All but the high percentiles leave out the time in which other work had the processor, where the system tells it; they hold on
a machine that does much else. Percentiles from p90 on are what a caller waits, and are gated where the machine is quiet.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pytest_mlspec.evidence import Timing
from pytest_mlspec.jobs import Latency
from pytest_mlspec.quantities.measures import Reading, Selectors, quantity

TAIL = {90: 50, 95: 100, 99: 500}
"""The percentiles of a quiet machine, and how many calls each needs: five at least are then slower."""

# Where other work took a larger share of the time, or the median lies so far above the shortest call, the machine is busy.
_MUCH_WAITING, _MUCH_SLOWER = 0.1, 1.5
# A first call takes longer in every process; so many times the median is more than that.
_LONG_FIRST = 20


class OfACall(Selectors):
    """What is called: with how many rows, on how many threads, in which form."""

    batch: int = Field(1, ge=1, le=10_000_000)
    threads: int = Field(1, ge=1, le=1024)
    of: Literal["eager", "export", "onnx", "onnx_int8", "onnx_int8_static", "torchscript", "predict"] = "eager"


def _timing(of: OfACall, *, calls: int = 10) -> Latency:
    return Latency(of.batch, of.threads, "torch_export" if of.of == "export" else of.of, calls)


def _tail(of: OfACall) -> Latency:
    return _timing(of, calls=max(TAIL.values()))


@quantity("latency.min", unit="ms", higher_is_better=False, needs=_timing)
def minimum(of: OfACall, timing: Timing) -> Reading:
    """The shortest of many calls relative to a reference operation timed in between, times what that costs left alone."""
    return _reading(timing, timing.minimum_ms)


@quantity("latency.p50", unit="ms", higher_is_better=False, needs=_timing)
def p50(of: OfACall, timing: Timing) -> Reading:
    """The median time of a call, without what other work took of the processor in between."""
    return _reading(timing, _percentile(timing, 50))


@quantity("latency.p90", unit="ms", higher_is_better=False, needs=_tail)
def p90(of: OfACall, timing: Timing) -> Reading:
    """What 90 % of the calls take at most, waits included; needs `machine: quiet`."""
    return _of_the_tail(timing, 90)


@quantity("latency.p95", unit="ms", higher_is_better=False, needs=_tail)
def p95(of: OfACall, timing: Timing) -> Reading:
    """What 95 % of the calls take at most, waits included; needs `machine: quiet`."""
    return _of_the_tail(timing, 95)


@quantity("latency.p99", unit="ms", higher_is_better=False, needs=_tail)
def p99(of: OfACall, timing: Timing) -> Reading:
    """What 99 % of the calls take at most, waits included; needs `machine: quiet`."""
    return _of_the_tail(timing, 99)


@quantity("latency.throughput", unit="rows/s", higher_is_better=True, needs=_timing)
def throughput(of: OfACall, timing: Timing) -> Reading:
    """Rows a second, one call after another: the rows of a call over the median of `latency.p50`."""
    return _reading(timing, 1000 * timing.batch / _percentile(timing, 50))


@quantity("latency.first", unit="ms", higher_is_better=False, needs=_timing)
def first(of: OfACall, timing: Timing) -> Reading:
    """The first call in its process, before any warm-up, with what the model did when it was called to restore it."""
    times = timing.first_ms / _percentile(timing, 50)
    advice = (
        f"the first call takes {times:.0f} times the median: does it compile, download or build what could be made"
        " before? Call the model once when the service starts"
    )
    return _reading(timing, timing.first_ms, advice=advice if times >= _LONG_FIRST else "")


def _of_the_tail(timing: Timing, percent: int) -> Reading:
    calls, needed = len(timing.wall_ms_R.values), TAIL[percent]
    if calls < needed:
        told = f"{calls} calls fitted into the time, and p{percent} needs {needed}"
        return Reading(
            None, calls, (told, *_facts(timing)), timing.device, advice="gate latency.p50, or a smaller batch"
        )
    return _reading(timing, _percentile(timing, percent, waits=True))


def _reading(timing: Timing, value: float, *, advice: str = "") -> Reading:
    calls = len(timing.own_ms_R.values)
    return Reading(value, calls, _facts(timing), timing.device, advice=advice or _advice(timing))


def _facts(timing: Timing) -> tuple[str, ...]:
    low, middle, high = (_percentile(timing, percent) for percent in (25, 50, 75))
    repeated = f" ({timing.rows} different ones)" if timing.rows < timing.batch else ""
    rows = "1 row" if timing.batch == 1 else f"{timing.batch} rows{repeated}"
    threads = "1 thread" if timing.threads == 1 else f"{timing.threads} threads"
    what = f"{len(timing.own_ms_R.values)} calls of {timing.form}, {rows}, {threads}, {timing.machine}"
    middle_half = f"the middle half {low:.4g} to {high:.4g} ms"
    spread = f"median {middle:.4g} ms, {middle_half}; first {timing.first_ms:.4g} ms"
    return (what, spread, *_of_the_neighbours(timing), *timing.notes)


def _of_the_neighbours(timing: Timing) -> tuple[str, ...]:
    if timing.device == "cpu" and not timing.tells_waits:
        return ("this system does not tell how long a call waited for a processor: a long one tells of the neighbours",)
    waited = _waited(timing)
    if waited < _MUCH_WAITING:
        return ()
    wall_ms = _percentile(timing, 50, waits=True)
    return (
        f"other work had the processor for {waited:.0%} of the time: that is left out; with it the median is {wall_ms:.4g} ms",
    )


def _advice(timing: Timing) -> str:
    if _waited(timing) >= _MUCH_WAITING:
        return "is the machine busy? Run it again alone to be sure; the shortest call moves by a few percent at most"
    if _percentile(timing, 50) >= _MUCH_SLOWER * timing.minimum_ms:
        return "the median lies far above the shortest call: other work, or a processor that changes its clock; gate latency.min"
    return ""


def _waited(timing: Timing) -> float:
    """The share of the time of the calls in which other work had the processor, where it is known."""
    if not timing.tells_waits:
        return 0.0
    return 1 - float(timing.own_ms_R.values.sum() / timing.wall_ms_R.values.sum())


def _percentile(timing: Timing, percent: int, *, waits: bool = False) -> float:
    """What so many percent of the calls take at most, in milliseconds; the calls in order, with linear interpolation."""
    import numpy as np

    times = (timing.wall_ms_R if waits else timing.own_ms_R).values
    return float(np.percentile(times, percent))
