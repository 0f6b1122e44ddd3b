"""What a serving path does to answer: how often it calls a model, whether that records gradients, what it loads.

Calls are those of modules that no other module's forward makes, and of the predictions of an estimator. What is loaded shows in
`load_state_dict`, and in files of weights that are opened for reading; files that C++ opens are not seen.
"""

from __future__ import annotations

import builtins
import io
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_OF_ESTIMATORS = ("predict", "predict_proba", "decision_function", "score_samples")
_WEIGHTS = frozenset(
    {".bin", ".cbm", ".ckpt", ".h5", ".joblib", ".keras", ".npz", ".onnx", ".pickle", ".pkl", ".pt", ".pth"}
    | {".pt2", ".safetensors", ".skops", ".ubj"}
)


@dataclass
class Calls:
    """What was seen: `count` calls, whether one of them recorded gradients, and the name of each thing that was loaded."""

    count: int = 0
    recorded: bool = False
    loaded: list[str] = field(default_factory=list)
    depth: int = 0

    def enter(self) -> None:
        """A call begins, perhaps inside another one."""
        self.count += self.depth == 0
        self.depth += 1

    def leave(self) -> None:
        """A call ends."""
        self.depth -= 1


@contextmanager
def watched(model: Any, folder: Path) -> Iterator[Calls]:
    """Watches what happens in the block; `model` is what is served, and `folder` is where the team has its artefacts."""
    calls = Calls()
    with ExitStack() as stack:
        stack.enter_context(_opened_files(calls, folder))
        if "torch" in sys.modules:
            stack.enter_context(_modules(calls))
        if not callable(getattr(model, "named_parameters", None)):
            stack.enter_context(_estimator(calls, type(model)))
        yield calls


@contextmanager
def _modules(calls: Calls) -> Iterator[None]:
    import torch
    from torch import Tensor, nn
    from torch.nn.modules import module as of_all_modules

    def begin(module: nn.Module, inputs: Any) -> None:
        calls.enter()

    def end(module: nn.Module, inputs: Any, outputs: Any) -> None:
        calls.leave()
        if calls.depth == 0 and torch.is_grad_enabled():
            calls.recorded |= any(isinstance(each, Tensor) and each.requires_grad for each in _within(outputs))

    before = nn.Module.load_state_dict

    def load_state_dict(self: nn.Module, *arguments: Any, **named: Any) -> Any:
        calls.loaded.append(f"the weights of a {type(self).__name__}")
        return before(self, *arguments, **named)

    handles = [
        of_all_modules.register_module_forward_pre_hook(begin),
        of_all_modules.register_module_forward_hook(end, always_call=True),
    ]
    with _replaced(nn.Module, "load_state_dict", load_state_dict):
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


@contextmanager
def _estimator(calls: Calls, kind: type) -> Iterator[None]:
    """Counts the predictions of every object of `kind`: the path may have a copy of the model that it was given."""
    with ExitStack() as stack:
        for name in _OF_ESTIMATORS:
            method = next((vars(each)[name] for each in kind.__mro__ if name in vars(each)), None)
            if method is not None and hasattr(method, "__get__"):
                stack.enter_context(_replaced(kind, name, _counting(calls, method)))
        yield


def _counting(calls: Calls, method: Any) -> Callable[..., Any]:
    def counted(self: Any, *arguments: Any, **named: Any) -> Any:
        calls.enter()
        try:
            return method.__get__(self, type(self))(*arguments, **named)
        finally:
            calls.leave()

    return counted


@contextmanager
def _opened_files(calls: Calls, folder: Path) -> Iterator[None]:
    before = builtins.open

    def opened(file: Any, mode: str = "r", *arguments: Any, **named: Any) -> Any:
        if isinstance(file, (str, Path)) and not set(mode) & set("wax+"):
            path = Path(file)
            if path.suffix in _WEIGHTS or folder.resolve() in path.resolve().parents:
                calls.loaded.append(path.name)
        return before(file, mode, *arguments, **named)

    with _replaced(builtins, "open", opened), _replaced(io, "open", opened):
        yield


@contextmanager
def _replaced(holder: Any, name: str, value: Any) -> Iterator[None]:
    """`value` in the place of an attribute, which comes back at the end of the block."""
    own, before = vars(holder).get(name), name in vars(holder)
    try:
        setattr(holder, name, value)
    except TypeError:  # a type of an extension module takes no attributes: its calls are not counted
        yield
        return
    try:
        yield
    finally:
        if before:
            setattr(holder, name, own)
        else:
            delattr(holder, name)


def _within(outputs: Any) -> Iterator[Any]:
    """The outputs of a module, one by one."""
    if isinstance(outputs, dict):
        yield from outputs.values()
    elif isinstance(outputs, (list, tuple)):
        yield from outputs
    else:
        yield outputs
