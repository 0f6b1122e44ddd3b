"""What would explain that the gradient of the outputs is not the one of the declared loss: hypotheses, each tried on the numbers.

    hypothesis                      the gradient of the outputs is that of the declared loss, but …
    sum_for_mean                    times the number of rows, or of outputs
    mean_twice                      divided by that number
    not_divided                     times the number of micro-batches
    backward_twice                  times the number of times that backward came
    micro_batches                   each micro-batch times a number of its own
    rows_left_out                   0 for the rows at the end, and larger for the others
    softmax_before, sigmoid_before  of probabilities in the place of logits
    broadcast                       of outputs [N, 1] against targets [N]
    truncated_targets               of targets without their fraction
    weights_reordered, weights_missing  with the class weights in another order, or without
    padding_counted                 with the padding of texts
    other_targets                   with other classes
    another_loss                    that of another loss by name
    soft_targets                    with a distribution over classes: label smoothing, mixup, …
    class_weights, rows_weighted    with a weight for each class, for each row
    sum_of_outputs                  times the number of outputs of a row
    ascends                         with the other sign
    scaled                          times a number

Shape letters: N rows, C outputs of a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from pytest_mlspec.errors import MlspecError
from pytest_mlspec.language.names import LOSSES
from pytest_mlspec.training import losses
from pytest_mlspec.training.batches import Batch
from pytest_mlspec.training.losses import LossFunction
from pytest_mlspec.training.next_token import PADDING

# Of one-hot targets that were read back from a gradient, and of weights that are a constant.
_CLOSE = 1e-3
# Of class weights that somebody has rounded.
_ROUNDED = 0.15
# Fewer different values may lie on a grid by chance.
_TELLING = 3
_GRIDS = (1.0, 10.0, 100.0, 1000.0, 0.1, 0.5, 5.0, 50.0)

_OF_TASK: Mapping[str, tuple[str, ...]] = {
    "binary": ("cross_entropy", "binary_cross_entropy_with_logits"),
    "multiclass": ("cross_entropy",),
    "regression": ("mse", "l1", "smooth_l1", "huber"),
    "reconstruction": ("mse", "l1", "smooth_l1", "huber"),
}
_BEFORE: Mapping[str, tuple[str, Callable[[Tensor], Tensor]]] = {
    "cross_entropy": ("softmax_before", lambda outputs: outputs.softmax(1)),
    "focal": ("softmax_before", lambda outputs: outputs.softmax(1)),
    "binary_cross_entropy_with_logits": ("sigmoid_before", torch.sigmoid),
}


@dataclass(frozen=True)
class Explanation:
    """What accounts for a difference, and its numbers in words."""

    name: str
    detail: str = ""


@dataclass(frozen=True)
class Brought:
    """What a step brought to the outputs [N, …] of the model, and what the declared loss would have brought.

    `batch` holds the rows behind the outputs, of `rows` that the step has; `sizes` are the rows of each call of the model,
    `parts` the number of micro-batches that the spec declares, `deliveries` how often backward came. `name` and `arguments`
    are those of the declared loss, empty for one of the team's own. `unchanged`: the rows entered the model as they are.
    `balanced` [C] are the weights with which all classes would count
    alike, empty where there are no classes. `counted` is what the mean of the declared loss divides by.
    """

    found: Tensor
    expected: Tensor
    outputs: Tensor
    batch: Batch
    rows: int
    counted: float
    sizes: tuple[int, ...]
    parts: int
    deliveries: int
    task: str
    name: str
    arguments: Mapping[str, Any]
    unchanged: bool
    balanced: Tensor
    tolerance: float

    def same(self, one: Tensor, other: Tensor) -> bool:
        """Whether two gradients are equal up to rounding."""
        return bool((one - other).norm() <= self.tolerance * max(one.norm(), other.norm()))

    def factor(self, expected: Tensor, found: Tensor | None = None) -> float | None:
        """The number that `expected` is to be multiplied by to give `found`; None where there is none."""
        found = self.found if found is None else found
        square = expected.square().sum()
        if not square > 0:
            return None
        factor = float((found * expected).sum() / square)
        return factor if factor and self.same(factor * expected, found) else None


def explain(brought: Brought) -> Explanation:
    """The first hypothesis that accounts for what the step brought; one without a name where none does."""
    for hypothesis in (_scale, _micro_batches, _left_out, _by_name, _targets, _coarse_targets, _reordered, _weighted):
        try:
            found = hypothesis(brought)
        except (MlspecError, RuntimeError, IndexError, ValueError, TypeError):
            continue  # it does not fit these shapes
        if found is not None:
            return found
    return Explanation("")


def rows_at_one_end(entered: Tensor, rows: int) -> bool:
    """Whether the numbers of rows are those of the first, or of the last ones of `rows`."""
    places = entered.sort().values
    first = torch.arange(len(places))
    return bool(torch.equal(places, first) or torch.equal(places, first + rows - len(places)))


def _scale(brought: Brought) -> Explanation | None:
    factor = brought.factor(brought.expected)
    if factor is None:
        return None
    rows, every = len(brought.outputs), brought.outputs.numel()
    if factor < 0:
        return Explanation("ascends", "the gradient has the other sign: each step makes the loss larger")
    is_of_values = brought.name in LOSSES and LOSSES[brought.name].targets == "values"
    known = [
        (
            "sum_of_outputs",
            every / rows if is_of_values else 1.0,
            "as large as with a sum over the {n:g} outputs of a row",
        ),
        ("backward_twice", float(brought.deliveries) / len(brought.sizes), "backward comes {n:g} times"),
        ("sum_for_mean", float(rows), "the gradient is {n:g} times as large, and a step has {n:g} rows"),
        ("sum_for_mean", float(every), "the gradient is {n:g} times as large, and a step has {n:g} outputs"),
        ("sum_for_mean", brought.counted, "the gradient is {n:g} times as large, and the mean divides by {n:g}"),
        (
            "not_divided",
            float(max(brought.parts, len(brought.sizes))),
            "{n:g} micro-batches, and a gradient {n:g} times as large",
        ),
        ("sum_for_mean", float(brought.sizes[0]), "the gradient is {n:g} times as large, the rows of a micro-batch"),
        ("mean_twice", 1 / rows, "the gradient is divided by {m:g}, the number of rows"),
    ]
    for name, number, words in known:
        if number != 1 and abs(factor / number - 1) <= _CLOSE:
            return Explanation(name, words.format(n=number, m=1 / number))
    return Explanation("scaled", f"the gradient is {factor:.6g} times as large")


def _micro_batches(brought: Brought) -> Explanation | None:
    if len(brought.sizes) < 2:
        return None
    pairs = zip(
        torch.split(brought.expected, list(brought.sizes)), torch.split(brought.found, list(brought.sizes)), strict=True
    )
    factors = [brought.factor(expected, found) for expected, found in pairs]
    if any(factor is None for factor in factors):
        return None
    each = ", ".join(f"{size} rows x {factor:.4g}" for size, factor in zip(brought.sizes[:4], factors[:4], strict=True))
    return Explanation("micro_batches", f"micro-batches count otherwise than in one batch: {each}")


def _left_out(brought: Brought) -> Explanation | None:
    rows = len(brought.outputs)
    if rows < brought.rows:
        return None  # which rows enter the model is told apart
    used_N = brought.found.flatten(1).abs().amax(1) > 0 if brought.found.dim() > 1 else brought.found.abs() > 0
    count = int(used_N.sum())
    if not 0 < count < rows:
        return None
    at_one_end = bool(used_N[:count].all() or used_N[-count:].all())
    if at_one_end and brought.factor(brought.expected[used_N], brought.found[used_N]) is not None:
        return Explanation("rows_left_out", f"{count} of {rows} rows count in the loss")
    return None


def _by_name(brought: Brought) -> Explanation | None:
    for name, detail, loss in _candidates(brought):
        outputs = brought.outputs.detach().clone().requires_grad_()
        try:
            with torch.enable_grad():
                [gradient] = torch.autograd.grad(loss(outputs, brought.batch), [outputs])
        except (MlspecError, RuntimeError, IndexError, ValueError):
            continue  # the hypothesis does not fit these shapes
        if brought.factor(gradient) is not None:
            return Explanation(name, detail)
    return None


def _candidates(brought: Brought) -> Iterator[tuple[str, str, LossFunction]]:
    """Losses with a mistake, and other losses, each with its explanation."""
    if brought.task == "language_model":
        yield "padding_counted", "ids of padding are predicted too", _Shifted(1, ignored=-100)
        if brought.name == "cross_entropy" and not brought.arguments:
            yield "other_targets", "each position is to tell its own id, not the next", _Shifted(0)
            yield "other_targets", "each position is to tell the id after the next", _Shifted(2)
            yield "softmax_before", "", _Shifted(1, softmax=True)
        return
    declared = [(brought.name, dict(brought.arguments))] if brought.name in LOSSES else []
    others: list[tuple[str, dict[str, Any]]] = [
        (name, {}) for name in _OF_TASK.get(brought.task, ()) if name != brought.name
    ]
    for name, arguments in declared:
        yield from _mistakes(name, arguments)
        for weight in ("weight", "pos_weight"):
            yield from _weights(name, arguments, weight)
    # Where outputs are far from their targets, a mistake may have the gradient of another loss without one.
    for name, arguments in others:
        yield "another_loss", f"it is the gradient of {name}", losses.build(name, arguments)
    for name, arguments in others:
        yield from _mistakes(name, arguments)


def _mistakes(name: str, arguments: Mapping[str, Any]) -> Iterator[tuple[str, str, LossFunction]]:
    loss = losses.build(name, arguments)
    if name in _BEFORE:
        mistake, activation = _BEFORE[name]
        yield mistake, "", _after(activation, loss)
    if LOSSES[name].targets == "values":
        yield "broadcast", "", partial(_broadcast, loss)
        yield "truncated_targets", "", partial(_truncated, loss)


def _weights(name: str, arguments: dict[str, Any], weight: str) -> Iterator[tuple[str, str, LossFunction]]:
    given = arguments.get(weight)
    if given is None:
        return
    yield "weights_missing", "", losses.build(name, {key: value for key, value in arguments.items() if key != weight})
    if isinstance(given, list):
        yield "weights_reordered", "", losses.build(name, {**arguments, weight: given[::-1]})


def _after(activation: Callable[[Tensor], Tensor], loss: LossFunction) -> LossFunction:
    return lambda outputs, batch: loss(activation(outputs), batch)


def _broadcast(loss: LossFunction, outputs: Tensor, batch: Batch) -> Tensor:
    assert batch.targets is not None, "the declared loss has had them"
    if outputs.dim() == batch.targets.dim():
        raise MlspecError("nothing to broadcast")
    shape = torch.broadcast_shapes(outputs.shape, batch.targets.shape)  # type: ignore[no-untyped-call]
    wide, targets = outputs.expand(shape), batch.targets.to(outputs.dtype).expand(shape)
    return loss(wide.flatten(), replace(batch, targets=targets.flatten()))


def _truncated(loss: LossFunction, outputs: Tensor, batch: Batch) -> Tensor:
    assert batch.targets is not None, "the declared loss has had them"
    return loss(outputs, replace(batch, targets=batch.targets.trunc()))


@dataclass(frozen=True)
class _Shifted:
    """The loss of logits [N, L, V] against the ids so many places later."""

    places: int
    ignored: int = PADDING
    softmax: bool = False

    def __call__(self, outputs: Tensor, batch: Batch) -> Tensor:
        """The mean over the ids that are not ignored."""
        assert batch.targets is not None, "the targets of a language model are its inputs"
        shares = outputs.softmax(2) if self.softmax else outputs
        logits = shares[:, : outputs.shape[1] - self.places].flatten(0, 1)
        ids = batch.targets[:, self.places :].flatten().long()
        return functional.cross_entropy(logits, ids, ignore_index=self.ignored)


def _targets(brought: Brought) -> Explanation | None:
    """What targets a plain cross-entropy would have had: other classes, or distributions over them."""
    targets = brought.batch.targets
    if brought.name not in ("", "cross_entropy") or brought.outputs.dim() != 2 or targets is None or targets.dim() != 1:
        return None
    if brought.outputs.shape[1] < 2 or brought.arguments:
        return None
    shares_NC = brought.outputs.softmax(1) - len(brought.outputs) * brought.found
    sums = bool((shares_NC.sum(1) - 1).abs().max() <= _CLOSE)
    if not sums or shares_NC.min() < -_CLOSE:
        return None
    labels_N = shares_NC.argmax(1)
    if bool((shares_NC.max(1).values - 1).abs().max() > _CLOSE):
        largest = float((shares_NC.max(1).values).mean())
        return Explanation("soft_targets", f"on average {largest:.3g} of a target goes to one class")
    wrong = int((labels_N != targets).sum())
    if wrong and brought.unchanged:
        return Explanation("other_targets", f"{wrong} of {len(targets)} rows are trained on another class")
    return None


def _coarse_targets(brought: Brought) -> Explanation | None:
    """Targets of a regression on a grid that the true ones do not lie on: whole numbers, or tens, next to them."""
    targets = brought.batch.targets
    if brought.task != "regression" or targets is None or targets.numel() != brought.found.numel():
        return None
    true_N, outputs_N, found_N = targets.reshape(-1), brought.outputs.reshape(-1), brought.found.reshape(-1)
    if not brought.unchanged:
        return None
    for divided in (0.5, 1.0):  # a mean of squares, or of half of them
        told_N = outputs_N - divided * len(found_N) * found_N
        for grid in _GRIDS:
            near = bool((told_N - true_N).abs().max() < grid)
            if near and len(torch.unique((told_N / grid).round())) >= _TELLING and _lie_on(told_N, grid):
                if _lie_on(true_N, grid):
                    return None
                return Explanation("truncated_targets", f"every target is a multiple of {grid:g} in the step")
    return None


def _lie_on(values: Tensor, grid: float) -> bool:
    return bool((values / grid - (values / grid).round()).abs().max() <= _CLOSE)


def _reordered(brought: Brought) -> Explanation | None:
    """Class weights that are the declared ones, or those of balanced classes, in another order."""
    targets = brought.batch.targets
    if targets is None or targets.dim() != 1 or targets.is_floating_point() or not brought.unchanged:
        return None
    if brought.name not in ("cross_entropy", "focal", "nll") or len(brought.outputs) != len(targets):
        return None
    given = brought.arguments.get("weight")
    declared_C = torch.as_tensor(given, device=targets.device).double() if given else brought.balanced.double()
    plain = losses.build(brought.name, {key: value for key, value in brought.arguments.items() if key != "weight"})
    outputs = brought.outputs.detach().clone().requires_grad_()
    with torch.enable_grad():
        [of_row] = torch.autograd.grad(plain(outputs, brought.batch), [outputs])
    weight_N = _weight_of_rows(brought.found, of_row)
    if not brought.same(weight_N.reshape(-1, *[1] * (of_row.dim() - 1)) * of_row, brought.found):
        return None
    seen = torch.unique(targets)
    if len(seen) != len(declared_C) or len(seen) < 2:
        return None
    weight_C = torch.stack([weight_N[targets == label].mean() for label in seen]).double()
    closeness = _CLOSE if given else _ROUNDED
    for power in (1.0,) if given else (1.0, 0.5):
        wanted_C = declared_C**power
        found_C = weight_C * wanted_C.sum() / weight_C.sum()
        if torch.allclose(found_C, wanted_C, rtol=closeness):
            return None
        if torch.allclose(found_C.sort().values, wanted_C.sort().values, rtol=closeness):
            each = ", ".join(f"{label}: {found:.3g}" for label, found in zip(seen.tolist()[:4], found_C, strict=False))
            whose = "the declared ones" if given else "those of balanced classes"
            return Explanation("weights_reordered", f"class weights {each}: {whose} in another order")
    return None


def _weight_of_rows(found: Tensor, expected: Tensor) -> Tensor:
    """What each row [N] counts: how many times `expected` [N, …] its gradient is."""
    found, expected = found.reshape(len(found), -1), expected.reshape(len(expected), -1)
    tiny = torch.finfo(found.dtype).tiny
    return (found * expected).sum(1) / expected.square().sum(1).clamp_min(tiny)


def _weighted(brought: Brought) -> Explanation | None:
    weight_N = _weight_of_rows(brought.found, brought.expected)
    each = weight_N.reshape(-1, *[1] * (brought.expected.dim() - 1))
    if bool((weight_N >= 0).all()) and brought.same(each * brought.expected, brought.found):
        low, high, rows = float(weight_N.min()), float(weight_N.max()), len(weight_N)
        name = "class_weights" if _are_of_classes(weight_N, brought) else "rows_weighted"
        if name == "class_weights" and rows >= 8 and rows / 2 <= float(weight_N.mean()) <= 2 * rows:
            # weights around 1, and a sum over the rows
            return Explanation(
                "sum_for_mean", f"classes count between {low:.3g} and {high:.3g} times, and a step has {rows} rows"
            )
        if name == "rows_weighted" and brought.expected.numel() == len(weight_N):
            return None  # of one output a row, every gradient is that of the reference times a number
        what = "classes" if name == "class_weights" else "rows"
        return Explanation(name, f"{what} count between {low:.3g} and {high:.3g} times")
    return None


def _are_of_classes(weight_N: Tensor, brought: Brought) -> bool:
    """Whether rows of one class count alike."""
    targets = brought.batch.targets
    if targets is None or targets.shape != weight_N.shape or targets.is_floating_point() or not brought.unchanged:
        return False
    means_N = torch.stack([weight_N[targets == target].mean() for target in targets])
    return bool(torch.allclose(weight_N, means_N, rtol=_CLOSE))
