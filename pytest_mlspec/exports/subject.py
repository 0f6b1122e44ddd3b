"""What is exported: a trained model, what enters it as arrays, and what it answers itself.

Shape letters: N rows.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_mlspec.engines import ModulePredictor, Predictor
from pytest_mlspec.exports import Named, Opened
from pytest_mlspec.recipe.packing import by_name
from pytest_mlspec.recipe.protocol import Examples


@dataclass(frozen=True)
class Written:
    """What a writer tells of the file that it wrote: the opset where it has one, and the packages that wrote it."""

    by: str
    opset: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Subject:
    """A trained model and a few of its training `rows`; `lengths` names the inputs that may have another length.

    These are texts [N, L], which the model itself takes with any L.
    """

    predictor: Predictor
    rows: Examples
    lengths: frozenset[str] = field(default_factory=frozenset)

    def inputs(self, examples: Examples) -> dict[str, NDArray[Any]]:
        """What enters the model for `examples`, by name."""
        if not isinstance(self.predictor, ModulePredictor):
            return dict(by_name(examples.inputs))
        tensors = self.predictor.tensors(examples)
        if not isinstance(tensors, Mapping):
            tensors = {"": tensors[0]} if len(tensors) == 1 else {str(number): x for number, x in enumerate(tensors)}
        return {name: values.detach().cpu().numpy() for name, values in tensors.items()}

    @property
    def answer(self) -> Opened:
        """The model itself, called as its exported form is: with arrays by name."""
        if isinstance(self.predictor, ModulePredictor):
            return called(self.module)
        return self._predicted

    @cached_property
    def module(self) -> Any:
        """The nn.Module in evaluation mode, a copy on the CPU."""
        assert isinstance(self.predictor, ModulePredictor), "an engine of modules gives one"
        return copy.deepcopy(self.predictor.module).cpu().eval()

    @cached_property
    def traceable(self) -> Any:
        """The module as an exporter takes it: with a name for each of its arguments."""
        from pytest_mlspec.exports.signature import with_named_arguments

        example = self.example()
        return self.module if by_position(example) else with_named_arguments(self.module, example)

    def example(self, rows: int = 2) -> dict[str, NDArray[Any]]:
        """The inputs of the first `rows` training rows."""
        return self.inputs(self.rows.take(np.arange(min(rows, len(self.rows)))))

    def _predicted(self, inputs: Named) -> NDArray[Any]:
        rows = len(next(iter(inputs.values())))
        given: Any = inputs[""] if set(inputs) == {""} else dict(inputs)
        return np.asarray(self.predictor.outputs(Examples(given, np.zeros(rows), np.arange(rows))))


def called(module: Any) -> Opened:
    """A module of torch, called with arrays by name."""
    import torch

    def call(inputs: Named) -> NDArray[Any]:
        arguments, keywords = as_arguments(inputs)
        with torch.no_grad():
            outputs = module(*arguments, **keywords)
        if not isinstance(outputs, torch.Tensor):
            raise TypeError(f"the model returns a {type(outputs).__name__}, not a tensor")
        values: NDArray[Any] = outputs.detach().float().numpy() if outputs.is_floating_point() else outputs.numpy()
        return values

    return call


def as_arguments(inputs: Named) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The tensors of `inputs`, by position and by name, as a forward takes them."""
    import torch

    tensors = {name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in inputs.items()}
    if by_position(inputs):
        return tuple(tensors.values()), {}
    return (), tensors


def by_position(inputs: Named) -> bool:
    """True where a forward takes `inputs` by position."""
    return all(name == "" or name.isdigit() for name in inputs)


def graph_names(inputs: Named) -> list[str]:
    """What inputs are called in a graph that needs a name for each."""
    return [f"input_{name}" if name.isdigit() else name or "inputs" for name in inputs]
