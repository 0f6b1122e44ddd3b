"""A model, data, a loss and an optimiser at hand, as a recipe and the spec around it: what the assertions are called with.

Shape letters: N rows.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict

from pytest_mlspec.errors import MlspecError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from torch import Tensor, nn
    from torch.optim import Optimizer

Values: TypeAlias = "np.ndarray[Any, Any] | Tensor | pd.DataFrame | pd.Series[Any]"
Model: TypeAlias = "Callable[[], nn.Module] | nn.Module | Any"
"""A function that builds a model, a module (copied for each training, which starts at its weights), or an estimator."""

Data: TypeAlias = "tuple[Values, Values] | Mapping[str, tuple[Values, Values]]"
"""`(inputs [N, …], targets [N])`, of which a fifth is held out, or such pairs by split: train, val, test."""


class Pipeline(TypedDict, total=False):
    """How a model is trained, its length apart; what is left out is as in a spec that leaves it out.

    `loss` is a name of the spec's language or a function `(outputs, targets) -> scalar tensor`, mean over rows. `optimizer` is a
    name, a mapping such as `{"use": "adamw", "lr": 1e-3}`, or a function `(model) -> Optimizer`. `task` is that of the spec, by
    default told by the targets. `train` holds further keys of the spec's `train`.
    """

    task: str | Mapping[str, Any]
    loss: str | Mapping[str, Any] | Callable[[Tensor, Tensor], Tensor]
    optimizer: str | Mapping[str, Any] | Callable[[nn.Module], Optimizer]
    epochs: int
    batch_size: int
    seed: int
    device: str
    train: Mapping[str, Any]


class Training(Pipeline, total=False):
    """How a model is trained, for `epochs` or a number of optimiser `steps`."""

    steps: int


@dataclass
class Plain:
    """A recipe of what Python has at hand; a point that it does not give is not there."""

    load: Callable[[], Any]
    build_model: Callable[[], Any]
    loss: Callable[[Any, Any], Any] | None = None
    optimizer: Callable[[Any], Any] | None = None


def as_recipe(model: Model, data: Data, **training: Any) -> tuple[Plain, dict[str, Any]]:
    """The recipe, and the keys of the spec around it; raises MlspecError for a model or data of another form."""
    splits = _plain_data(data)
    engine = engine_of(model)
    recipe = Plain(load=lambda: splits, build_model=_builder(model))
    train: dict[str, Any] = {"engine": engine, **training.pop("train", {})}
    loss, optimizer = training.pop("loss", None), training.pop("optimizer", None)
    if callable(loss):
        recipe.loss = lambda outputs, batch: loss(outputs, batch.targets)
    elif loss is not None:
        train["loss"] = loss
    if callable(optimizer):
        recipe.optimizer = optimizer
    elif optimizer is not None:
        train["optimizer"] = optimizer
    task = training.pop("task", None) or _task_of(splits)
    train |= training
    return recipe, {"task": task, "data": {"prepare": "none"}, "train": train}


def as_trained(model: Any, data: tuple[Values, Values], *, task: str | None = None) -> tuple[object, dict[str, Any]]:
    """The recipe of a trained model, which is measured as it is, on `data` as its test split; and the keys of the spec.

    An estimator gives its probabilities in the order of its `classes_`, a function what it returns.
    """
    inputs, targets = _pair(data, "data")
    if hasattr(model, "state_dict"):
        both = {"train": (inputs, targets), "test": (inputs, targets)}
        # A copy: measuring switches to evaluation mode, and moves to the device of the spec.
        recipe: object = Plain(load=lambda: both, build_model=lambda: copy.deepcopy(model))
        return recipe, {"task": task or _task_of(both), "data": {"prepare": "none"}, "train": {"engine": "trained"}}
    if (labels := getattr(model, "classes_", None)) is not None:
        targets = _numbered(targets, list(labels))
    both = {"train": (inputs, targets), "test": (inputs, targets)}
    recipe = Answering(model, both)
    return recipe, {"task": task or _task_of(both), "data": {"prepare": "none"}, "train": {"engine": "callable"}}


@dataclass
class Answering:
    """A recipe of what is fitted already: an estimator, or a function from inputs to predictions."""

    model: Any
    splits: Mapping[str, tuple[Any, Any]]

    def load(self) -> Any:
        """The rows, the same for every split."""
        return self.splits

    def fit(self, examples: Any, *, seed: int) -> Any:
        """What is fitted already."""
        return self.model

    def predict(self, fitted: Any, inputs: Any) -> Any:
        """Probabilities [N, C] or values [N]."""
        if hasattr(fitted, "predict_proba"):
            return fitted.predict_proba(inputs)
        if hasattr(fitted, "classes_"):
            import numpy as np

            return np.asarray(fitted.predict(inputs))[:, None] == np.asarray(fitted.classes_)[None, :]
        return fitted.predict(inputs) if hasattr(fitted, "predict") else fitted(inputs)


def _numbered(targets: Any, labels: list[Any]) -> Any:
    """The positions [N] of the targets in `labels`; raises MlspecError for one that is not there."""
    import numpy as np

    number = {label: position for position, label in enumerate(labels)}
    unknown = [target for target in np.asarray(targets).tolist() if target not in number]
    if unknown:
        raise MlspecError(f"the model knows no class {unknown[0]!r}", advice=f"its classes: {labels}")
    return np.array([number[target] for target in np.asarray(targets).tolist()])


def engine_of(model: Model) -> Literal["torch", "sklearn"]:
    """What trains `model`: scikit-learn's engine an estimator, the core anything else; raises MlspecError for neither."""
    if not isinstance(model, type) and hasattr(model, "fit") and hasattr(model, "predict"):
        return "sklearn"
    if callable(model):
        return "torch"
    raise MlspecError(
        f"{model!r:.60} is no model", advice="give an nn.Module, a function that builds one, or an estimator"
    )


def _builder(model: Model) -> Callable[[], Any]:
    """What builds the model of a training; an object at hand is copied, so that no training sees another's weights."""
    # A module is known by its method: torch need not be imported for it.
    if engine_of(model) == "sklearn" or (hasattr(model, "state_dict") and not isinstance(model, type)):
        return lambda: copy.deepcopy(model)
    build: Callable[[], Any] = model
    return build


def _plain_data(data: Data) -> Any:
    if isinstance(data, Mapping):
        return {split: _pair(pair, f"the split {split!r}") for split, pair in data.items()}
    return _pair(data, "data")


def _pair(pair: Any, name: str) -> tuple[Any, Any]:
    if not (isinstance(pair, tuple | list) and len(pair) == 2):
        raise MlspecError(f"{name} is of the type {type(pair).__name__}", advice="give (inputs, targets)")
    return as_array(pair[0]), as_array(pair[1])


def as_array(values: Any) -> Any:
    """Tensors as arrays; anything else as it is."""
    return values.detach().cpu().numpy() if hasattr(values, "detach") else values


def _task_of(splits: Any) -> str:
    """The task that the training targets tell: whole numbers and text are classes, other numbers are values."""
    import numpy as np

    targets = np.asarray((splits["train"] if isinstance(splits, Mapping) else splits)[1])
    if targets.dtype.kind == "f":
        return "regression"
    return "binary" if len(np.unique(targets)) == 2 else "multiclass"
