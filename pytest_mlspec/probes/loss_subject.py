"""The loss of a training as a function of outputs that are put in the place of the model's.

A loss by name, and a recipe's own, take outputs as they are. A step of the team's own is called with its model answering with
the given outputs, row by row: so it cannot be asked where it wants several answers for a row, or calls parts of the model.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from pytest_mlspec.engines.assembly import Assembly
from pytest_mlspec.errors import MlspecError, NotApplicableError
from pytest_mlspec.recipe.calls import user_code
from pytest_mlspec.recipe.work import Work
from pytest_mlspec.training.batches import Batch
from pytest_mlspec.training.losses import LossFunction, as_scalar
from pytest_mlspec.training.seeding import seed_everything

_TOLERANCE = {torch.float64: 1e-7, torch.float32: 1e-3, torch.float16: 2e-2, torch.bfloat16: 1e-1}


class Subject(Protocol):
    """A loss of outputs."""

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def own(self) -> bool:
        """Whether the team's code works it out."""

    def __call__(self, outputs: Tensor, batch: Batch, *, seed: int = 0) -> Tensor:
        """The loss of the batch where the model answers with `outputs`; draws at random with `seed`."""


@dataclass(frozen=True)
class OfFunction:
    """A loss function of the protocol, by name or the recipe's own."""

    name: str
    own: bool
    function: LossFunction

    def __call__(self, outputs: Tensor, batch: Batch, *, seed: int = 0) -> Tensor:
        """The loss of the batch."""
        seed_everything(seed)
        return as_scalar(self.function(outputs, batch), "the loss function")


@dataclass(frozen=True)
class OfStep:
    """A step that calls `model` and returns the loss, or takes the step too."""

    name: str
    model: nn.Module
    step: Callable[[Batch], Any]
    own: bool = True

    def __call__(self, outputs: Tensor, batch: Batch, *, seed: int = 0) -> Tensor:
        """The loss of the batch; raises NotApplicableError where the step asks the model for other rows than these."""
        answered = 0

        def answer(*inputs: Any, **named: Any) -> Tensor:
            nonlocal answered
            asked = next((len(each) for each in (*inputs, *named.values()) if isinstance(each, Tensor)), len(outputs))
            given = outputs[answered : answered + asked]  # a step may take its rows in parts, one after the other
            answered += asked
            return given + self._nothing().to(given)

        seed_everything(seed)
        self.model.forward = answer
        try:
            with user_code(self.name, key="recipe.training_step"):
                returned = self.step(batch)
        except MlspecError as error:
            if answered > len(outputs):
                raise self._refusal(answered, len(outputs)) from error
            raise
        finally:
            del self.model.forward
        if answered != len(outputs):
            raise self._refusal(answered, len(outputs))
        return _as_loss(returned, self.name, outputs.dtype)

    def _nothing(self) -> Tensor:
        """0 with a gradient of 0 for every parameter: a scaler, for one, wants some."""
        learning = (each for each in self.model.parameters() if each.requires_grad and each.numel())
        return sum((each.reshape(-1)[0] * 0 for each in learning), torch.zeros(()))

    def _refusal(self, answered: int, rows: int) -> NotApplicableError:
        told = (
            f"asks the model for {answered} rows of {rows}"
            if answered
            else "calls the model's parts, and not the model"
        )
        return NotApplicableError(f"{self.name} {told}: its loss is no function of the outputs alone")


def subject_of(work: Work, assembly: Assembly) -> Subject:
    """The loss that the training of `work` takes its steps on."""
    found = _model_and_step(work, assembly)
    if found is not None:
        return OfStep(_name_of_step(work), *found)
    declared = assembly.declared
    return OfFunction(declared.name or "the recipe's loss", not declared.name, assembly.loss)


def with_the_model(work: Work, assembly: Assembly, batch: Batch) -> float | None:
    """The loss of `batch` as a step of the team's own takes it with a new model; None where there is none, or it fails.

    For a step that is no function of the outputs alone.
    """
    found = _model_and_step(work, assembly)
    if found is None:
        return None
    _, step = found
    seed_everything(0)
    try:
        with user_code(_name_of_step(work), key="recipe.training_step"):
            value = _as_loss(step(batch), _name_of_step(work), torch.float32)
    except MlspecError:
        return None
    return float(value.detach())


def _name_of_step(work: Work) -> str:
    return "the module's training_step" if work.spec.train.engine.use == "lightning" else "training_step"


def _model_and_step(work: Work, assembly: Assembly) -> tuple[nn.Module, Callable[[Batch], Any]] | None:
    """A new model and a step of the team's own on it; None where there is none."""
    if work.spec.train.engine.use == "lightning":
        return _of_lightning(work, assembly)
    step = assembly.recipe.training_step
    if step is None:
        return None
    state = assembly.new_state(work.spec.train.seed)
    state.model.train()
    return state.model, lambda batch: step(state, batch)


def _of_lightning(work: Work, assembly: Assembly) -> tuple[nn.Module, Callable[[Batch], Any]]:
    from pytest_mlspec.engines.lightning import new_module
    from pytest_mlspec.recipe.installed import make_ready

    make_ready("lightning")
    module = new_module(assembly, work.spec.train.seed).train()

    def step(batch: Batch) -> Any:
        with warnings.catch_warnings():
            # `log` has no Trainer here, and warns of that
            warnings.filterwarnings("ignore", message=r".*self\.log.*")
            return module.training_step((batch.inputs, batch.targets), 0)

    return module, step


def _as_loss(returned: Any, name: str, dtype: torch.dtype) -> Tensor:
    if isinstance(returned, dict):
        returned = returned.get("loss")
    value = torch.as_tensor(returned, dtype=dtype) if isinstance(returned, float) else returned
    return as_scalar(value, name, "recipe.training_step")


@dataclass(frozen=True)
class Asked:
    """A subject on batches in one precision; `form` makes outputs of any numbers.

    `tolerance` is what rounding may leave of a relation that holds, as a share of the loss or of the largest gradient.
    """

    subject: Subject
    form: Callable[[Tensor], Tensor]
    dtype: torch.dtype
    tolerance: float

    def loss(self, numbers: Tensor, batch: Batch, *, seed: int = 0) -> float:
        """The loss of the batch where the outputs are those of `numbers`."""
        return float(self._value(self.form(numbers), batch, seed=seed))

    def of_free(self, outputs: Tensor, batch: Batch) -> float | None:
        """The loss of `outputs` as they are; None where it refuses such as the model cannot give."""
        try:
            value = float(self._value(outputs, batch))
        except NotApplicableError:
            raise
        except MlspecError:
            return None
        return value if math.isfinite(value) else None

    def gradient(self, numbers: Tensor, batch: Batch) -> tuple[float, Tensor]:
        """The loss, and its gradient with respect to `numbers`: 0 where the loss does not depend on them."""
        numbers = numbers.detach().requires_grad_()
        outputs = self.form(numbers)
        leaf = outputs.detach().requires_grad_()
        value = self.subject(leaf, self._cast(batch))
        if leaf.grad is None and value.requires_grad:
            value.backward()  # type: ignore[no-untyped-call]
        if leaf.grad is None:
            return float(value.detach()), torch.zeros_like(numbers)
        [gradient] = torch.autograd.grad(outputs, [numbers], leaf.grad)
        return float(value.detach()), gradient

    def _value(self, outputs: Tensor, batch: Batch, *, seed: int = 0) -> Tensor:
        # outputs that need a gradient: a step of the team's own may go backward
        leaf = outputs.detach().requires_grad_()
        return self.subject(leaf, self._cast(batch), seed=seed).detach()

    def _cast(self, batch: Batch) -> Batch:
        targets = batch.targets
        if targets is None or not targets.is_floating_point():
            return batch
        return replace(batch, targets=targets.to(self.dtype))


def settled(subject: Subject, form: Callable[[Tensor], Tensor], numbers: Tensor, batch: Batch) -> Asked:
    """The subject in double precision where it can compute in that, else in single.

    Raises NotApplicableError with the reason where it answers in neither.
    """
    refusals: list[MlspecError] = []
    for dtype in (torch.float64, torch.float32):
        asked = Asked(subject, form, dtype, _TOLERANCE[dtype])
        try:
            values = [asked.gradient(scale * numbers.to(dtype), batch)[0] for scale in (1.0, 0.7)]
        except NotApplicableError:
            raise
        except MlspecError as refusal:
            refusals.append(refusal)
            continue
        return replace(asked, tolerance=max(asked.tolerance, min(_rounded(value) for value in values)))
    raise NotApplicableError(f"{subject.name} could not be asked with other outputs: {refusals[-1].message}")


def _rounded(value: float) -> float:
    """The tolerance for a loss that is rounded like `value`: the team's code may compute in less than its outputs have."""
    precise = torch.tensor(value, dtype=torch.float64)
    kept = (dtype for dtype in (torch.bfloat16, torch.float16, torch.float32) if precise.to(dtype).double() == precise)
    return _TOLERANCE[next(kept, torch.float64)]
