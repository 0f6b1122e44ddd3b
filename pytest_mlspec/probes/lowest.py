"""The constant output with the lowest training loss, found by minimising the recipe's own loss (L-BFGS in float64).

The constant is one that the model could give: a loss that has no minimum over all numbers, as that of log-probabilities has
none, is minimised over those that sum to 1. Several starts, because a loss of the wrong sign has a maximum at the prior, and
one that is not smooth has corners. For the squared and the absolute error the answer is known. The constant of a language
model is the same at every position.

Shape letters: N rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pytest_mlspec.engines.assembly import Assembly
from pytest_mlspec.errors import MeasurementError, MlspecError
from pytest_mlspec.evidence import ConstantPrediction
from pytest_mlspec.recipe.protocol import Examples
from pytest_mlspec.training.batches import Batch
from pytest_mlspec.training.evaluation import model_outputs
from pytest_mlspec.training.losses import denominator
from pytest_mlspec.training.next_token import PADDING
from pytest_mlspec.training.seeding import generator

_ROWS = 65_536
# Values of targets that are held in double precision at a time, where a row has many.
_VALUES = 1 << 22
_ROWS_LOOKED_AT = 64
_ROUNDS = 200
# A descent that goes this many times further than start and targets are large has no end.
_FAR = 1e9

Form = Callable[[Tensor], Tensor]
"""Any numbers to outputs that the model could give."""


def lowest_constant(assembly: Assembly) -> ConstantPrediction:
    """The constant output that fits the training rows best, and its loss on every split.

    Raises MeasurementError where the loss has no lowest value.
    """
    model = assembly.new_model(assembly.training.seed)
    looked_at = assembly.examples.take(
        np.arange(min(_ROWS_LOOKED_AT, assembly.evaluation_rows, len(assembly.examples)))
    )
    outputs = model_outputs(model, assembly.source(looked_at), assembly.evaluation_rows)
    refusals: list[MlspecError] = []
    # The team's own loss may know numbers of one type only, or outputs of one form.
    tokens = assembly.declared.kind == "tokens"
    forms = [_free, _log_softmax] if tokens else _forms(assembly.declared.name, outputs)
    for form, dtype in product(forms, (torch.float64, torch.float32)):
        try:
            return _Search(assembly, outputs.shape[1:], form, dtype).run()
        except MlspecError as refusal:
            refusals.append(refusal)
    raise next((refusal for refusal in refusals if isinstance(refusal, MeasurementError)), refusals[0])


def _forms(loss: str, outputs: Tensor) -> list[Form]:
    """The forms of a constant output to try, by the name of the loss; for the team's own, also that of `outputs`."""
    match loss:
        case "nll":
            return [_log_softmax]
        case "binary_cross_entropy":
            return [torch.sigmoid]
        case "":
            return [_free, *_form_seen(outputs.double())]
        case _:
            return [_free]


def _form_seen(outputs: Tensor) -> list[Form]:
    if outputs.dim() > 1 and outputs.shape[1] > 1:
        if torch.allclose(outputs.exp().sum(1), torch.ones(()).double(), atol=1e-4):
            return [_log_softmax]
        if bool((outputs >= 0).all()) and torch.allclose(outputs.sum(1), torch.ones(()).double(), atol=1e-4):
            return [_softmax]
    elif bool(((outputs >= 0) & (outputs <= 1)).all()):
        return [torch.sigmoid]
    return []


def _free(numbers: Tensor) -> Tensor:
    return numbers


def _softmax(numbers: Tensor) -> Tensor:
    return numbers.softmax(0)


def _log_softmax(numbers: Tensor) -> Tensor:
    return numbers.log_softmax(0)


@dataclass(frozen=True)
class _Search:
    """The search among constants of one form and precision; `shape` is that of one row's output."""

    assembly: Assembly
    shape: Sequence[int]
    form: Form
    dtype: torch.dtype

    def run(self) -> ConstantPrediction:
        """The best constant; raises MeasurementError where there is none."""
        batches = list(self._batches(self.assembly.examples))
        found: list[tuple[float, Tensor]] = []
        undefined: list[_UndefinedError] = []
        known = self._known()
        if known is not None:
            found.append((float(self._loss(known, batches)), known))
        for start in self._starts() if known is None else ():
            try:
                found.append(self._descended(start, batches))
            except _UndefinedError as error:
                undefined.append(error)
        if not found:
            raise _no_lowest(f"it is {undefined[0]} for each constant that was tried")
        loss, best = min(found, key=lambda pair: pair[0])
        splits = self.assembly.prepared.splits
        with torch.no_grad():
            held_out = {
                name: float(self._loss(best, list(self._batches(rows))))
                for name, rows in splits.items()
                if name != "train" and len(rows)
            }
            outputs = self.form(best).reshape(-1).tolist()
        return ConstantPrediction(loss, len(self.assembly.examples), tuple(outputs), held_out)

    def _descended(self, start: Tensor, batches: list[Batch]) -> tuple[float, Tensor]:
        """The loss at the end of a descent from `start`, and the end; raises _UndefinedError where the loss is not finite."""
        numbers = start.clone().requires_grad_()
        optimizer = torch.optim.LBFGS(
            [numbers], max_iter=_ROUNDS, tolerance_grad=1e-10, tolerance_change=1e-14, line_search_fn="strong_wolfe"
        )
        largest = _FAR * (1 + float(start.abs().max()) + float(np.abs(self.assembly.examples.targets).max()))

        def evaluate() -> Tensor:
            optimizer.zero_grad()
            loss = self._loss(numbers, batches)
            if not loss.requires_grad:
                raise _no_lowest("it does not depend on the outputs")
            if not loss.isfinite():
                raise _UndefinedError(float(loss.detach()))
            if numbers.abs().max() > largest:
                raise _no_lowest(f"it falls without end, to {float(loss.detach()):.4g} and on")
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        optimizer.step(evaluate)  # type: ignore[no-untyped-call]
        return float(evaluate().detach()), numbers.detach()

    def _loss(self, numbers: Tensor, batches: Sequence[Batch]) -> Tensor:
        """The mean loss over all rows where each has the output that `numbers` stand for."""
        outputs = self.form(numbers)
        total = torch.zeros((), dtype=self.dtype, device=numbers.device)
        weight: Tensor | float = 0.0
        for batch in batches:
            of_batch = denominator(self.assembly.loss, batch)
            total = total + self.assembly.loss(outputs.expand(len(batch), *self.shape), batch) * of_batch
            weight = weight + of_batch
        return total / weight

    def _known(self) -> Tensor | None:
        """The best constant, where the loss is one whose answer is known."""
        targets = self.assembly.examples.targets
        match self.assembly.declared.name:
            case "mse":
                typical = self._of_shape(targets.mean(axis=0, dtype=np.float64))
            case "l1":
                typical = self._of_shape(np.median(targets, axis=0))
            case _:
                return None
        return typical.to(self.assembly.device.device, self.dtype)

    def _of_shape(self, values: NDArray[np.float64] | float) -> Tensor:
        """`values`, one for all outputs or one for each, as outputs of a row."""
        array = np.asarray(values, dtype=np.float64)
        return torch.from_numpy(np.array(np.broadcast_to(array, tuple(self.shape))))

    def _starts(self) -> list[Tensor]:
        """Zero, a point away from it, and what the prior suggests."""
        shape = tuple(self.shape[-1:] if self.assembly.declared.kind == "tokens" else self.shape)
        away = torch.randn(shape, generator=generator(0, "constant"), dtype=torch.float64)
        starts = [torch.zeros_like(away), away, *self._priors()]
        return [start.to(self.assembly.device.device, self.dtype) for start in starts]

    def _priors(self) -> Iterator[Tensor]:
        targets = self.assembly.examples.targets
        classes = self.assembly.declared.classes
        size = math.prod(self.shape)
        if self.assembly.declared.kind == "tokens":
            counts_V = np.bincount(targets[:, 1:].ravel(), minlength=self.shape[-1])
            counts_V[PADDING] = 0
            yield torch.from_numpy(np.log((counts_V + 1) / (counts_V.sum() + len(counts_V))))
            return
        if not classes:
            mean = np.mean(targets, axis=0, dtype=np.float64)
            for typical in (mean, np.median(targets, axis=0), np.log(np.maximum(mean, 1e-6))):
                yield self._of_shape(typical)
            return
        shares_C = (np.bincount(targets, minlength=classes) + 1e-6) / len(targets)
        if size == classes:
            yield torch.from_numpy(np.log(shares_C)).reshape(tuple(self.shape))
        elif size == 1:
            yield torch.full(tuple(self.shape), float(np.log(shares_C[1] / shares_C[0])), dtype=torch.float64)

    def _batches(self, examples: Examples) -> Iterator[Batch]:
        """`examples` as the loss sees them; a loss by name reads no inputs, so none are copied for it."""
        device = self.assembly.device.device
        rows = torch.arange(len(examples))
        if self.assembly.declared.name:
            nothing = torch.empty(0, device=device)
            targets = torch.from_numpy(np.array(examples.targets)).to(device)
            for index in torch.split(rows, max(1, min(_ROWS, _VALUES // math.prod(targets.shape[1:])))):
                yield Batch(nothing, self._cast(targets[index[0] : index[-1] + 1]), index)
            return
        source = self.assembly.source(examples)
        for index in torch.split(rows, self.assembly.evaluation_rows):
            batch = source.fetch(index)
            yield Batch(batch.inputs, None if batch.targets is None else self._cast(batch.targets), index)

    def _cast(self, targets: Tensor) -> Tensor:
        return targets.to(self.dtype) if targets.is_floating_point() else targets


class _UndefinedError(Exception):
    """The loss is not finite on the way of a descent."""


def _no_lowest(why: str) -> MeasurementError:
    return MeasurementError(
        f"the training loss of a constant prediction has no lowest value: {why}",
        key="train.loss",
        advice="has the loss the wrong sign, or does it need outputs that the model does not give?",
    )
