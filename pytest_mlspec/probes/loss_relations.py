"""Relations that hold for the loss of every mean over rows, asked with outputs that are given.

Shape letters: N rows, C classes, L positions of a text, V ids of the vocabulary.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from pytest_mlspec.errors import MlspecError, NotApplicableError
from pytest_mlspec.evidence.losses import CertainLoss, RowsOfLoss
from pytest_mlspec.probes.loss_subject import Asked
from pytest_mlspec.training.batches import Batch
from pytest_mlspec.training.next_token import PADDING
from pytest_mlspec.training.seeding import generator

_REPLACED = 3
_DRAWS = 16
_MORE_PADDING = 3
# Logits so far apart leave nothing to a loss that can reach its floor: e^-80 in double precision is nothing beside 1.
_CERTAIN = 40.0
_STEPS = 40
_STEP = 0.5
_SEEN = 1e-12
_STILL = 1e-6


def drawn(shape: torch.Size, *, stream: str) -> Tensor:
    """Random numbers of standard deviation 1, the same at every call."""
    return torch.randn(shape, generator=generator(0, "loss", stream), dtype=torch.float64)


def taken(batch: Batch, rows: Tensor) -> Batch:
    """The rows of `batch` at the positions `rows`."""
    inputs = batch.inputs
    of_rows = {name: each[rows] for name, each in inputs.items()} if isinstance(inputs, dict) else inputs[rows]
    return Batch(of_rows, None if batch.targets is None else batch.targets[rows], batch.index[rows.cpu()])


def rows_of_loss(asked: Asked, numbers: Tensor, batch: Batch, *, classes: bool) -> RowsOfLoss:
    """How the loss of the batch goes with those of its rows, at the outputs `numbers`: one for each class with `classes`."""
    rows = torch.arange(len(batch), device=numbers.device)
    value, gradient = asked.gradient(numbers, batch)
    twice, backwards = rows.repeat(2), rows.flip(0)
    repeated = asked.loss(numbers[twice], taken(batch, twice))
    reordered = asked.loss(numbers[backwards], taken(batch, backwards))
    scale = abs(value) or 1.0
    coupled = 0.0
    for row in rows[:: max(1, len(rows) // _REPLACED)][:_REPLACED].tolist():
        changed = rows.clone()
        changed[row] = (row + len(rows) // 2) % len(rows)
        _, of_changed = asked.gradient(numbers[changed], taken(batch, changed))
        others = rows != row
        coupled = max(coupled, _unlike(of_changed[others], gradient[others]))
    return RowsOfLoss(
        times=repeated / value if value else math.nan,
        coupled=coupled,
        reordered=abs(reordered - value) / scale,
        of_halves=_of_halves(asked, numbers, batch, value),
        over_batch=classes and _goes_over_the_batch(asked, numbers, batch),
    )


def _of_halves(asked: Asked, numbers: Tensor, batch: Batch, value: float) -> float | None:
    """The loss `value` of the batch over that of its larger half; None where they are not positive, or one is refused."""
    rows = torch.arange(len(batch), device=numbers.device)
    try:
        halves = [asked.loss(numbers[half], taken(batch, half)) for half in rows.chunk(2)]
    except NotApplicableError:
        raise
    except MlspecError:
        return None
    return value / max(halves) if min(*halves, value) > 0 else None


def _goes_over_the_batch(asked: Asked, numbers: Tensor, batch: Batch) -> bool:
    """Whether a number for each class, added to the outputs of all rows, changes nothing."""
    before = asked.of_free(numbers, batch)
    more = drawn(numbers.shape[1:], stream="over batch").to(numbers)
    after = asked.of_free(numbers + more, batch)
    if before is None or after is None:
        return False
    return abs(after - before) <= asked.tolerance * abs(before)


def times_drawn(asked: Asked, numbers: Tensor, batch: Batch) -> float:
    """The loss of a batch and its copy over that of the batch, where each draws at random: of the means over several draws."""
    twice = torch.arange(len(batch), device=numbers.device).repeat(2)
    repeated = taken(batch, twice)
    once, both = (
        sum(asked.loss(outputs, rows, seed=seed) for seed in range(_DRAWS))
        for outputs, rows in ((numbers, batch), (numbers[twice], repeated))
    )
    return both / once if once else math.nan


def _unlike(changed: Tensor, before: Tensor) -> float:
    """How far `changed` is from a multiple of `before`, as a share of its largest value."""
    largest = float(before.abs().max())
    if not largest:
        return float(changed.abs().max() > 0)
    factor = (changed * before).sum() / (before * before).sum()
    return float((changed - factor * before).abs().max()) / largest


def certain_loss(asked: Asked, target_numbers: Tensor, batch: Batch) -> CertainLoss:
    """The loss where the outputs tell the targets for certain; `target_numbers` are 1 for the target, and else −1.

    Each row stands twice in the batch: a loss that compares rows must not take a row for another one of its kind.
    """
    twofold = torch.arange(len(batch), device=target_numbers.device).repeat(2)
    rows, numbers = taken(batch, twofold), target_numbers[twofold]
    undecided = 0.1 * drawn(numbers.shape, stream="undecided").to(numbers)
    once, twice = (asked.loss(times * _CERTAIN * numbers, rows) for times in (1, 2))
    right, wrong, more_wrong = (asked.of_free(times * _CERTAIN * numbers, rows) for times in (2, -1, -2))
    has_no_bound = wrong is not None and more_wrong is not None and more_wrong - wrong > _STILL * abs(more_wrong)
    return CertainLoss(once, twice, asked.loss(undecided, rows), right if has_no_bound else None)


def descended(asked: Asked, start: Tensor, batch: Batch) -> Tensor:
    """The numbers after a descent from `start`, each row by steps of the same length: the weights of rows do not count."""
    numbers = start.clone()
    for _ in range(_STEPS):
        _, gradient = asked.gradient(numbers, batch)
        if not gradient.isfinite().all():
            break
        largest = gradient.abs().reshape(len(gradient), -1).amax(dim=1).clamp_min(1e-300)
        numbers = numbers - _STEP * gradient / largest.reshape(-1, *[1] * (gradient.dim() - 1))
    return numbers


def signs_descended(asked: Asked, start: Tensor, batch: Batch, *, unit: float, first: float) -> Tensor:
    """The numbers after a descent in which each goes by steps of its own, from `first` units down to a thousandth of one."""
    numbers, step = start.clone(), first * unit
    while step > unit / 1000:
        _, gradient = asked.gradient(numbers, batch)
        if not gradient.isfinite().all():
            break
        numbers = numbers - step * gradient.sign()
        step *= 0.85
    return numbers


def in_order(found: Tensor, targets: Tensor) -> float | None:
    """The share of pairs of values that stand in the order of their targets; None where the targets hardly differ."""
    values, wanted = found.reshape(-1).double(), targets.reshape(-1).double()
    draws = generator(0, "loss", "pairs")
    one, other = (torch.randint(len(wanted), (4096,), generator=draws).to(wanted.device) for _ in range(2))
    apart = (wanted[one] - wanted[other]).abs() > 0.1 * float(wanted.std(unbiased=False))
    if not bool(apart.any()):
        return None
    same = (values[one] - values[other]).sign() == (wanted[one] - wanted[other]).sign()
    return float(same[apart].double().mean())


def unseen_targets(asked: Asked, numbers: Tensor, batch: Batch) -> float | None:
    """The share of rows whose target may change without a change of the loss of that row alone.

    A target is changed by a hundredth of the usual deviation, or by a whole unit where all of them are whole numbers.
    """
    targets = batch.targets
    if targets is None or not targets.is_floating_point() or targets.numel() == 0:
        return None
    values = targets.double()
    is_whole = bool((values == values.round()).all())
    change = 1.0 if is_whole else 0.01 * float(values.std(unbiased=False))
    if not change:
        return None
    rows = range(0, len(batch), max(1, len(batch) // 8))
    unseen = 0
    for row in rows:
        alone = taken(batch, torch.tensor([row], device=targets.device))
        moved = replace(alone, targets=(values[row : row + 1] + change).to(asked.dtype))
        exact = replace(alone, targets=values[row : row + 1].to(asked.dtype))
        here = numbers[row : row + 1]
        losses = [(asked.loss(side * here, exact), asked.loss(side * here, moved)) for side in (1, -1)]
        unseen += all(abs(before - after) <= _SEEN * abs(before) for before, after in losses)
    return unseen / len(rows)


def padding_of_loss(asked: Asked, numbers_NLV: Tensor, batch: Batch) -> tuple[float, float] | None:
    """The largest gradient at padding as a share of all, and how far more padding changes the loss; None where refused."""
    assert batch.targets is not None, "the targets of a language model are its inputs"

    def longer(ids: Tensor) -> Tensor:
        return functional.pad(ids, (0, _MORE_PADDING), value=PADDING) if ids.dim() == 2 else ids

    inputs = batch.inputs
    padded = Batch(
        {name: longer(each) for name, each in inputs.items()} if isinstance(inputs, dict) else longer(inputs),
        longer(batch.targets),
        batch.index,
    )
    more = drawn(torch.Size([len(batch), _MORE_PADDING, numbers_NLV.shape[2]]), stream="padding").to(numbers_NLV)
    value, _ = asked.gradient(numbers_NLV, batch)
    try:
        of_padded, gradient = asked.gradient(torch.cat([numbers_NLV, more], dim=1), padded)
    except MlspecError:  # a loss for texts of one length
        return None
    ids_NL = longer(batch.targets)
    # The first padding behind a text may stand for its end, and be predicted.
    behind_NL = (ids_NL == PADDING) & (functional.pad(ids_NL[:, 1:], (0, 1), value=PADDING) == PADDING)
    largest = float(gradient.abs().max()) or 1.0
    return float(gradient[behind_NL].abs().max()) / largest, abs(of_padded - value) / (abs(value) or 1.0)
