"""What the rates of a training tell of its schedule, and when an early stop ends it: finite numbers in, numbers out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_mlspec.evidence import StopRule

# Shares of the highest rate: rounding, a rate of nothing, a low one, a high one.
SAME, NONE, LOW, HIGH = 1e-6, 1e-9, 0.05, 0.25
# A schedule of so few different rates goes down in stairs, each of which may be the last.
_STAIRS = 5
# A climb has more steps than a jump; none of them is more than this share of it.
_STEPS_OF_A_CLIMB, _JUMP = 3, 0.5


@dataclass(frozen=True)
class Climb:
    """A rate that has fallen to `low` at `step` (from 0) and then climbs to `high`."""

    step: int
    low: float
    high: float


@dataclass(frozen=True)
class Ahead:
    """What a schedule reaches only behind the training: `rate` at `step` (from 0), its `highest` rate or its end."""

    step: int
    rate: float
    highest: bool


def is_constant(rates: Sequence[float]) -> bool:
    """True where no rate differs from another by more than rounding."""
    return max(rates) - min(rates) <= SAME * abs(max(rates))


def steps_at_nothing(rates: Sequence[float]) -> list[int]:
    """The steps (from 0) whose rate is nothing beside the highest one, which is positive."""
    highest = max(rates)
    return [step for step, rate in enumerate(rates) if rate <= NONE * highest]


def climb(rates: Sequence[float]) -> Climb | None:
    """The first climb after the rate was low, as of a cosine beyond its length; a jump back is a restart, and none."""
    highest = max(rates)
    top = next(step for step, rate in enumerate(rates) if rate >= highest * (1 - SAME))
    low = next((step for step in range(top, len(rates)) if rates[step] <= LOW * highest), None)
    if low is None:
        return None
    rises: list[float] = []
    lowest, at = rates[low], low
    for step in range(low + 1, len(rates)):
        rise = rates[step] - rates[step - 1]
        if rise > SAME * highest:
            rises.append(rise)
            continue
        if _is_climb(rises, highest):
            break
        rises.clear()
        if rates[step] <= lowest:
            lowest, at = rates[step], step
    return Climb(at, lowest, lowest + sum(rises)) if _is_climb(rises, highest) else None


def _is_climb(rises: Sequence[float], highest: float) -> bool:
    return len(rises) >= _STEPS_OF_A_CLIMB and sum(rises) >= HIGH * highest and max(rises) <= _JUMP * sum(rises)


def ahead(rates: Sequence[float], beyond: Sequence[float], *, refuses: bool) -> Ahead | None:
    """What the schedule reaches only in `beyond`; None where nothing tells, as of one that decays for ever.

    `refuses`: the schedule ends with `beyond`.
    """
    if not beyond:
        return None
    whole = [*rates, *beyond]
    highest = max(whole)
    if highest >= (1 + LOW) * max(rates):
        return Ahead(next(step for step, rate in enumerate(whole) if rate >= highest * (1 - SAME)), highest, True)
    lowest = min(beyond)
    end = next(len(rates) + step for step, rate in enumerate(beyond) if rate <= lowest + SAME * highest)
    is_reached = refuses or end < len(whole) - max(1, len(rates) // 2)  # an exponential is lowest where the look ends
    is_stairs = len({round(rate / highest, 9) for rate in whole}) <= _STAIRS
    if is_reached and not is_stairs and lowest <= LOW * highest and rates[-1] >= HIGH * highest:
        return Ahead(end, lowest, False)
    return None


def replayed(rule: StopRule, values: Sequence[float]) -> tuple[int | None, int]:
    """The epoch (from 1) after which the rule ends the training, None for never, and the best epoch until then (from 0)."""
    best, bad = 0, 0
    for epoch, value in enumerate(values[1:], start=1):
        gain = values[best] - value if rule.mode == "min" else value - values[best]
        if gain > rule.min_delta:
            best, bad = epoch, 0
            continue
        bad += 1
        if bad >= rule.patience:
            return epoch + 1, best
    return None, best
