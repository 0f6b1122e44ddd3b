"""What the declared loss says of a model's outputs: how they become predictions, and how low the loss can get.

    losses                                              outputs          predictions
    cross_entropy, focal, nll, multi_margin             [N, C]           softmax over C
    binary_cross_entropy_with_logits, focal             [N] or [N, 1]    sigmoid, as two columns
    binary_cross_entropy                                [N] or [N, 1]    as they are, as two columns
    poisson_nll with log_input (torch's default)        [N] or [N, 1]    exp
    every other loss of a regression                    [N] or [N, 1]    as they are

The team's own loss: softmax for [N, C], sigmoid for one output a row, values for a regression; the run notes it.
Reconstructions and language models have a file of their own, `own_targets.py`.

Shape letters: N rows, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pytest_mlspec.engines.own_targets import NextTokens, Reconstruction
from pytest_mlspec.engines.predictions import FloatArray, Kind, checked
from pytest_mlspec.engines.target_scale import TargetScale
from pytest_mlspec.errors import RecipeError
from pytest_mlspec.language.spec import Training
from pytest_mlspec.language.task import TASKS
from pytest_mlspec.language.trainer import LABEL_SMOOTHING
from pytest_mlspec.recipe.protocol import Prepared, Recipe
from pytest_mlspec.recipe.unsupervised import vocabulary_of
from pytest_mlspec.training.batches import Batch

Reading = Literal["softmax", "sigmoid", "share", "exp", "values"]

_OF_CLASSES: Mapping[str, Reading] = {
    "cross_entropy": "softmax",
    "focal": "softmax",
    "nll": "softmax",
    "multi_margin": "softmax",
    "binary_cross_entropy_with_logits": "sigmoid",
    "binary_cross_entropy": "share",
}


@dataclass(frozen=True)
class DeclaredLoss:
    """The loss of a spec by name and arguments; `name` is empty for the team's own. `classes` is 0 for a regression.

    `scale` is that of the targets that the loss sees; predictions are in the unit of the source.
    """

    name: str
    arguments: Mapping[str, Any]
    classes: int
    scale: TargetScale | None = None

    @property
    def kind(self) -> Kind:
        """What the predictions are."""
        return "probabilities" if self.classes else "values"

    def reading(self, shape: Sequence[int]) -> Reading:
        """How outputs of `shape` [N, …] become predictions.

        Raises RecipeError where the shape does not fit the task, or the loss tells nothing of its classes.
        """
        reading = self._named() if self.name else self._guessed(shape)
        one_a_row = len(shape) == 1 or tuple(shape[1:]) == (1,)
        if self.name == "focal" and self.classes == 2 and one_a_row:
            reading = "sigmoid"
        fits = tuple(shape[1:]) == (self.classes,) if reading == "softmax" else one_a_row
        if not fits:
            expected = f"[N, {self.classes}]" if reading == "softmax" else "[N] or [N, 1]"
            outputs = f"[N{''.join(f', {size}' for size in shape[1:])}]"
            task = f"{self.classes} classes" if self.classes else "a regression"
            raise RecipeError(
                f"the model's outputs have the shape {outputs}; {task} with {self.name or 'your own loss'} need {expected}",
                key="model",
                advice="give the last layer one output for each class"
                if self.classes
                else "give the last layer one output",
            )
        return reading

    def demand_shape(self, shape: Sequence[int]) -> None:
        """Raises RecipeError where outputs of `shape` do not fit the task."""
        self.reading(shape)

    def read(self, outputs: Tensor, batch: Batch) -> Tensor:
        """What is kept of the outputs of a batch: all of them."""
        return outputs

    def note(self, shape: Sequence[int]) -> str:
        """What a reader of the predictions should know of them; empty where the loss defines what the outputs mean."""
        if self.name or not self.classes:
            return ""
        return f"the loss is the team's own: outputs are taken as logits, predictions are their {self.reading(shape)}"

    def predictions(self, outputs: Tensor, *, of: str = "") -> FloatArray:
        """The predictions of all rows: probabilities [N, C] or values [N], worked out in float64; `of` names the split."""
        reading = self.reading(outputs.shape)
        values = outputs.detach().cpu().to(torch.float64)
        if reading != "softmax":
            values = values.reshape(len(values))
        match reading:
            case "softmax":
                values = values.softmax(dim=1)
            case "sigmoid" | "share":
                positive_N = values.sigmoid() if reading == "sigmoid" else values
                values = torch.stack([1 - positive_N, positive_N], dim=1)
            case "exp":
                values = values.exp()
            case "values":
                values = values if self.scale is None else self.scale.restored(values)
        return checked(
            values.numpy(),
            kind=self.kind,
            rows=len(values),
            classes=self.classes,
            source=f"the model{of and f', on {of},'}",
            key="model",
        )

    def floor(self, targets_N: NDArray[Any]) -> float:
        """The lowest mean loss that any outputs reach on these targets. Not for the team's own loss."""
        if self.name == "cross_entropy" and self.arguments.get("label_smoothing"):
            return _smoothed_floor(
                targets_N,
                classes=self.classes,
                smoothing=self.arguments["label_smoothing"],
                weight_C=np.array(self.arguments.get("weight") or [1.0] * self.classes, dtype=np.float64),
                ignored=self.arguments.get("ignore_index"),
            )
        if self.name == "poisson_nll":
            return _poisson_floor(targets_N.astype(np.float64), full=bool(self.arguments.get("full")))
        return 0.0

    def _named(self) -> Reading:
        if not self.classes:
            if self.name in _OF_CLASSES:
                raise RecipeError(f"{self.name} is a loss of classes, and the task is a regression", key="train.loss")
            logarithmic = self.name == "poisson_nll" and self.arguments.get("log_input", True)
            return "exp" if logarithmic else "values"
        if self.name not in _OF_CLASSES:
            raise RecipeError(
                f"{self.name} does not tell how outputs become the probabilities of {self.classes} classes",
                key="train.loss",
                advice=", ".join(_OF_CLASSES),
            )
        return _OF_CLASSES[self.name]

    def _guessed(self, shape: Sequence[int]) -> Reading:
        if not self.classes:
            return "values"
        one_a_row = len(shape) == 1 or tuple(shape[1:]) == (1,)
        return "sigmoid" if one_a_row and self.classes == 2 else "softmax"


Declared = DeclaredLoss | Reconstruction | NextTokens


def declared_loss(
    training: Training, recipe: Recipe, prepared: Prepared, *, scale: TargetScale | None = None
) -> Declared:
    """The loss that `training` declares, or that of its task; `scale` is that of a regression's targets."""
    name = TASKS[recipe.task].loss
    arguments: Mapping[str, Any] = {}
    if "loss" in recipe.given:
        name = ""
    elif training.loss is not None:
        name, arguments = training.loss.use, training.loss.arguments
    elif name == "cross_entropy" and training.engine.arguments.get(LABEL_SMOOTHING):
        arguments = {"label_smoothing": training.engine.arguments[LABEL_SMOOTHING]}
    targets = prepared.splits["train"].targets
    match recipe.task:
        case "reconstruction":
            return Reconstruction(name, arguments, targets.shape[1:])
        case "language_model":
            return NextTokens(name, arguments, vocabulary_of(prepared), targets.shape[1])
        case _:
            return DeclaredLoss(name, arguments, len(prepared.classes), scale)


def _smoothed_floor(
    targets_N: NDArray[Any], *, classes: int, smoothing: float, weight_C: FloatArray, ignored: int | None
) -> float:
    """The entropy of the smoothed targets, weighted as torch weighs: every class of a row by its own weight."""
    counts_C = np.bincount(targets_N[targets_N != ignored], minlength=classes)
    mass_CC = np.diag((1 - smoothing) * weight_C) + smoothing / classes * weight_C
    total_C = mass_CC.sum(axis=1)
    shares_CC = mass_CC / total_C[:, None]
    entropy_C = -np.sum(shares_CC * np.log(np.where(shares_CC > 0, shares_CC, 1)), axis=1)
    return float(counts_C @ (total_C * entropy_C) / (counts_C @ weight_C))


def _poisson_floor(targets_N: FloatArray, *, full: bool) -> float:
    """The loss of a model that predicts every target; `full` adds Stirling's term for targets above 1, as torch does."""
    logs_N = np.log(np.where(targets_N > 0, targets_N, 1))
    losses_N = targets_N - targets_N * logs_N
    if full:
        stirling_N = targets_N * logs_N - targets_N + 0.5 * (np.log(2 * np.pi) + logs_N)
        losses_N = losses_N + np.where(targets_N > 1, stirling_N, 0)
    return float(losses_N.mean())
