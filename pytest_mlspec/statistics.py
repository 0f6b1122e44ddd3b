"""The decisions of gates: numbers in, numbers out. Standard library only, where it suffices; scipy inside a function."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist


def wilson_interval(share: float, n: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """The interval that covers the true share with `confidence`, given `share` of `n` independent rows.

    Source: Wilson 1927, Probable inference, the law of succession, and statistical inference (the score interval).
    Raises ValueError where `n` is not positive or `share` no share.

    >>> low, high = wilson_interval(0.931, 360)
    >>> round(low, 3), round(high, 3)
    (0.9, 0.953)
    """
    if n <= 0 or not 0 <= share <= 1:
        raise ValueError(f"a share of rows is needed, not {share} of {n}")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def differ(one: Mapping[str, int], other: Mapping[str, int]) -> float:
    """The probability that two random draws from the same rows differ in their class counts as much as these, or more.

    Pearson's chi-squared test of homogeneity. 1 where there is nothing to compare.

    >>> round(differ({"no": 90, "yes": 10}, {"no": 80, "yes": 20}), 3)
    0.048
    """
    rows = sum(one.values()), sum(other.values())
    classes = [label for label in {**one, **other} if one.get(label, 0) + other.get(label, 0)]
    if not all(rows) or len(classes) < 2:
        return 1.0
    distance = 0.0
    for counts, in_all in zip((one, other), rows, strict=True):
        for label in classes:
            expected = in_all * (one.get(label, 0) + other.get(label, 0)) / sum(rows)
            distance += (counts.get(label, 0) - expected) ** 2 / expected
    return _chi_squared_tail(distance, len(classes) - 1)


def _chi_squared_tail(distance: float, freedom: int) -> float:
    """The probability of a larger value: the closed form for whole degrees of freedom (Abramowitz and Stegun 26.4.4, 26.4.5)."""
    if not distance:
        return 1.0
    half = distance / 2
    powers = [freedom / 2 - number for number in range(1, freedom // 2 + 1)]
    terms = math.fsum(math.exp(power * math.log(half) - half - math.lgamma(power + 1)) for power in powers)
    return min(1.0, terms + (math.erfc(math.sqrt(half)) if freedom % 2 else 0.0))
