"""What is measured of a torch model on whole splits, in evaluation mode: losses, predictions, and metrics after each epoch.

Shape letters: N rows, C classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import nn

from pytest_mlspec.engines.assembly import Assembly
from pytest_mlspec.engines.own_metrics import as_logged, own_metrics
from pytest_mlspec.engines.predictions import FloatArray
from pytest_mlspec.errors import RecipeError, did_you_mean
from pytest_mlspec.language.spec import Training
from pytest_mlspec.quantities import METRICS, Metric
from pytest_mlspec.recipe.protocol import Examples
from pytest_mlspec.recipe.scoring import as_predictions, metric_value
from pytest_mlspec.training.evaluation import mean_loss, model_outputs
from pytest_mlspec.training.loop import Evaluate
from pytest_mlspec.training.state import State


class Splits:
    """The rows of each split on the device of `assembly`. Splits without rows are left out."""

    def __init__(self, assembly: Assembly, examples: Mapping[str, Examples]) -> None:
        self._assembly = assembly
        scale = assembly.declared.scale
        self._targets = {
            name: rows.targets if scale is None else scale.restored(torch.from_numpy(rows.targets)).numpy()
            for name, rows in examples.items()
            if len(rows)
        }
        self._examples = {name: examples[name] for name in self._targets}
        self._inputs = {name: examples[name].inputs for name in self._targets}
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
        The team's own `evaluate` sees the validation split alone; what is measured here stands where both give a name.
        """
        monitored = _monitored(training, self._sources)
        held_out = next((name for name in ("val", "test") if name in self._sources), None)
        if held_out is None and not monitored:
            return None

        def measure(state: State) -> dict[str, float]:
            measured = {} if held_out is None else {f"{held_out}.loss": self.loss(state.evaluated, held_out)}
            predicted = {split: self._predictions(state.evaluated, split) for split, _ in monitored}
            for split, metric in monitored:
                measured[f"{split}.{metric.name}"] = self._score(metric, predicted[split], split)
            own = self._assembly.recipe.evaluate
            if own is not None and "val" in self._examples:
                return {**as_logged(own_metrics(own, state, self._examples["val"])), **measured}
            return measured

        return measure

    def _score(self, metric: Metric, predicted: FloatArray, split: str) -> float:
        classes = self._assembly.prepared.classes
        predictions = as_predictions(predicted, self._assembly.declared.kind, self._inputs[split])
        return metric_value(metric, self._targets[split], predictions, classes=classes, counted=self._assembly.positive)

    def _predictions(self, model: nn.Module, split: str) -> FloatArray:
        assembly = self._assembly
        outputs = model_outputs(model, self._sources[split], assembly.evaluation_rows, read=assembly.declared.read)
        return assembly.declared.predictions(outputs, of=split)


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
