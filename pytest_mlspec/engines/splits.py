"""What is measured of a torch model on whole splits, in evaluation mode: losses, predictions, and metrics after each epoch.

Shape letters: N rows, C classes.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from pytest_mlspec.engines.assembly import Assembly
from pytest_mlspec.engines.predictions import FloatArray
from pytest_mlspec.errors import RecipeError, did_you_mean
from pytest_mlspec.quantities import METRICS, Metric
from pytest_mlspec.recipe.protocol import Examples
from pytest_mlspec.spec import Training
from pytest_mlspec.training.evaluation import mean_loss, model_outputs
from pytest_mlspec.training.loop import Evaluate
from pytest_mlspec.training.state import State


class Splits:
    """The rows of each split on the device of `assembly`. Splits without rows are left out."""

    def __init__(self, assembly: Assembly, examples: Mapping[str, Examples]) -> None:
        self._assembly = assembly
        self._targets = {name: rows.targets for name, rows in examples.items() if len(rows)}
        self._sources = {name: assembly.source(examples[name]) for name in self._targets}

    def losses(self, model: nn.Module) -> dict[str, float]:
        """The mean loss of each split."""
        return {name: self.loss(model, name) for name in self._sources}

    def loss(self, model: nn.Module, split: str) -> float:
        """The mean loss of one split."""
        return mean_loss(model, self._sources[split], self._assembly.loss, self._assembly.evaluation_rows)

    def predictions(self, model: nn.Module) -> dict[str, FloatArray]:
        """The predictions for each split: probabilities [N, C] or values [N]."""
        return {name: self._predictions(model, name) for name in self._sources}

    def after_epoch(self, training: Training) -> Evaluate | None:
        """What is measured after each epoch; None where there is nothing to measure.

        The loss on the validation split, and the metrics that the early stop or the schedule looks at. Without a validation
        split the test loss is logged in its place; nothing may look at that, or the test split would choose the model.
        """
        monitored = _monitored(training, self._sources)
        held_out = next((name for name in ("val", "test") if name in self._sources), None)
        if held_out is None and not monitored:
            return None

        def measure(state: State) -> dict[str, float]:
            measured = {} if held_out is None else {f"{held_out}.loss": self.loss(state.model, held_out)}
            predicted = {split: self._predictions(state.model, split) for split, _ in monitored}
            for split, metric in monitored:
                measured[f"{split}.{metric.name}"] = metric_value(
                    metric, predicted[split], self._targets[split], positive=self._assembly.positive
                )
            return measured

        return measure

    def _predictions(self, model: nn.Module, split: str) -> FloatArray:
        outputs = model_outputs(model, self._sources[split], self._assembly.evaluation_rows)
        return self._assembly.declared.predictions(outputs)


def metric_value(metric: Metric, predicted: FloatArray, targets_N: NDArray[Any], *, positive: int) -> float:
    """The metric of scikit-learn as `quantities.METRICS` defines it; not a number where it is undefined.

    `positive` is the class number that a metric of one class counts.
    """
    from sklearn import metrics

    options: dict[str, Any] = dict(metric.options)
    compared: tuple[NDArray[Any], NDArray[Any]] = (targets_N, predicted)
    if metric.reads == "labels":
        labels_N = predicted.argmax(axis=1)
        compared = (targets_N == positive, labels_N == positive) if metric.per_class else (targets_N, labels_N)
    elif metric.per_class or metric.name == "brier_score":
        compared = (targets_N == positive, predicted[:, positive])
    elif metric.reads == "probabilities":
        options["labels"] = np.arange(predicted.shape[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return float(getattr(metrics, metric.function)(*compared, **options))


def _monitored(training: Training, splits: Iterable[str]) -> list[tuple[str, Metric]]:
    """The metrics that a decision rests on, with their splits; losses are measured in any case."""
    rules = {
        "train.early_stop.monitor": training.early_stop and training.early_stop.monitor,
        "train.schedule.monitor": training.schedule and training.schedule.arguments.get("monitor"),
    }
    known = {f"{split}.{name}" for split in splits if split != "test" for name in ("loss", *METRICS)}
    found = []
    for key, name in rules.items():
        if not name:
            continue
        if name not in known:
            raise RecipeError(f"{name!r} cannot be monitored", key=key, advice=did_you_mean(name, known))
        split, _, metric = name.partition(".")
        if metric != "loss":
            found.append((split, METRICS[metric]))
    return list(dict.fromkeys(found))
