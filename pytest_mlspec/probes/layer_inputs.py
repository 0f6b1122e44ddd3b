"""`ObserveInputs`: the numbers that the first layers of the untrained model take.

Those layers are told by autograd: what they take depends on no parameter. So a model that scales its inputs itself is seen with
its scaling, and what an embedding or a learned normalisation gives is not looked at, as it has a scale of its own.

Shape letters: M numbers of all rows and positions, K columns or channels of a layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from pytest_mlspec.engines import torch as engine_of_torch
from pytest_mlspec.engines.outside import from_outside
from pytest_mlspec.errors import NotApplicableError
from pytest_mlspec.evidence import LayerInput, LayerInputs
from pytest_mlspec.jobs import ObserveInputs
from pytest_mlspec.recipe.protocol import Examples
from pytest_mlspec.recipe.work import Result, Work

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_LAYERS = (nn.Linear, nn.Bilinear, nn.RNNBase, nn.MultiheadAttention, *_CONVOLUTIONS)
# Numbers that enter the model at once, and the fewest rows that statistics over a batch are made of.
_AT_ONCE = 4_000_000
_FEWEST = 16


def observe_inputs(job: ObserveInputs, work: Work) -> Result:
    """What enters the first layers, in training mode. Raises NotApplicableError where no layer of torch is among them."""
    with from_outside("the model on a few training rows", key="model"):
        predictor = engine_of_torch.initial(work)
        rows = _some(work.prepared.splits["train"], job.rows)
        tensors = predictor.tensors(rows)
        model = predictor.module.train()
        with _watched(model) as seen:
            model(**tensors) if isinstance(tensors, Mapping) else model(*tensors)
    if not seen:
        raise NotApplicableError(
            "no linear layer or convolution takes the inputs themselves: an embedding, a normalisation or a layer of the"
            " team's own does"
        )
    return Result(LayerInputs(len(rows), tuple(seen.values()), predictor.assembly.device.name))


def _some(examples: Examples, count: int) -> Examples:
    """At most `count` rows spread over `examples`; fewer where a row is large."""
    arrays = examples.inputs.values() if isinstance(examples.inputs, Mapping) else [examples.inputs]
    numbers = max(1, sum(array[:1].size for array in arrays))
    count = min(len(examples), count, max(_FEWEST, _AT_ONCE // numbers))
    return examples.take(np.unique(np.linspace(0, len(examples) - 1, count).astype(np.int64)))


@contextmanager
def _watched(model: nn.Module) -> Iterator[dict[str, LayerInput]]:
    """Collects what the layers of `model` take inside the block that depends on no parameter, each at its first call."""
    found: dict[str, LayerInput] = {}
    for parameter in model.parameters():
        if parameter.is_floating_point():
            parameter.requires_grad_(True)  # frozen ones too: what they give is no input of the model

    def before(name: str) -> Any:
        def look(layer: nn.Module, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> None:
            given = next(iter((*arguments, *named.values())), None)
            values = given.data if isinstance(given, PackedSequence) else given
            if name in found or not (isinstance(values, Tensor) and values.is_floating_point() and values.numel()):
                return
            if torch.is_grad_enabled() and not values.requires_grad:
                found[name] = _of_layer(name, layer, values)

        return look

    layers = [(name, module) for name, module in model.named_modules() if isinstance(module, _LAYERS)]
    handles = [module.register_forward_pre_hook(before(name), with_kwargs=True) for name, module in layers]
    try:
        with torch.enable_grad():
            yield found
    finally:
        for handle in handles:
            handle.remove()


def _of_layer(name: str, layer: nn.Module, values: Tensor) -> LayerInput:
    dtype = str(values.dtype).removeprefix("torch.")
    values = values.detach().to("cpu", torch.float64)
    axis = 1 if isinstance(layer, _CONVOLUTIONS) and values.dim() > 2 else -1
    columns_KM = values.movedim(axis, 0).flatten(1)
    of_column_K = columns_KM.square().mean(dim=1).sqrt()
    column = int(of_column_K.argmax())
    return LayerInput(
        layer=name or "the model",
        kind=type(layer).__name__,
        dtype=dtype,
        columns=len(columns_KM),
        root_mean_square=float(values.square().mean().sqrt()),
        mean=float(values.mean()),
        deviation=float(values.std(correction=0)),
        low=float(values.min()),
        high=float(values.max()),
        column=column,
        column_root_mean_square=float(of_column_K[column]),
        zeros=float((values == 0).double().mean()),
        counts=bool(((values == values.round()) & (values >= 0)).all()),
        same=len(values) > 1 and bool((values == values[:1]).all()),
    )
