"""Sees how a training inside a `with` block validates its model, and which weights it keeps, and changes nothing of it.

A validation is a pass of a module over all given rows, in evaluation mode and without gradients, in batches of any size. Weights
are kept where `state_dict` is called of the same module before its next training step; what is copied or pickled as a whole
module is not seen.

Shape letters: N rows, K numbers of a row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from pytest_mlspec.training.evaluation import evaluation_mode
from pytest_mlspec.training.watch_rows import RowFinder, Values, tensors_in

# Numbers of all validations together; what is validated more often or on more rows is not followed.
_MOST = 20_000_000


@dataclass
class Pass:
    """One validation: what `module` answered [N, K] in the order of the rows, and whether its weights were kept then."""

    module: nn.Module
    outputs_NK: NDArray[np.float64]
    kept: bool = False


class ValidationWatch:
    """Observes what runs inside its block; `passes` holds the validations on `values` [N], in their order."""

    def __init__(self, values: Values) -> None:
        self.passes: list[Pass] = []
        self._finder = RowFinder(values)
        self._rows = int(np.unique(self._finder.first_N).size)
        self._depth = self._size = 0
        self._latest: Pass | None = None
        self._module: nn.Module | None = None
        self._found: dict[int, NDArray[np.float64]] = {}
        self._handles: list[Any] = []
        self._state_dict = nn.Module.state_dict

    def __enter__(self) -> ValidationWatch:
        self._handles = [
            register_module_forward_pre_hook(self._before),
            register_module_forward_hook(self._after, always_call=True),
        ]
        nn.Module.state_dict = self._noting(nn.Module.state_dict)  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()
        nn.Module.state_dict = self._state_dict  # type: ignore[method-assign]
        self._found.clear()

    def answers_of(self, module: nn.Module, values: Values) -> NDArray[np.float64] | None:
        """What `module` answers [N, K] to all rows at once; None where it does not take them as one tensor."""
        if not isinstance(values, np.ndarray):
            return None
        try:
            with evaluation_mode(module), torch.no_grad():
                outputs = module(torch.from_numpy(values))
        except (RuntimeError, TypeError, ValueError):
            return None
        return _by_row(outputs) if isinstance(outputs, Tensor) and len(outputs) == len(values) else None

    def _noting(self, state_dict: Callable[..., Any]) -> Callable[..., Any]:
        def noted(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            if self._latest is not None and self._latest.module is module:
                self._latest.kept = True
            return state_dict(module, *args, **kwargs)

        return noted

    def _before(self, *_: Any) -> None:
        self._depth += 1

    def _after(self, module: nn.Module, inputs: Any, output: Any) -> None:
        self._depth = max(0, self._depth - 1)
        if self._depth or self._size > _MOST:
            return
        if module.training or torch.is_grad_enabled():
            self._latest = None
            self._found.clear()
            return
        rows = self._finder.find(tensors_in(inputs)) if isinstance(output, Tensor) else None
        if rows is None or len(rows) != len(output) or (rows >= self._finder.all).any():
            return
        if module is not self._module:
            self._module = module
            self._found.clear()
        self._found.update(zip(rows.tolist(), _by_row(output), strict=True))
        if len(self._found) == self._rows:
            outputs_NK = np.stack([self._found[row] for row in self._finder.first_N.tolist()])
            self._size += outputs_NK.size
            self._latest = Pass(module, outputs_NK)
            self.passes.append(self._latest)
            self._found.clear()


def _by_row(outputs: Tensor) -> NDArray[np.float64]:
    return outputs.detach().double().cpu().reshape(len(outputs), -1).numpy()
