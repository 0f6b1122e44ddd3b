"""Losses by name: torch's modules and the focal loss, held to the shapes and types that they mean.

Torch broadcasts outputs [N, 1] against targets [N] to [N, N] and trains on nonsense; here shapes agree or training ends.

Shape letters: N rows, C outputs of a row.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from pytest_mlspec.errors import TrainingError, did_you_mean
from pytest_mlspec.language.names import LOSSES, LossName
from pytest_mlspec.training.batches import Batch
from pytest_mlspec.training.focal import FocalLoss

LossFunction = Callable[[Any, Batch], Tensor]
"""(outputs, batch) to a scalar: the mean over the rows of the batch."""

_KEY = "train.loss"
_TENSORS = ("weight", "pos_weight")


def build(name: str, arguments: Mapping[str, Any]) -> Loss:
    """The loss called `name` with torch's arguments; lists become tensors. Raises TrainingError where it cannot be made."""
    if name not in LOSSES:
        raise TrainingError(f"unknown loss {name!r}", key=_KEY, advice=did_you_mean(name, LOSSES))
    entry = LOSSES[name]
    for argument in arguments:
        if argument not in entry.arguments:
            raise TrainingError(
                f"{name} takes no argument {argument!r}", key=_KEY, advice=did_you_mean(argument, entry.arguments)
            )
    values = {**entry.defaults, **arguments}
    try:
        for argument in _TENSORS:
            if values.get(argument) is not None:
                values[argument] = torch.as_tensor(values[argument], dtype=torch.float64)
        kind = FocalLoss if entry.torch_class == FocalLoss.__name__ else getattr(nn, entry.torch_class)
        module: nn.Module = kind(**values)
    except (TypeError, ValueError) as error:
        raise TrainingError(f"{name} cannot be made: {error}", key=_KEY) from error
    return Loss(name, module, entry)


class Loss:
    """A loss of torch on (outputs, batch)."""

    def __init__(self, name: str, module: nn.Module, entry: LossName) -> None:
        self.name = name
        self._module = module
        self._entry = entry
        self._tensors = {key: tensor.clone() for key, tensor in module.named_buffers()}

    def __call__(self, outputs: Any, batch: Batch) -> Tensor:
        """The mean loss of the batch. Raises TrainingError for shapes that do not agree or classes that do not exist."""
        outputs, targets = self._aligned(outputs, batch)
        self._follow(outputs)
        try:
            loss: Tensor = self._module(outputs, targets)
        except (IndexError, ValueError) as error:  # a class number beyond the outputs, for one
            raise TrainingError(
                f"{self.name} of outputs {_shape(outputs)} and targets {_shape(targets)}: {error}", key=_KEY
            ) from error
        return loss

    @property
    def is_mean_over_rows(self) -> bool:
        """Whether every row counts alike: no class has a weight, and none is ignored."""
        return "weight" not in self._tensors and getattr(self._module, "ignore_index", -100) == -100

    def without_mean(self) -> Loss:
        """The same loss with a value for each row, or for each output of each row."""
        module: Any = copy.deepcopy(self._module)
        module.reduction = "none"
        return Loss(self.name, module, self._entry)

    def denominator(self, batch: Batch) -> Tensor | int:
        """What the sum over the rows was divided by: the weight of this batch in a mean over several.

        The number of rows, but for `cross_entropy`, `nll` and `focal`, which divide by the class weights of the targets
        that are not ignored.
        """
        module, targets = self._module, batch.targets
        if not isinstance(module, nn.CrossEntropyLoss | nn.NLLLoss | FocalLoss) or targets is None:
            return len(batch)
        if targets.is_floating_point() and targets.dim() > 1 and targets.shape[1] > 1:  # a probability for each class
            return len(batch)
        ignored = None if isinstance(module, FocalLoss) else module.ignore_index
        counted = torch.ones_like(targets, dtype=torch.bool) if ignored is None else targets != ignored
        if module.weight is None:
            return counted.sum()
        weight = module.weight.to(targets.device)
        return (weight[targets.long().where(counted, 0)] * counted).sum()

    def _aligned(self, outputs: Any, batch: Batch) -> tuple[Tensor, Tensor]:
        targets = batch.targets
        if not isinstance(outputs, Tensor):
            raise TrainingError(
                f"{self.name} needs a tensor, and the model returns a {type(outputs).__name__}",
                key="model",
                advice="return the outputs alone, or give a loss function of your own",
            )
        if targets is None:
            raise TrainingError(f"{self.name} needs targets, and the batch has none", key=_KEY)
        if isinstance(self._module, FocalLoss):
            outputs = _as_two_logits(outputs)
        if self._entry.targets == "class":
            return outputs, self._classes(outputs, targets)
        if outputs.shape != targets.shape:
            outputs, targets = _without_trailing_one(outputs, targets)
        if outputs.shape != targets.shape:
            raise self._mismatch(outputs, targets)
        if self._entry.targets == "classes":
            return outputs, targets.long()
        # Half-precision outputs keep targets in single precision: torch promotes, and no target is rounded.
        return outputs, targets.to(torch.float64 if outputs.dtype is torch.float64 else torch.float32)

    def _classes(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Class numbers [N, …] for outputs [N, C, …]; or, for cross_entropy, a probability for each output."""
        if outputs.dim() < 2:
            raise TrainingError(
                f"{self.name} needs outputs [rows, classes], and the model returns {_shape(outputs)}", key=_KEY
            )
        classes = outputs.shape[1]
        if classes < 2:
            raise TrainingError(
                f"{self.name} needs an output for each class, and the model returns {_shape(outputs)}",
                key=_KEY,
                advice="for one output a row: binary_cross_entropy_with_logits",
            )
        if "weight" in self._tensors and len(self._tensors["weight"]) != classes:
            raise TrainingError(
                f"{len(self._tensors['weight'])} class weights for {classes} outputs", key=f"{_KEY}.weight"
            )
        if targets.is_floating_point() and targets.shape == outputs.shape:
            return targets.to(outputs.dtype)
        expected = (outputs.shape[0], *outputs.shape[2:])
        if targets.shape == (*expected, 1):
            targets = targets.squeeze(-1)
        if targets.shape != expected:
            raise self._mismatch(outputs, targets)
        return targets.long()

    def _mismatch(self, outputs: Tensor, targets: Tensor) -> TrainingError:
        return TrainingError(
            f"{self.name}: outputs {_shape(outputs)} do not fit targets {_shape(targets)}",
            key=_KEY,
            advice="torch would broadcast them; give the model's last layer the shape of the targets",
        )

    def _follow(self, outputs: Tensor) -> None:
        """Class weights on the device and in the precision of the outputs, as torch demands."""
        for name, exact in self._tensors.items():
            present = getattr(self._module, name)
            dtype = torch.float32 if torch.is_autocast_enabled(outputs.device.type) else outputs.dtype
            if present.device != outputs.device or present.dtype != dtype:
                setattr(self._module, name, exact.to(outputs.device, dtype))


@runtime_checkable
class Weighed(Protocol):
    """A loss that knows what it divides by."""

    def denominator(self, batch: Batch) -> Tensor | int:
        """What the sum over the batch was divided by."""


def denominator(loss: LossFunction, batch: Batch) -> Tensor | int:
    """The weight of `batch` in a mean over several: that of a loss by name, else its rows."""
    known: object = loss  # a function type has no attributes for mypy
    return known.denominator(batch) if isinstance(known, Weighed) else len(batch)


def as_scalar(value: Any, who: str, key: str = _KEY) -> Tensor:
    """`value`, the loss that `who` returned, without dimensions. Raises TrainingError where it is not one number."""
    if not isinstance(value, Tensor):
        raise TrainingError(f"{who} returned a {type(value).__name__}, not a tensor", key=key)
    if value.numel() != 1:
        raise TrainingError(
            f"{who} returned a tensor of shape {list(value.shape)}, not one number",
            key=key,
            advice="mean over the rows",
        )
    return value if value.dim() == 0 else value.reshape(())


def _without_trailing_one(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    if outputs.dim() == targets.dim() + 1 and outputs.shape[-1] == 1:
        return outputs.squeeze(-1), targets
    if targets.dim() == outputs.dim() + 1 and targets.shape[-1] == 1:
        return outputs, targets.squeeze(-1)
    return outputs, targets


def _as_two_logits(outputs: Tensor) -> Tensor:
    """One output a row is the logit of class 1 against class 0: its sigmoid is the softmax of (0, output)."""
    if outputs.dim() == 2 and outputs.shape[1] == 1:
        outputs = outputs.squeeze(1)
    return torch.stack([torch.zeros_like(outputs), outputs], dim=1) if outputs.dim() == 1 else outputs


def _shape(tensor: Tensor) -> str:
    return str(list(tensor.shape))
