"""The time of a call against a reference operation that is timed in between. It knows neither models nor torch.

A round is one call, then the reference. The shortest call, in units of the reference beside it, tells what the call costs on
this machine; what one reference costs when it is left alone is the shortest of all of them, each far shorter than a time slice.
A call sleeps as long on a machine that is slowed down by others: its sleep is put in units of the reference that was left alone.

Shape letters: R rounds.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_mlspec.probes.stopwatch import Call, Lap, Stopwatch

SECONDS = 10.0
"""What a timing takes at most, but for a few slow calls."""

FEWEST = 5
"""The calls that are timed however long they take."""

# More of a fast call tell no more. The shortest of a third of a second was a third too long beside tests that use the caches.
_MOST = 2000
_ENOUGH_OWN_NS = 1e9
_WARM_UP_CALLS, _WARM_UP_SECONDS = 3, 0.1
# The reference is timed in blocks of so many operations, and in at most so many blocks a round.
_BLOCK, _MOST_BLOCKS = 5, 20


@dataclass(frozen=True)
class Timed:
    """A number of calls, as in `Timing`."""

    wall_ms_R: NDArray[np.float64]
    own_ms_R: NDArray[np.float64]
    first_ms: float
    relative: float
    reference_ms: float


def timed(call: Call, *, calls: int, watch: Stopwatch, reference: Call, seconds: float = SECONDS) -> Timed:
    """Times at least `calls` of `call`, as many as fit into `seconds`, and never less than five.

    The first call is the first of all. Then the call is warmed up; garbage is not collected while it is timed.
    """
    with _no_collection():
        first = watch.lap(call)
        _warm_up(call)
        began = time.monotonic()
        call_ns, slice_ns = watch.lap(call).own, _shortest(watch.lap(reference) for _ in range(20))
        block, blocks = _of_a_round(call_ns, slice_ns)
        laps: list[Lap] = []
        block_ns, own_ns = np.inf, 0.0
        while len(laps) < FEWEST or (
            (len(laps) < calls or own_ns < _ENOUGH_OWN_NS)
            and len(laps) < max(_MOST, calls)
            and time.monotonic() - began < seconds
        ):
            laps.append(watch.lap(call))
            own_ns += laps[-1].own
            for _ in range(blocks):
                references = [watch.lap(reference).own for _ in range(block)]
                slice_ns, block_ns = min(slice_ns, *references), min(block_ns, sum(references))
    wall_R, own_R, asleep_R = np.array(laps, dtype=np.float64).T
    relative_R = (own_R - asleep_R) / (block_ns / block) + asleep_R / slice_ns
    return Timed(
        wall_ms_R=wall_R / 1e6,
        own_ms_R=own_R / 1e6,
        first_ms=first.own / 1e6,
        relative=float(relative_R.min()),
        reference_ms=slice_ns / 1e6,
    )


def matrix_products() -> Call:
    """The reference for a processor: products of small matrices in the first cache, about 0.2 ms."""
    left = np.random.default_rng(0).random((64, 64), dtype=np.float32)
    product = np.empty_like(left)

    def reference() -> None:
        for _ in range(40):
            np.matmul(left, left, out=product)

    return reference


def _of_a_round(call_ns: float, slice_ns: float) -> tuple[int, int]:
    """The references in a block, and the blocks in a round.

    A block as long as a slow call would meet as many interruptions, where these cannot be told apart. It was tried: often the
    shortest call met fewer than the shortest block, and a figure below the truth lets a slower model pass.
    """
    block = min(_BLOCK, max(1, round(call_ns / slice_ns)))
    # About a twentieth of the time of a slow call.
    return block, min(max(1, round(call_ns / (20 * block * slice_ns))), _MOST_BLOCKS)


def _warm_up(call: Call) -> None:
    began = time.monotonic()
    made = 0
    while (passed := time.monotonic() - began) < 10 * _WARM_UP_SECONDS and (
        made < _WARM_UP_CALLS or passed < _WARM_UP_SECONDS
    ):
        call()
        made += 1


def _shortest(laps: Iterator[Lap]) -> float:
    return min(lap.own for lap in laps)


@contextmanager
def _no_collection() -> Iterator[None]:
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
