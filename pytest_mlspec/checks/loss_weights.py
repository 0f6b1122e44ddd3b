"""Class weights of a loss, beside the classes that they stand for: the part of `loss` that looks at their order."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from pytest_mlspec.check import Status, Verdict, at_least, at_most, failed, shown
from pytest_mlspec.evidence import LossAnswers

# Class weights as inverse counts, or as their roots: how near counts tell them, and how far from their own class they must lie.
_BALANCED, _MISPLACED = 0.02, 0.05
# Classes whose rows and weights differ so much that it tells whether rare ones weigh more.
_COMMONER, _HEAVIER = 1.2, 1.1


def misplaced_weights(answers: LossAnswers) -> Iterator[Verdict]:
    """Weights that balance the classes, and stand in another order than they."""
    weights, rows = answers.weights, answers.class_rows
    if not weights or weights.keys() != rows.keys() or not (all(rows.values()) and all(weights.values())):
        return
    heaviest, lightest = max(weights, key=lambda name: weights[name]), min(weights, key=lambda name: weights[name])
    is_permuted = any(_permuted(weights, rows, power=power) for power in (1.0, 0.5))
    if is_permuted or _against_counts(weights, rows):
        yield failed(f"class weights are in another order: {heaviest} weighs most, {lightest} least").explained(
            f"{rows[heaviest]} training rows of {heaviest} weigh {shown(weights[heaviest], digits=3)} each, "
            f"{rows[lightest]} of {lightest} {shown(weights[lightest], digits=3)}",
            advice="list the weights in the order of the class numbers; where they are meant, "
            "skip this check with your reason",
            finding="loss.weights",
        )


def _permuted(weights: Mapping[str, float], rows: Mapping[str, int], *, power: float) -> bool:
    """Whether the weights are inverse counts, or their roots, of other classes."""
    inverse = {name: count**-power for name, count in rows.items()}
    mean = sum(inverse.values()) / len(inverse)
    wanted = {name: value / mean for name, value in inverse.items()}
    pairs = zip(sorted(weights.values()), sorted(wanted.values()), strict=True)
    unlike = max(abs(found / value - 1) for found, value in pairs)
    misplaced = max(abs(weights[name] / wanted[name] - 1) for name in wanted)
    return (
        at_most(unlike, _BALANCED).status is Status.PASSED and at_least(misplaced, _MISPLACED).status is Status.PASSED
    )


def _against_counts(weights: Mapping[str, float], rows: Mapping[str, int]) -> bool:
    """Whether of every two classes that clearly differ in both, the commoner one weighs more.

    One class that weighs less than all others may be meant, as one of leftovers is: there must be three weights.
    """
    pairs = [
        (rows[one] / rows[other], weights[one] / weights[other])
        for one in weights
        for other in weights
        if at_least(rows[one] / rows[other], _COMMONER).status is Status.PASSED
        and at_least(abs(math.log(weights[one] / weights[other])), math.log(_HEAVIER)).status is Status.PASSED
    ]
    against = [weight for _, weight in pairs if at_least(weight, 1).status is Status.PASSED]
    several = at_least(len({round(weight, 3) for weight in weights.values()}), 3).status is Status.PASSED
    return several and at_least(len(pairs), 2).status is Status.PASSED and len(against) == len(pairs)
