"""What a module answers on made-up rows with made-up parameters: equal for equal functions, however their code is written.

Parameters are filled by their shapes alone, so that names and order do not count; rows by the shapes of what enters. A module
whose answers depend on its seed all the same, such as one of random features, has none here.

Shape letters: N rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlspec.probes.describe_rows import mixed, sketch

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pytest_mlspec.recipe.protocol import NumpyArray
    from pytest_mlspec.recipe.work import Work

_ROWS = 4
_ROUNDING = 1e-6
# A larger model takes longer to fill than all the rest of a description.
_MOST_PARAMETERS = 20_000_000


def answers_of(work: Work) -> tuple[float, ...]:
    """Sums [S] of the answers of the untrained module; empty where it cannot be asked, or its seed decides them."""
    if "collate" in work.recipe.given:
        return ()  # the shapes of a batch follow from its rows
    try:
        one, other = (_answered(work, seed) for seed in (0, 1))
    except Exception:  # whatever the team's forward raises for rows that are none
        return ()
    if not one or len(one) != len(other):
        return ()
    scale = max(map(abs, one))
    is_steady = all(abs(first - second) <= _ROUNDING * scale for first, second in zip(one, other, strict=True))
    return one if is_steady and math.isfinite(scale) else ()


def _answered(work: Work, seed: int) -> tuple[float, ...]:
    import torch

    from pytest_mlspec.engines.assembly import assemble
    from pytest_mlspec.engines.torch import TorchPredictor
    from pytest_mlspec.training.evaluation import evaluation_mode

    assembly = assemble(work)
    predictor = TorchPredictor(assembly.new_model(seed).eval(), assembly).precise()
    module = predictor.module
    if sum(parameter.numel() for parameter in module.parameters()) > _MOST_PARAMETERS:
        return ()
    _fill(module)
    given = predictor.tensors(assembly.examples.take(np.arange(min(_ROWS, len(assembly.examples)))))
    with evaluation_mode(module), torch.no_grad():
        if isinstance(given, Mapping):
            found = module(**{name: _made_up(values) for name, values in given.items()})
        else:
            found = module(*(_made_up(values) for values in given))
    tensors = list(_tensors(found))
    if not tensors:
        return ()
    together = np.concatenate([each.detach().cpu().double().numpy().ravel() for each in tensors])
    return (*sketch(together), float(np.abs(together).mean())) if np.isfinite(together).all() else ()


def _fill(module: nn.Module) -> None:
    """Parameters of two and more axes as a layer begins, those of one axis between 0 and 1, by shape alone."""
    import torch

    with torch.no_grad():
        for parameter in module.parameters():
            if not parameter.is_floating_point():
                continue
            drawn = _drawn(tuple(parameter.shape))
            if parameter.ndim > 1:
                drawn *= math.sqrt(3 / max(1, parameter[0].numel()))
            else:
                drawn = 0.5 + 0.5 * drawn
            parameter.copy_(torch.from_numpy(drawn))


def _made_up(values: Tensor) -> Tensor:
    """Rows of the shape of `values`: numbers between −2 and 2; of ids and masks, ones and now and then a zero."""
    import torch

    drawn = _drawn(tuple(values.shape))
    if values.is_floating_point():
        return torch.from_numpy(2 * drawn).to(values)
    ids = np.where(drawn > 0.5, 0, 1)
    if ids.ndim > 1:
        ids[:, 0] = 1
    return torch.from_numpy(ids).to(values)


def _drawn(shape: tuple[int, ...]) -> NumpyArray:
    """Numbers between −1 and 1 that no version of a library changes, other ones for each shape."""
    start = np.uint64(hash_of(shape))
    places = np.arange(math.prod(shape), dtype=np.uint64)
    uniform = (mixed(places ^ start) >> np.uint64(11)).astype(np.float64) / 2**53
    return np.asarray(2 * uniform - 1).reshape(shape)


def hash_of(shape: tuple[int, ...]) -> int:
    """A number for each shape, below 2 to the 62nd.

    >>> hash_of((2, 3)) == hash_of((2, 3)) != hash_of((3, 2))
    True
    """
    found = len(shape)
    for size in shape:
        found = (found * 1_000_003 + size) % 2**62
    return found


def _tensors(found: Any) -> Iterator[Tensor]:
    import torch

    if isinstance(found, torch.Tensor):
        if found.is_floating_point():
            yield found
    elif isinstance(found, Mapping):
        for name in sorted(found):
            yield from _tensors(found[name])
    elif isinstance(found, (tuple, list)):
        for each in found:
            yield from _tensors(each)
