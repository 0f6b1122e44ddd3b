"""The decisions of gates: numbers in, numbers out. Standard library only, where it suffices; scipy inside a function."""

from __future__ import annotations

import math
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
