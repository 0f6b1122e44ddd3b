"""Which rows of its batch a step really fed to the model.

Shape letters: N rows of the batch, M rows that entered the model.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pytest_mlspec.probes.reference_step_watch import Taken
from pytest_mlspec.training.batches import Batch


@dataclass(frozen=True)
class Fed:
    """The numbers [M] of the rows within their batch. `changed`: they entered as something else, taken to be in their order."""

    rows: Tensor
    changed: bool


def joined(batches: list[Batch]) -> Batch:
    """One batch with the rows of all."""
    first = batches[0]
    if len(batches) == 1:
        return first
    inputs = (
        {name: torch.cat([_named(batch, name) for batch in batches]) for name in first.inputs}
        if isinstance(first.inputs, dict)
        else torch.cat([_single(batch) for batch in batches])
    )
    targets = (
        None if first.targets is None else torch.cat([batch.targets for batch in batches if batch.targets is not None])
    )
    return Batch(inputs, targets, torch.cat([batch.index for batch in batches]))


def fed(taken: Taken, batch: Batch) -> Fed | str:
    """The rows that entered the model in `taken`; in words, why that cannot be told."""
    forwards = taken.learning
    own = list(batch.inputs.values()) if isinstance(batch.inputs, dict) else [batch.inputs]
    entered = (
        [torch.cat(parts) for parts in zip(*(forward.inputs for forward in forwards), strict=False)]
        if _alike(taken)
        else []
    )
    total = sum(len(forward.outputs) for forward in forwards)
    if len(entered) == len(own) and all(
        one.shape[1:] == other.shape[1:] for one, other in zip(entered, own, strict=True)
    ):
        if all(torch.equal(one, other) for one, other in zip(entered, own, strict=True)):
            return Fed(torch.arange(len(batch)), changed=False)
        found = _found(entered, own)
        if found is not None and len(found) == total:
            return Fed(found, changed=False)
    if total != len(batch):
        return f"the model sees {total} rows in a step on {len(batch)} rows, and they are not those of the batch"
    return Fed(torch.arange(total), changed=True)


def _alike(taken: Taken) -> bool:
    """Whether all calls take tensors of the same shapes, but for the number of rows."""
    shapes = [[one.shape[1:] for one in forward.inputs] for forward in taken.learning]
    return all(shape == shapes[0] for shape in shapes)


def _found(entered: list[Tensor], own: list[Tensor]) -> Tensor | None:
    """The row of the batch that each row is, each taken once; None where one is none of them."""
    places: dict[bytes, list[int]] = {}
    for number, key in reversed(list(enumerate(_keys(own)))):
        places.setdefault(key, []).append(number)
    rows = [places[key].pop() if places.get(key) else -1 for key in _keys(entered)]
    return torch.tensor(rows) if min(rows, default=-1) >= 0 else None


def _keys(tensors: list[Tensor]) -> list[bytes]:
    parts = [[row.numpy().tobytes() for row in tensor.detach().cpu().double()] for tensor in tensors]
    return [b"|".join(row) for row in zip(*parts, strict=True)]


def _named(batch: Batch, name: str) -> Tensor:
    assert isinstance(batch.inputs, dict), "micro-batches have the same form"
    return batch.inputs[name]


def _single(batch: Batch) -> Tensor:
    assert isinstance(batch.inputs, Tensor), "micro-batches have the same form"
    return batch.inputs
