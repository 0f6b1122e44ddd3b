"""The times of calls against the reference: which are counted, and what they are put in relation to. No clock is read."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from itertools import chain, count, repeat

import pytest

from pytest_mlspec.probes import timing
from pytest_mlspec.probes.stopwatch import Call, Lap
from pytest_mlspec.probes.timing import FEWEST, timed

MS = 1e6


def reference() -> None:
    """What is timed in between."""


def nothing() -> None:
    """A call whose times are the watch's."""


class Watch:
    """Makes the call, and tells the next of the given times: of the call, and of the reference."""

    tells_waits = True

    def __init__(self, calls: Iterator[Lap], references: Iterator[Lap]) -> None:
        self._calls, self._references = calls, references

    def lap(self, call: Call) -> Lap:
        call()
        return next(self._references if call is reference else self._calls)


def quiet(milliseconds: float) -> Iterator[Lap]:
    """Calls of one length that never wait."""
    return repeat(Lap(milliseconds * MS, milliseconds * MS))


@pytest.fixture(autouse=True)
def no_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "_WARM_UP_SECONDS", 0.0)


def test_the_shortest_call_is_told_in_references() -> None:
    """A call of 3 ms costs ten references of 0.3 ms, which cost 0.3 ms."""
    found = timed(nothing, calls=10, watch=Watch(quiet(3), quiet(0.3)), reference=reference)

    assert (found.relative, found.reference_ms, found.first_ms) == pytest.approx((10, 0.3, 3))


def test_waits_are_left_out_of_all_but_the_time_on_the_wall() -> None:
    """A call that waited for 50 ms is told with them and without."""
    calls = repeat(Lap(53 * MS, 3 * MS))

    found = timed(nothing, calls=10, watch=Watch(calls, quiet(0.3)), reference=reference)

    assert found.wall_ms_R[0] == pytest.approx(53)
    assert (found.own_ms_R[0], found.relative, found.first_ms) == pytest.approx((3, 10, 3))


def test_a_machine_that_is_slower_all_along_is_seen_in_the_reference_too() -> None:
    """One reference was left alone, all blocks of them took twice as long, and so did the calls: half is the machine's."""
    references = chain([Lap(0.3 * MS, 0.3 * MS)], repeat(Lap(0.6 * MS, 0.6 * MS)))

    found = timed(nothing, calls=10, watch=Watch(quiet(6), references), reference=reference)

    assert found.relative * found.reference_ms == pytest.approx(3)


def test_a_sleep_is_as_long_on_a_slower_machine() -> None:
    """Of a call that sleeps for 5 of its 6 ms, a machine of half the speed is seen in the sixth alone."""
    calls = repeat(Lap(6 * MS, 6 * MS, 5 * MS))
    references = chain([Lap(0.3 * MS, 0.3 * MS)], repeat(Lap(0.6 * MS, 0.6 * MS)))

    found = timed(nothing, calls=10, watch=Watch(calls, references), reference=reference)

    assert found.relative * found.reference_ms == pytest.approx(5.5)


def test_a_neighbour_of_the_references_alone_hides_no_slower_call() -> None:
    """Here every seventh is interrupted for 10 ms, and no call is; a block without an interruption is the shortest."""
    references = (Lap(*[(0.3 + 10 * (number % 7 == 0)) * MS] * 2) for number in count(1))

    found = timed(nothing, calls=10, watch=Watch(quiet(60), references), reference=reference)

    assert found.relative * found.reference_ms == pytest.approx(60)


def test_the_first_call_is_timed_before_any_other() -> None:
    """What only the first one does is in its time alone."""
    calls = chain([Lap(900 * MS, 900 * MS)], quiet(3))

    found = timed(nothing, calls=10, watch=Watch(calls, quiet(0.3)), reference=reference)

    assert found.first_ms == 900
    assert found.own_ms_R.max() == 3


def test_no_call_was_made_before_the_first() -> None:
    """The warm-up comes behind it."""
    made: list[int] = []
    watch = Watch((Lap(number * MS, len(made) * MS) for number in repeat(1)), quiet(0.3))

    found = timed(lambda: made.append(1), calls=10, watch=watch, reference=reference)

    assert found.first_ms == 1
    assert found.own_ms_R[0] > 2


def test_as_many_calls_as_asked_for() -> None:
    """Slow ones are not made more often."""
    found = timed(nothing, calls=17, watch=Watch(quiet(1000), quiet(0.3)), reference=reference)

    assert len(found.own_ms_R) == 17


def test_fast_calls_are_made_until_they_tell_enough() -> None:
    """A second of a call of 1 ms is 1,000 of them."""
    found = timed(nothing, calls=10, watch=Watch(quiet(1), quiet(0.3)), reference=reference)

    assert len(found.own_ms_R) in (1000, 1001)


def test_the_time_ends_but_not_before_five_calls() -> None:
    """A model that takes seconds is measured too."""
    found = timed(nothing, calls=17, watch=Watch(quiet(1), quiet(0.3)), reference=reference, seconds=0)

    assert len(found.own_ms_R) == FEWEST


def test_garbage_is_not_collected_meanwhile() -> None:
    """And afterwards it is, as before."""
    collecting: list[bool] = []

    timed(lambda: collecting.append(gc.isenabled()), calls=10, watch=Watch(quiet(100), quiet(0.3)), reference=reference)

    assert set(collecting) == {False}
    assert gc.isenabled()


def test_garbage_is_collected_again_after_a_call_that_fails() -> None:
    """The exception passes."""

    def fails() -> None:
        raise OverflowError

    with pytest.raises(OverflowError):
        timed(fails, calls=10, watch=Watch(quiet(1), quiet(0.3)), reference=reference)

    assert gc.isenabled()
