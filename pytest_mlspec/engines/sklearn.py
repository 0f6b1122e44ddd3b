"""The engine sklearn: an estimator or pipeline of scikit-learn, fitted on the training rows as a whole.

Without a `prepare` it sees the raw columns, as a DataFrame. Its loss is the log loss of its probabilities, or the mean
squared error of its values; an estimator without `predict_proba` has labels alone, and the share of wrong ones is its loss.
A reconstruction is `inverse_transform` of `transform`, and a clustering has the loss of `clusters.py`; neither fit sees a
target. No fitted estimator is stored, because it could be read back by unpickling only: `restore` fits again.

Shape letters: N rows, C classes, S steps.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_mlspec.engines import clusters, predictions
from pytest_mlspec.engines.clusters import Centres
from pytest_mlspec.engines.generators import perturb_generators, seed_generators, seed_of
from pytest_mlspec.engines.outside import from_outside
from pytest_mlspec.engines.predictions import FloatArray, Kind
from pytest_mlspec.errors import NotApplicableError
from pytest_mlspec.evidence import Array, TrainingRun
from pytest_mlspec.jobs import Interrupt, Resume, Train
from pytest_mlspec.language.task import TASKS
from pytest_mlspec.recipe.oversampling import training_examples
from pytest_mlspec.recipe.protocol import Examples, Inputs
from pytest_mlspec.recipe.unsupervised_scores import as_table
from pytest_mlspec.recipe.work import Result, Work


def run(job: Train | Interrupt | Resume, work: Work) -> Result:
    """Fits the estimator of `work` and measures it on every split.

    Raises NotApplicableError for a training that is not a whole fit, UserCodeError for what the estimator raises.
    """
    if isinstance(job, Interrupt | Resume) or job.batches is not None or job.steps is not None:
        raise NotApplicableError("an estimator of scikit-learn is fitted as a whole: it has no batches and no steps")
    if job.fresh:
        perturb_generators(with_torch=False)
    fitted = _fit(work, seed_of(job, work))
    splits = {name: rows for name, rows in work.prepared.splits.items() if len(rows)}
    predicted = {name: fitted(rows.inputs) for name, rows in splits.items()}
    train = splits["train"]
    before, losses = _losses(fitted, splits, predicted)
    loss_S, of_history = _history(fitted.final)
    of_loss = clusters.NOTE if fitted.kind == "clusters" else predictions.START_NOTE
    steps = len(loss_S) or _iterations(fitted.final)
    nothing = Array.of(np.empty(0))
    evidence = TrainingRun(
        engine="sklearn",
        seed=seed_of(job, work),
        device="cpu",
        device_reason="cpu: estimators of scikit-learn run there",
        threads=_threads(),
        steps=steps,
        epochs=steps,
        planned_steps=steps,
        rows=len(train),
        parameters=None,
        stopped="fitted",
        best_epoch=None,
        loss_S=Array.of(loss_S),
        gradient_norm_S=nothing,
        learning_rate_S=nothing,
        epochs_log=(),
        losses_before={"train": before},
        losses=losses,
        weights_digest="",
        predictions_digest=predictions.digest(predicted),
        examples_digest=work.prepared.digest,
        notes=tuple(
            note for note in (*work.recipe.notes, *work.prepared.notes, *fitted.notes, of_history, of_loss) if note
        ),
        seconds=fitted.seconds,
        hash_seed=os.environ.get("PYTHONHASHSEED", ""),
        predictions=fitted.kind,
    )
    return Result(evidence, predictions.as_arrays(predicted))


def restore(job: Train, work: Work) -> FittedEstimator:
    """The estimator that `job` fitted, fitted again with the same seed."""
    return _fit(work, seed_of(job, work))


def prediction_kind(work: Work) -> Kind:
    """What the estimator of `work` predicts."""
    return _kind(_new_estimator(work, seed=work.spec.train.seed), work)


@dataclass(frozen=True)
class FittedEstimator:
    """A fitted estimator; `seconds` is what the fit took, `notes` holds its warnings.

    `classes` is 0 where there are none, for a clustering the number of clusters; `row` is the shape of a row's values.
    """

    estimator: Any
    kind: Kind
    classes: int
    seconds: float
    notes: tuple[str, ...]
    row: tuple[int, ...] = ()

    def __call__(self, inputs: Inputs) -> FloatArray:
        """Probabilities or labels [N, C], values [N, …] or clusters [N], for prepared inputs."""
        name = type(self.final).__name__
        found = self._predicted(inputs)
        return predictions.checked(
            found, kind=self.kind, rows=len(found), classes=self.classes, source=name, key="model", row=self.row
        )

    def outputs(self, examples: Examples) -> NDArray[Any]:
        """What the estimator itself predicts, in its own type; a cluster as one of several columns that is 1."""
        found = self._predicted(examples.inputs)
        # One column more, for the rows that no cluster takes: their number is -1.
        return np.eye(self.classes + 1)[found] if self.kind == "clusters" else found

    def precise(self) -> FittedEstimator:
        """The estimator itself: it computes in one precision."""
        return self

    @property
    def dtype(self) -> str:
        """The precision of the outputs; single, for an estimator from elsewhere, of which it is not known."""
        return "float64" if type(self.final).__module__.startswith("sklearn.") else "float32"

    @property
    def final(self) -> Any:
        """The last step of a pipeline, else the estimator."""
        return _final(self.estimator)

    def _predicted(self, inputs: Inputs) -> NDArray[Any]:
        features = _features(inputs)
        with from_outside(f"{type(self.final).__name__}.predict", key="model"):
            if self.kind == "probabilities":
                found = np.asarray(self.estimator.predict_proba(features))
                # A class without a training row has no column.
                probabilities_NC = np.zeros((len(found), self.classes), dtype=found.dtype)
                probabilities_NC[:, np.asarray(self.estimator.classes_, dtype=np.int64)] = found
                return probabilities_NC
            if self.row:
                return np.asarray(self.estimator.inverse_transform(self.estimator.transform(features)))
            found = np.asarray(self.estimator.predict(features))
        if self.kind == "values":
            return found
        return found.astype(np.int64) if self.kind == "clusters" else np.eye(self.classes)[found.astype(np.int64)]


def _fit(work: Work, seed: int) -> FittedEstimator:
    train = training_examples(work.prepared, work.spec)
    seed_generators(seed, with_torch=False)
    estimator = _new_estimator(work, seed=seed)
    name = type(_final(estimator)).__name__
    started = time.perf_counter()
    targets = (train.targets,) if TASKS[work.recipe.task].supervised else ()
    with warnings.catch_warnings(record=True) as caught, from_outside(f"{name}.fit", key="model"):
        warnings.simplefilter("always")
        estimator.fit(_features(train.inputs), *targets)
    seconds = time.perf_counter() - started
    told = [f"{warning.category.__name__}: {str(warning.message).partition(chr(10))[0]}" for warning in caught]
    kind = _kind(estimator, work)
    labels = f"{name} gives labels, no probabilities: the loss is the share of wrong rows" if kind == "labels" else ""
    notes = tuple(dict.fromkeys(filter(None, (*told, labels))))
    row = train.targets.shape[1:] if work.recipe.task == "reconstruction" else ()
    fitted = FittedEstimator(estimator, kind, len(work.prepared.classes), seconds, notes, row)
    if kind != "clusters":
        return fitted
    return replace(fitted, classes=1 + int(fitted(train.inputs).max()))


def _losses(
    fitted: FittedEstimator, splits: Mapping[str, Examples], predicted: Mapping[str, FloatArray]
) -> tuple[float, dict[str, float]]:
    """The training loss of a constant, and the loss of each split."""
    if fitted.kind != "clusters":
        train = splits["train"].targets
        constant = predictions.best_constant(train, fitted.kind, fitted.classes)
        losses = {name: predictions.loss(predicted[name], rows.targets, fitted.kind) for name, rows in splits.items()}
        return predictions.loss_of_constant(constant, train, fitted.kind), losses
    tables = {name: as_table(rows.inputs) for name, rows in splits.items()}
    numbers = {name: values.astype(np.int64) for name, values in predicted.items()}
    centres = Centres.fitted(tables["train"], numbers["train"])
    return centres.loss_of_constant(tables["train"]), {
        name: centres.loss(tables[name], numbers[name]) for name in splits
    }


def _new_estimator(work: Work, *, seed: int) -> Any:
    """An unfitted estimator in which every random_state that was left open, at any depth, is `seed`."""
    from sklearn.base import clone

    assert work.recipe.build_model is not None, "a recipe for the engine sklearn has a model"
    estimator = work.recipe.build_model(work.prepared)
    with from_outside("the copy of the estimator", key="model"):
        estimator = clone(estimator, safe=False)
        parameters: Mapping[str, Any] = estimator.get_params() if hasattr(estimator, "get_params") else {}
        is_open = {
            name: seed
            for name, value in parameters.items()
            if name.rpartition("__")[2] == "random_state" and value is None
        }
        if is_open:
            estimator.set_params(**is_open)
    return estimator


def _kind(estimator: Any, work: Work) -> Kind:
    if work.recipe.task == "clustering":
        return "clusters"
    if not work.prepared.classes:
        return "values"
    return "probabilities" if hasattr(estimator, "predict_proba") else "labels"


def _features(inputs: Inputs) -> Any:
    if not isinstance(inputs, Mapping):
        return inputs
    import pandas as pd

    return pd.DataFrame(dict(inputs))


def _final(estimator: Any) -> Any:
    while hasattr(estimator, "steps"):
        estimator = estimator.steps[-1][1]
    return estimator


def _history(final: Any) -> tuple[FloatArray, str]:
    """The training loss after each iteration, where the estimator keeps one, and what it is."""
    for attribute in ("loss_curve_", "train_score_"):
        values = getattr(final, attribute, None)
        # The train_score_ of the histogram-based ones is a score, not a loss.
        if values is not None and len(values) and not type(final).__name__.startswith("HistGradientBoosting"):
            note = f"the history is {attribute} of {type(final).__name__}, which may hold its penalty too"
            return np.asarray(values, dtype=np.float64), note
    return np.empty(0), ""


def _iterations(final: Any) -> int:
    """The iterations that the estimator took; 1 where it does not count any."""
    taken = getattr(final, "n_iter_", None)
    return 1 if taken is None else max(1, int(np.max(taken)))


def _threads() -> int:
    from threadpoolctl import threadpool_info  # type: ignore[import-untyped]

    return max((int(pool["num_threads"]) for pool in threadpool_info()), default=1)
