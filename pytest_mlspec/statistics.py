"""The decisions of gates: numbers in, numbers out. Standard library only, where it suffices; scipy inside a function."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
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


def successes_by_chance(most: int, *, of: int, share: float) -> float:
    """How likely at most `most` of `of` independent trials succeed, each with the probability `share`: the exact binomial tail.

    >>> round(successes_by_chance(1, of=2, share=0.5), 9), successes_by_chance(0, of=0, share=0.5)
    (0.75, 1.0)
    """
    if share <= 0 or most >= of:
        return 1.0
    if share >= 1:
        return 0.0
    yes, no = math.log(share), math.log1p(-share)
    terms = (math.exp(_log_binomial(of, k) + k * yes + (of - k) * no) for k in range(most + 1))
    return min(1.0, math.fsum(terms))


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


def distance_tail(distance: float, one: int, other: int) -> float:
    """A bound on the probability that the distribution functions of two samples of these sizes lie so far apart, or further.

    Of Kolmogorov and Smirnov's two-sample test; the constant e is that of Wei and Dudley 2012, good for samples of any size.

    >>> distance_tail(0.2, 1000, 1000) < 1e-6 < distance_tail(0.2, 100, 100)
    True
    """
    return min(1.0, math.e * math.exp(-2 * distance * distance * one * other / (one + other)))


def _chi_squared_tail(distance: float, freedom: int) -> float:
    """The probability of a larger value: the closed form for whole degrees of freedom (Abramowitz and Stegun 26.4.4, 26.4.5)."""
    if not distance:
        return 1.0
    half = distance / 2
    powers = [freedom / 2 - number for number in range(1, freedom // 2 + 1)]
    terms = math.fsum(math.exp(power * math.log(half) - half - math.lgamma(power + 1)) for power in powers)
    return min(1.0, terms + (math.erfc(math.sqrt(half)) if freedom % 2 else 0.0))


def more_by_chance(one: int, of_one: int, other: int, of_other: int) -> float:
    """How likely `one` or more of all `one + other` marked rows are among the first `of_one` of them, drawn at random.

    Fisher's exact test, one-sided.

    >>> round(more_by_chance(2, 2, 0, 2), 4), more_by_chance(0, 5, 3, 5)
    (0.1667, 1.0)
    """
    return _hypergeometric_tail(one, of_one + of_other, one + other, of_one)


def agreement_by_chance(hits: int, predicted: Sequence[int], true: Sequence[int]) -> float:
    """At most how likely it is that `hits` rows or more have their class, where the classes fell on the rows at random.

    `predicted` and `true` count the rows of each class. For two classes the probability is that of the hypergeometric
    distribution; for more it is bounded by binomial moments, P(M >= m) <= E[C(M, k)] / C(m, k) for every k, which follow from
    the rook polynomials of the classes (Riordan 1958, An introduction to combinatorial analysis, chapter 7).

    >>> round(agreement_by_chance(4, (2, 2), (2, 2)), 4), round(agreement_by_chance(3, (1, 1, 1), (1, 1, 1)), 4)
    (0.1667, 0.1667)
    """
    rows = sum(true)
    if rows != sum(predicted) or rows == 0:
        raise ValueError(f"as many predicted as true classes are needed, not {sum(predicted)} and {rows}")
    occurring = [(one, other) for one, other in zip(predicted, true, strict=True) if one and other]
    if hits <= 0 or not occurring:
        return 1.0
    if len(predicted) == 2:
        # With both counts given, every row of the first class that is met meets one of the second.
        low = max(0, predicted[0] + true[0] - rows)
        met = (hits - (rows - predicted[0] - true[0])) / 2
        return _hypergeometric_tail(max(low, math.ceil(met)), rows, true[0], predicted[0])
    terms = min(hits, _MOMENTS)
    moments = [0.0] + [-math.inf] * terms  # logarithms: the coefficients of the product of the rook polynomials
    for one, other in occurring:
        own = [
            _log_binomial(one, k) + _log_binomial(other, k) + math.lgamma(k + 1)
            for k in range(min(one, other, terms) + 1)
        ]
        moments = [_log_sum(moments[k - j] + own[j] for j in range(min(k, len(own) - 1) + 1)) for k in range(terms + 1)]
    bounds = (
        moments[k] + math.lgamma(rows - k + 1) - math.lgamma(rows + 1) - _log_binomial(hits, k)
        for k in range(1, terms + 1)
    )
    return math.exp(min(0.0, *bounds))


def correlation_by_chance(correlation: float, rows: int) -> float:
    """About how likely a rank correlation as high as this is where the ranks are independent.

    The normal law with the variance 1 / (rows - 1) of Spearman's coefficient, whose tails are lighter than that (kurtosis below
    0: Kendall and Stuart, The advanced theory of statistics, volume 2, 31.19). 1 for one that has no value.

    >>> round(correlation_by_chance(0.5, 101), 9), correlation_by_chance(float("nan"), 101)
    (2.87e-07, 1.0)
    """
    if not math.isfinite(correlation) or rows < 2:
        return 1.0
    return 0.5 * math.erfc(correlation * math.sqrt((rows - 1) / 2))


# Moments that are looked at: more cost the square of it, and a bound by fewer of them is one too.
_MOMENTS = 200


def _hypergeometric_tail(least: int, rows: int, marked: int, drawn: int) -> float:
    """The probability that `drawn` of `rows` rows hold `least` or more of the `marked` ones."""
    whole = _log_binomial(rows, drawn)
    most = min(marked, drawn)
    return min(
        1.0,
        math.fsum(
            math.exp(_log_binomial(marked, k) + _log_binomial(rows - marked, drawn - k) - whole)
            for k in range(least, most + 1)
        ),
    )


def _log_binomial(of: int, taken: int) -> float:
    if not 0 <= taken <= of:
        return -math.inf
    return math.lgamma(of + 1) - math.lgamma(taken + 1) - math.lgamma(of - taken + 1)


def _log_sum(logarithms: Iterable[float]) -> float:
    values = list(logarithms)
    largest = max(values, default=-math.inf)
    return (
        largest if largest == -math.inf else largest + math.log(math.fsum(math.exp(each - largest) for each in values))
    )
