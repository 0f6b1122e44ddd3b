"""What autograd has noted of a forward: which layers stand in a row with no nonlinearity between them, and what comes last.

A node that is not known counts as a nonlinearity, so nothing is found that is not there.

Shape letters: N rows.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from pytest_mlspec.evidence import Chain, DeadUnits

Node = Any
"""A node of autograd's graph; torch gives its class no stable name."""

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_SHAPES = frozenset(
    {"View", "UnsafeView", "ReshapeAlias", "Alias", "T", "Transpose", "Permute", "Squeeze", "Unsqueeze", "Clone"}
    | {"ToCopy", "Contiguous", "Flatten", "Expand"}
)
_PARTS = frozenset({"Select", "Slice", "Index"})
_AFFINE = frozenset({"NativeBatchNorm", "CudnnBatchNorm", "MiopenBatchNorm", "AvgPool2D", "AvgPool3D", "Add", "Sub"})
_POOLING = frozenset({"MaxPool2DWithIndices", "MaxPool3DWithIndices", "MkldnnMaxPool2D"})


@dataclass(frozen=True)
class _Call:
    """One call of a layer: the nodes that gave its input and its output, and the numbers of a row in them."""

    name: str
    layer: Any
    entered: Node | None
    left: Node
    numbers_in: int
    numbers_out: int


@dataclass
class Forward:
    """One forward of a module, with its graph.

    `calls` are those of its linear layers and convolutions. Everything keeps its nodes alive, so that each stays itself.
    """

    outputs: Tensor
    calls: list[_Call] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._by_node = {call.left: call for call in self.calls}
        self._nodes: list[Node] = []
        self._users: Counter[Node] = Counter()
        waiting, seen = [self.outputs.grad_fn], {self.outputs.grad_fn}
        while waiting:
            node = waiting.pop()
            if node is None:
                continue
            self._nodes.append(node)
            for parent in _parents(node):
                self._users[parent] += 1
                if parent not in seen:
                    seen.add(parent)
                    waiting.append(parent)

    def chains(self) -> Iterator[Chain]:
        """Layers whose output enters the next one through affine operations alone, and goes nowhere else."""
        for call in self.calls:
            first, pooling = self._layer_before(call.entered)
            if first is not None and not _is_deliberate(first.layer, call.layer):
                yield Chain(first.name, call.name, _is_narrow(first, call), pooling)

    def last_operation(self) -> str:
        """The name of what gives the outputs, as `last_operation` tells it."""
        return last_operation(self.outputs)

    def narrowest(self) -> tuple[str, int] | None:
        """The layer that every output goes through with the fewest numbers of a row, and how many it gives."""
        found: list[tuple[int, str]] = []
        node = self.outputs.grad_fn
        while node is not None:
            if node in self._by_node:
                call = self._by_node[node]
                found.append((call.numbers_out, call.name))
                node = call.entered
                continue
            parents = _parents(node)
            node = parents[0] if len(parents) == 1 else None
        width, name = min(found, default=(0, ""))
        return (name, width) if found else None

    def dead_units(self) -> Iterator[DeadUnits]:
        """Of each ReLU, the units whose output is 0 for every row and position."""
        for node in self._nodes:
            if _kind(node) != "Relu":
                continue
            try:
                values = node._saved_result
            except RuntimeError:  # it was written over since, or freed
                continue
            call, _ = self._layer_before(next(iter(_parents(node)), None), alone=False)
            if values.dim() < 2:
                continue
            is_image = values.dim() > 3 or (call is not None and isinstance(call.layer, _CONVOLUTIONS))
            units = values.movedim(1 if is_image else -1, 0).flatten(1)
            dead = int((units == 0).all(dim=1).sum())
            yield DeadUnits("a ReLU" if call is None else call.name, len(units), dead)

    def _layer_before(self, node: Node | None, *, alone: bool = True) -> tuple[_Call | None, bool]:
        """The layer whose output gives `node` through affine operations, and whether pooling stands between.

        With `alone` nothing else may use what lies between.
        """
        pooling = False
        while node is not None and (not alone or self._users[node] == 1):
            if node in self._by_node:
                return self._by_node[node], pooling
            kind, parents = _kind(node), _parents(node)
            if len(parents) != 1 or kind not in _SHAPES | _AFFINE | _POOLING:
                break
            pooling |= kind in _POOLING
            node = parents[0]
        return None, False


def last_operation(outputs: Tensor) -> str:
    """The name of what gives `outputs`, such as `Relu`; that of a layer is `Addmm` or the like."""
    node: Node | None = outputs.grad_fn
    while node is not None and _kind(node) in _SHAPES | _PARTS:
        [node] = _parents(node)[:1] or [None]
    return "" if node is None else _kind(node)


def forward_of(module: nn.Module, call: Callable[[], Tensor]) -> Forward:
    """The forward that `call` makes of `module`, whose parameters all require a gradient until then."""
    calls: list[_Call] = []
    entered: dict[nn.Module, Tensor] = {}

    def before(layer: nn.Module, given: Any) -> None:
        if given and isinstance(given[0], Tensor):
            entered[layer] = given[0]

    names: dict[nn.Module, str] = {
        layer: name for name, layer in module.named_modules() if isinstance(layer, (nn.Linear, *_CONVOLUTIONS))
    }

    def after(layer: nn.Module, given: Any, output: Any) -> None:
        came = entered.pop(layer, None)
        if came is not None and isinstance(output, Tensor) and output.grad_fn is not None:
            calls.append(_Call(names[layer], layer, came.grad_fn, output.grad_fn, _a_row(came), _a_row(output)))

    with _learning(module), torch.enable_grad():
        handles = [
            handle
            for layer in names
            for handle in (layer.register_forward_pre_hook(before), layer.register_forward_hook(after))
        ]
        try:
            outputs = call()
        finally:
            for handle in handles:
                handle.remove()
    return Forward(outputs, calls)


@contextmanager
def _learning(module: nn.Module) -> Iterator[None]:
    """Every parameter requires a gradient, so that frozen layers leave a trace too."""
    parameters = [parameter for parameter in module.parameters() if parameter.is_floating_point()]
    before = [parameter.requires_grad for parameter in parameters]
    try:
        for parameter in parameters:
            parameter.requires_grad_(True)
        yield
    finally:
        for parameter, required in zip(parameters, before, strict=True):
            parameter.requires_grad_(required)


def _kind(node: Node) -> str:
    """The operation of a node: `Relu` for ReluBackward0."""
    return str(node.name()).rpartition("::")[2].rstrip("0123456789").removesuffix("Backward")


def _parents(node: Node) -> list[Node]:
    """What a node's inputs come from, without parameters and constants."""
    return [parent for parent, _ in node.next_functions if parent is not None and _kind(parent) != _LEAF]


_LEAF = "torch::autograd::AccumulateGrad".rpartition("::")[2]


def _a_row(values: Tensor) -> int:
    return math.prod(values.shape[1:])


def _is_narrow(first: _Call, second: _Call) -> bool:
    """Whether what passes from the one to the other is narrower than what enters and leaves them."""
    one, other = first.layer, second.layer
    if isinstance(one, nn.Linear) and isinstance(other, nn.Linear):
        return bool(one.out_features < min(one.in_features, other.out_features))
    if not isinstance(one, nn.Linear) and not isinstance(other, nn.Linear):
        return bool(one.out_channels < min(one.in_channels, other.out_channels))
    return first.numbers_out < min(first.numbers_in, second.numbers_out)


def _is_deliberate(first: Any, second: Any) -> bool:
    """Whether two layers in a row are a known factorisation: by depth, by axis, or a convolution that makes an image larger."""
    layers = [layer for layer in (first, second) if not isinstance(layer, nn.Linear)]
    return (
        any(layer.groups > 1 for layer in layers)
        or any(len(set(layer.kernel_size)) > 1 for layer in layers)
        or any(layer.transposed for layer in layers)
    )
