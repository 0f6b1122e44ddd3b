"""The engine sklearn: an estimator or pipeline of scikit-learn, or a gradient booster, fitted on the training rows as a whole.

Without a `prepare` it sees the raw columns, as a DataFrame. Its loss is the log loss of its probabilities, or the mean
squared error of its values; an estimator without `predict_proba` has labels alone, and the share of wrong ones is its loss.
A booster tells the loss of each round (`boosters/`), and is stopped early by the validation rows. A reconstruction is
`inverse_transform` of `transform`, and a clustering has the loss of `clusters.py`; neither fit sees a target. No fitted
estimator is stored, because it could be read back by unpickling only: `restore` fits again.

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
from pytest_mlspec.engines.boosters import FitRows, Rounds, as_losses, booster_of
from pytest_mlspec.engines.clusters import Centres
from pytest_mlspec.engines.fit_cost import whole_fit_cost
from pytest_mlspec.engines.fitted_estimator import FittedEstimator, final_of
from pytest_mlspec.engines.generators import perturb_generators, seed_generators, seed_of
from pytest_mlspec.engines.outside import from_outside
from pytest_mlspec.engines.predictions import FloatArray, Kind
from pytest_mlspec.engines.sample_weight import fit_parameters, weights_of
from pytest_mlspec.engines.unfitted_estimator import kind_of, new_estimator
from pytest_mlspec.errors import NotApplicableError
from pytest_mlspec.evidence import Array, TrainingRun
from pytest_mlspec.jobs import Interrupt, Resume, Train
from pytest_mlspec.language.task import TASKS
from pytest_mlspec.recipe.oversampling import training_examples
from pytest_mlspec.recipe.protocol import Examples
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
    seed = seed_of(job, work)
    fitted = _fit(work, seed, fold=job.fold)
    splits = {name: rows for name, rows in work.prepared.splits.items() if len(rows)}
    predicted = {name: fitted(rows.inputs) for name, rows in splits.items()}
    beside = _beside(fitted, splits, predicted)
    train = splits["train"]
    before, losses = _losses(fitted, splits, predicted)
    history = _history(fitted)
    of_loss = clusters.NOTE if fitted.kind == "clusters" else predictions.START_NOTE
    notes = (*work.recipe.notes, *work.prepared.notes, *fitted.notes, history.note, of_loss)
    nothing = Array.of(np.empty(0))
    evidence = TrainingRun(
        engine="sklearn",
        seed=seed,
        device=_device(fitted.final),
        device_reason="where the estimator computes: the CPU, unless it was told otherwise",
        threads=_threads(),
        steps=history.steps,
        epochs=history.steps,
        planned_steps=history.planned,
        rows=len(train),
        parameters=None,
        stopped=history.stopped,
        best_epoch=history.best,
        loss_S=Array.of(history.loss_S),
        gradient_norm_S=nothing,
        learning_rate_S=nothing,
        epochs_log=history.log,
        losses_before={"train": before},
        losses=losses,
        weights_digest="",
        predictions_digest=predictions.digest({**predicted, **beside}),
        examples_digest=work.prepared.digest,
        notes=tuple(note for note in notes if note),
        seconds=fitted.seconds,
        hash_seed=os.environ.get("PYTHONHASHSEED", ""),
        predictions=fitted.kind,
        cost=whole_fit_cost(),
    )
    return Result(evidence, {**predictions.as_arrays(predicted), **beside})


def restore(job: Train, work: Work) -> FittedEstimator:
    """The estimator that `job` fitted, fitted again with the same seed."""
    return _fit(work, seed_of(job, work), fold=job.fold)


def prediction_kind(work: Work) -> Kind:
    """What the estimator of `work` predicts."""
    estimator, _ = new_estimator(work, seed=work.spec.train.seed)
    return kind_of(estimator, work)


@dataclass(frozen=True)
class _History:
    """What an estimator tells of its iterations; `note` says what `loss_S` is."""

    steps: int
    planned: int
    loss_S: FloatArray
    log: tuple[Mapping[str, float], ...] = ()
    best: int | None = None
    stopped: str = "fitted"
    note: str = ""


def _fit(work: Work, seed: int, *, fold: int | None) -> FittedEstimator:
    train = training_examples(work.prepared, work.spec)
    seed_generators(seed, with_torch=False)
    estimator, features = new_estimator(work, seed=seed)
    name = type(final_of(estimator)).__name__
    booster = booster_of(estimator)
    weights_N = weights_of(work, train, fold=fold)
    started = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught, from_outside(f"{name}.fit", key="model"):
        warnings.simplefilter("always")
        if booster is None:
            targets = (train.targets,) if TASKS[work.recipe.task].supervised else ()
            estimator.fit(features(train.inputs), *targets, **fit_parameters(estimator, weights_N))
        else:
            val = work.prepared.splits.get("val")
            stopping = FitRows(features(val.inputs), val.targets) if val is not None and len(val) else None
            booster.fit(estimator, FitRows(features(train.inputs), train.targets, weights_N), stopping)
    seconds = time.perf_counter() - started
    kind = kind_of(estimator, work)
    told = [f"{warning.category.__name__}: {str(warning.message).partition(chr(10))[0]}" for warning in caught]
    labels = f"{name} gives labels, no probabilities: the loss is the share of wrong rows" if kind == "labels" else ""
    fitted = FittedEstimator(
        estimator,
        kind,
        len(work.prepared.classes),
        seconds,
        notes=tuple(dict.fromkeys(filter(None, (*told, labels, _chosen(estimator))))),
        row=train.targets.shape[1:] if work.recipe.task == "reconstruction" else (),
        features=features,
        numbers=np.unique(train.targets)
        if booster is not None and booster.RENUMBERS and work.prepared.classes
        else None,
    )
    if kind != "clusters":
        return fitted
    return replace(fitted, classes=1 + int(fitted(train.inputs).max()))


def _beside(
    fitted: FittedEstimator, splits: Mapping[str, Examples], predicted: Mapping[str, FloatArray]
) -> dict[str, NDArray[Any]]:
    """What is stored beside predictions: decisions that are not the most probable class, and scores without probabilities."""
    found: dict[str, NDArray[Any] | None] = {}
    for name, rows in splits.items():
        found[f"{predictions.LABELS}/{name}"] = fitted.labels(rows.inputs, predicted[name])
        found[f"{predictions.SCORES}/{name}"] = fitted.scores(rows.inputs)
    return {name: values for name, values in found.items() if values is not None}


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


def _history(fitted: FittedEstimator) -> _History:
    """The training loss after each iteration, where the estimator keeps one, and what it is."""
    booster = booster_of(fitted.estimator)
    rounds = booster.rounds(fitted.estimator) if booster is not None else None
    if rounds is not None:
        return _of_rounds(rounds)
    final = fitted.final
    for attribute in ("loss_curve_", "train_score_"):
        values = getattr(final, attribute, None)
        # The train_score_ of the histogram-based ones is a score, not a loss.
        if values is not None and len(values) and not type(final).__name__.startswith("HistGradientBoosting"):
            note = f"the history is {attribute} of {type(final).__name__}, which may hold its penalty too"
            return _History(len(values), len(values), np.asarray(values, dtype=np.float64), note=note)
    taken = getattr(final, "n_iter_", None)
    steps = 1 if taken is None else max(1, int(np.max(taken)))
    return _History(steps, steps, np.empty(0))


def _of_rounds(rounds: Rounds) -> _History:
    loss_S, log, note = as_losses(rounds)
    taken = len(rounds.train_S)
    stopped = "fitted"
    if rounds.best is not None and taken < rounds.planned:
        stopped = f"stopped early: {rounds.metric} of the validation rows was best after round {rounds.best}"
    return _History(taken, rounds.planned, loss_S, log, rounds.best, stopped, note)


def _chosen(estimator: Any) -> str:
    """What a search chose; empty for what is none."""
    best = getattr(estimator, "best_params_", None)
    if not best:
        return ""
    shown = ", ".join(f"{name}={value!r:.60}" for name, value in sorted(best.items()))
    return f"{type(estimator).__name__} chose {shown}"


def _device(final: Any) -> str:
    """Where the estimator computes, by the parameter that boosters have for it."""
    given = final.get_params() if hasattr(final, "get_params") else {}
    found = next((str(given[name]) for name in ("device", "device_type", "task_type") if given.get(name)), "cpu")
    return found.lower()


def _threads() -> int:
    from threadpoolctl import threadpool_info

    return max((int(pool["num_threads"]) for pool in threadpool_info()), default=1)
