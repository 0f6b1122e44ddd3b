"""What the outputs of a model stay within, whatever its parameters: a softmax or a ReLU at its end shows in that.

The outputs of a new model may all lie between 0 and 1 by chance. So its parameters are moved at random, until an output leaves
the range or too many have not: logits leave it within a few draws.

Shape letters: N rows, C outputs of a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from pytest_mlspec.evidence.losses import Extent
from pytest_mlspec.training.seeding import generator

# A single output of all rows that is free stays on one side of 0 in less than half of the draws: 24 of them in less than 1e-7.
_DRAWS = 24
_FEWEST = 16
# Large moves make outputs of deep models infinite, small ones leave those of a small weight where they are.
_MOVES = (1.0, 0.3, 0.1)
_ROUNDING = 1e-4
OF_SUMS = ("probabilities", "log-probabilities")


def extent_of(model: nn.Module, answer: Callable[[], Tensor], *, axis: int) -> Extent:
    """The extent of what `answer` gives; moves the parameters of `model`, and leaves them moved. Classes lie along `axis`."""
    first = answer()
    possible = extents_of(first, axis)
    draws = 0
    varied = False
    for outputs in _moved(model, answer) if possible else ():
        if not outputs.isfinite().all():
            continue
        draws += 1
        varied = varied or not torch.allclose(outputs, first)
        found = extents_of(outputs, axis)
        possible = [name for name in possible if name in found]
        if not possible:
            break
    if not possible or possible[0] in OF_SUMS:  # no sum is 1 in every row by chance
        return possible[0] if possible else "free"
    return possible[0] if varied and draws >= _FEWEST else "free"


def _moved(model: nn.Module, answer: Callable[[], Tensor]) -> Iterator[Tensor]:
    draws = generator(0, "range of outputs")
    start = [(parameter, parameter.detach().clone()) for parameter in model.parameters()]
    for number in range(_DRAWS):
        for parameter, before in start:
            if not before.is_floating_point():
                continue
            spread = 5 * float(before.double().std(unbiased=False)) + 0.5
            move = torch.randn(before.shape, generator=draws) * (spread * _MOVES[number % len(_MOVES)])
            with torch.no_grad():
                parameter.copy_(before + move.to(before))
        yield answer()


def extents_of(outputs: Tensor, axis: int) -> list[Extent]:
    """The extents that `outputs` lie in, the narrowest first."""
    values = outputs.double()
    several = values.dim() > 1 and values.shape[axis] > 1
    found: list[Extent] = []
    if bool((values >= 0).all()):
        if several and _are_one(values.sum(axis)):
            found.append("probabilities")
        if bool((values <= 1).all()):
            found.append("between 0 and 1")
        found.append("never negative")
    elif several and bool((values <= _ROUNDING).all()) and _are_one(values.exp().sum(axis)):
        found.append("log-probabilities")
    return found


def _are_one(sums: Tensor) -> bool:
    return torch.allclose(sums, torch.ones_like(sums), atol=_ROUNDING)
