"""The engine callable: the team's own `fit` and `predict`, whatever they use.

`fit(examples, *, seed)` gets the training and validation examples by split, never the test split. `predict(fitted, inputs)`
answers with probabilities [N, C] or values [N]. What `fit` returns may have a `history`, a loss for each step that it took,
and may be, or have as its `model`, an nn.Module, whose parameters are then counted and digested. Nothing of it is stored:
`restore` fits again.

Shape letters: N rows, C classes, S steps.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_mlspec.engines import predictions
from pytest_mlspec.engines.fit_cost import whole_fit_cost
from pytest_mlspec.engines.fit_watches import FitWatches
from pytest_mlspec.engines.generators import perturb_generators, seed_generators, seed_of, torch_is_installed
from pytest_mlspec.engines.predictions import FloatArray, Kind
from pytest_mlspec.errors import NotApplicableError, RecipeError, TrainingError
from pytest_mlspec.evidence import Array, SchedulerUse, TrainingRun, Validations
from pytest_mlspec.jobs import Interrupt, Resume, Train
from pytest_mlspec.recipe.oversampling import training_examples
from pytest_mlspec.recipe.protocol import Examples, Inputs, Recipe
from pytest_mlspec.recipe.work import Result, Work

_FITTED_ON = ("train", "val")


def run(job: Train | Interrupt | Resume, work: Work) -> Result:
    """Calls the team's fit, and measures what it returns on every split.

    Raises NotApplicableError for a training that is not a whole fit, RecipeError where predictions have another form,
    TrainingError where they are not finite, UserCodeError for an exception of the team's code.
    """
    if isinstance(job, Interrupt | Resume) or job.batches is not None or job.steps is not None:
        raise NotApplicableError("the team's own fit decides its batches and steps")
    if job.fresh:
        perturb_generators(with_torch=torch_is_installed())
    fitted = _fit(work, seed_of(job, work))
    splits = {name: rows for name, rows in work.prepared.splits.items() if len(rows)}
    predicted = {name: fitted(rows.inputs) for name, rows in splits.items()}
    train, kind = splits["train"], fitted.kind
    constant = predictions.best_constant(train.targets, kind, fitted.classes)
    loss_S = _history(fitted.value)
    parameters, weights = _weights(fitted.value)
    nothing = Array.of(np.empty(0))
    evidence = TrainingRun(
        engine="callable",
        seed=seed_of(job, work),
        device="cpu",
        device_reason="the team's own fit chooses its device",
        threads=_threads(),
        steps=len(loss_S) or 1,
        epochs=len(loss_S) or 1,
        planned_steps=len(loss_S) or 1,
        rows=len(train),
        parameters=parameters,
        stopped="fit returned",
        best_epoch=None,
        loss_S=Array.of(loss_S),
        gradient_norm_S=nothing,
        learning_rate_S=nothing,
        epochs_log=(),
        losses_before={"train": predictions.loss_of_constant(constant, train.targets, kind)},
        losses={name: predictions.loss(predicted[name], rows.targets, kind) for name, rows in splits.items()},
        weights_digest=weights,
        predictions_digest=predictions.digest(predicted),
        examples_digest=work.prepared.digest,
        notes=(*work.recipe.notes, *work.prepared.notes, predictions.START_NOTE),
        seconds=fitted.seconds,
        hash_seed=os.environ.get("PYTHONHASHSEED", ""),
        predictions=kind,
        cost=whole_fit_cost(),
        schedulers=fitted.schedulers,
        validations=fitted.validations,
    )
    return Result(evidence, predictions.as_arrays(predicted))


def restore(job: Train, work: Work) -> FittedCallable:
    """What `job` fitted, fitted again with the same seed."""
    return _fit(work, seed_of(job, work))


def prediction_kind(work: Work) -> Kind:
    """What the team's predict gives."""
    return "probabilities" if work.prepared.classes else "values"


@dataclass(frozen=True)
class FittedCallable:
    """What the team's fit returned; `classes` is 0 for a regression, `seconds` is what the fit took.

    `row` is the shape of the values of a row, where it has several; `schedulers` are those of torch that were seen in the fit,
    `validations` the passes over the validation split.
    """

    value: Any
    recipe: Recipe
    kind: Kind
    classes: int
    seconds: float
    row: tuple[int, ...] = ()
    schedulers: tuple[SchedulerUse, ...] = ()
    validations: Validations | None = None
    # The team's code may compute in single precision and answer in double; nothing tells.
    dtype: str = "float32"

    @property
    def model(self) -> Any:
        """What the team's fit returned."""
        return self.value

    def __call__(self, inputs: Inputs) -> FloatArray:
        """Probabilities [N, C] or values [N, …] for prepared inputs."""
        rows = len(next(iter(inputs.values())) if isinstance(inputs, Mapping) else inputs)
        return predictions.checked(
            self._predict(inputs),
            kind=self.kind,
            rows=rows,
            classes=self.classes,
            source="predict",
            key="recipe.predict",
            row=self.row,
        )

    def outputs(self, examples: Examples) -> NDArray[Any]:
        """The predictions for `examples`."""
        return self(examples.inputs)

    def precise(self) -> FittedCallable:
        """Itself: the team's code chooses its precision."""
        return self

    def _predict(self, inputs: Inputs) -> Any:
        assert self.recipe.predict is not None, "a recipe for the engine callable has a predict"
        found = self.recipe.predict(self.value, inputs)
        # A tensor that still belongs to a graph, or lies on a device, is no array yet.
        return found.detach().cpu().numpy() if hasattr(found, "detach") else found


def _fit(work: Work, seed: int) -> FittedCallable:
    recipe, prepared = work.recipe, work.prepared
    assert recipe.fit is not None, "a recipe for the engine callable has a fit"
    splits = {**prepared.splits, "train": training_examples(prepared, work.spec)}
    examples = {name: splits[name] for name in _FITTED_ON if len(splits.get(name, ()))}
    seed_generators(seed, with_torch=torch_is_installed())
    started = time.perf_counter()
    with FitWatches(examples.get("val")) as watches:
        value = recipe.fit(examples, seed=seed)
    seconds = time.perf_counter() - started
    if value is None:
        raise RecipeError(
            "fit returned nothing", key="recipe.fit", advice="return what predict needs, such as the model"
        )
    kind, classes = prediction_kind(work), len(prepared.classes)
    return FittedCallable(
        value,
        recipe,
        kind,
        classes,
        seconds,
        row=prepared.splits["train"].targets.shape[1:],
        schedulers=watches.schedulers(),
        validations=watches.validations(value, kind, classes),
    )


def _history(value: Any) -> FloatArray:
    """The losses that the team's fit kept; none where it has no `history`, or one of another form."""
    history = getattr(value, "history", None)
    if isinstance(history, Mapping):  # such as that of Keras
        history = history.get("loss")
    if history is None or callable(history):
        return np.empty(0)
    try:
        loss_S = np.array([float(loss) for loss in history], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise RecipeError(
            f"the history of what fit returned is no sequence of losses: {error}",
            key="recipe.fit",
            advice="keep one number for each step, or give the attribute another name",
        ) from error
    bad_S = np.flatnonzero(~np.isfinite(loss_S))
    if len(bad_S):
        raise TrainingError(f"the history of fit holds {loss_S[bad_S[0]]} at step {bad_S[0]}", key="recipe.fit")
    return loss_S


def _weights(value: Any) -> tuple[int | None, str]:
    """The number of trainable scalars and the digest of the weights, where there is an nn.Module."""
    torch = sys.modules.get("torch")
    if torch is None:
        return None, ""
    for found in (value, getattr(value, "model", None)):
        if isinstance(found, torch.nn.Module):
            from pytest_mlspec.training.weights import weights_digest

            trainable = sum(parameter.numel() for parameter in found.parameters() if parameter.requires_grad)
            return trainable, weights_digest(found)
    return None, ""


def _threads() -> int:
    torch = sys.modules.get("torch")
    return 1 if torch is None else int(torch.get_num_threads())
