"""A model of Keras as the core measures it: what its compiled loss says of its outputs, and which of its variables learn.

    compiled loss                                        outputs           read as
    a cross-entropy with from_logits=True                [N, C], [N, 1]    logits
    a cross-entropy, by name or object                   [N, C], [N, 1]    probabilities
    any other loss of classes                            [N, C], [N, 1]    probabilities where rows are such, else an error
    any loss of values                                   [N], [N, 1], …    values

Shape letters: N rows, C classes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import torch
from torch import Tensor, nn

from pytest_mlspec.engines.assembly import Assembly
from pytest_mlspec.engines.declared_loss import DeclaredLoss
from pytest_mlspec.errors import RecipeError
from pytest_mlspec.recipe.work import Work
from pytest_mlspec.training import losses
from pytest_mlspec.training.batches import forward
from pytest_mlspec.training.seeding import seed_everything

# What Keras itself keeps probabilities away from 0 and 1 by.
_EPSILON = 1e-7
_SUM_TOLERANCE = 1e-4
# So many rows tell probabilities from numbers that a new model happens to have between 0 and 1.
_ROWS_READ = 256
_COMPILE = "compile it: model.compile(optimizer=…, loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))"


class Scores(nn.Module):
    """A model of Keras in evaluation mode, with logits in the place of probabilities; values stay as they are.

    `model` is the model itself, and `is_read` tells whether its outputs are `logits`, `probabilities` or `values`.
    """

    def __init__(self, model: Any, is_read: str) -> None:
        super().__init__()
        self.model = model
        self.is_read = is_read

    def forward(self, inputs: Tensor | None = None, **named: Tensor) -> Tensor:
        """Logits [N, C] or [N, 1], or values."""
        outputs: Tensor = self.model(named if inputs is None else inputs)
        if self.is_read != "probabilities":
            return outputs
        if outputs.shape[-1] == 1:
            return outputs.clamp(_EPSILON, 1 - _EPSILON).logit()
        return outputs.clamp(min=_EPSILON).log()


class Learning(nn.Module):
    """The variables of a model that learn, as parameters by their paths."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        for variable in model.trainable_variables:
            self.register_parameter(variable.path.replace(".", "_"), variable.value)


def new_model(work: Work, assembly: Assembly, seed: int, *, seeded: bool = True) -> tuple[Scores, Assembly]:
    """A new model, and `assembly` with the loss in which its splits are measured.

    With `seeded` false it is made from the generators as they stand. Raises RecipeError where it is no compiled model, or its
    outputs do not fit the task.
    """
    keras.utils.clear_session()  # or variables would be called otherwise after another model
    keras.config.disable_traceback_filtering()  # its frames tell where an exception was raised
    if seeded:
        seed_everything(seed)
        keras.utils.set_random_seed(seed % 2**32)
    assert work.recipe.build_model is not None, "a recipe for the engine keras has a model"
    model = work.recipe.build_model(assembly.prepared)
    if not isinstance(model, keras.Model):
        raise RecipeError(f"the engine keras trains a keras.Model, not a {type(model).__name__}", key="model")
    if not model.compiled:
        raise RecipeError(
            "the model is not compiled, and the engine keras has no loss of its own", key="model", advice=_COMPILE
        )
    outputs = _first_outputs(model, assembly)
    if not assembly.prepared.classes or assembly.declared.kind == "tokens":
        module = Scores(model, "values")
        assembly.declared.demand_shape(outputs.shape)
        return module, assembly
    name = "binary_cross_entropy_with_logits" if outputs.shape[1:] in ((1,), ()) else "cross_entropy"
    declared = DeclaredLoss(name, {}, len(assembly.prepared.classes))
    declared.demand_shape(outputs.shape)
    recipe = replace(assembly.recipe, loss=losses.build(name, {}))
    return Scores(model, _reading(model.loss, outputs)), replace(assembly, declared=declared, recipe=recipe)


def demand_probabilities(module: Scores, assembly: Assembly) -> None:
    """Raises RecipeError where a trained model, whose outputs were read as probabilities, gives something else."""
    if module.is_read == "probabilities":
        _reading(module.model.loss, _first_outputs(module.model, assembly))


def _first_outputs(model: Any, assembly: Assembly) -> Tensor:
    """The outputs for the first rows; a model that takes its shapes from its inputs is complete after it."""
    rows = assembly.examples.take(np.arange(min(_ROWS_READ, len(assembly.examples))))
    with torch.no_grad():
        batch = assembly.source(rows).fetch(torch.arange(len(rows)))
        outputs = forward(Scores(model, "values"), batch)
    if not isinstance(outputs, Tensor):
        raise RecipeError(f"the model gives a {type(outputs).__name__}, and not one tensor", key="model")
    return outputs


def _reading(loss: Any, outputs: Tensor) -> str:
    """What the compiled `loss` takes the outputs for."""
    is_logits = _from_logits(loss)
    if is_logits:
        return "logits"
    values = outputs.double().reshape(len(outputs), -1)
    total_N = values.sum(dim=1) if values.shape[1] > 1 else torch.ones(len(values), device=values.device)
    is_one_N = ((values >= 0) & (values <= 1)).all(dim=1) & ((total_N - 1).abs() <= _SUM_TOLERANCE)
    if bool(is_one_N.all()):
        return "probabilities"
    number = int(is_one_N.long().argmin())
    row = ", ".join(f"{value:.4g}" for value in values[number].tolist()[:4])
    told = (
        "the compiled loss takes probabilities"
        if is_logits is False
        else "the compiled loss does not tell what they are"
    )
    raise RecipeError(
        f"the outputs of training row {number + 1} begin with {row}, which are no probabilities, and {told}",
        key="model",
        advice="write loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), or end the model in a softmax",
    )


def _from_logits(loss: Any) -> bool | None:
    """Whether a compiled loss takes logits; None where it does not say. A name stands for the default, probabilities."""
    if isinstance(loss, str):
        return False
    config = loss.get_config() if isinstance(loss, keras.losses.Loss) else {}
    return config.get("from_logits")
