"""Names of what can be measured and gated: one definition each, with unit, direction and source.

A gate names a quantity as `SCOPE.NAME[SELECTOR, …]`:

    test.accuracy                a metric of scikit-learn on a split (train, val, test)
    test.recall[class=yes]       of one class
    test.recall[plan=basic]      over the raw rows whose column `plan` reads `basic`
    gap.accuracy                 the metric on train minus the metric on test
    cv.accuracy                  the mean of the metric over the folds of a cross-validation (data.split.folds)
    cv_std.accuracy              its standard deviation over the folds (n − 1)
    val.loss                     the declared loss on a split, at the end of the training, in evaluation mode
    train.seconds                a measure: what a job gives, read by a function (`measures.py`)

    metrics.py   the metrics;  measures.py  the registry of measures;  names.py  from the name of a gate to what it measures
    training.py  measures of a training;  export.py  of its exported forms;  latency.py  of a call;  mteb.py  of embeddings

The reference in the documentation is generated from this package.
"""

from __future__ import annotations

from pytest_mlspec.quantities import export, latency, mteb, resources, training
from pytest_mlspec.quantities.measures import MEASURES, Measure, NoSelectors, Reading, Selectors, quantity
from pytest_mlspec.quantities.metrics import CLASSIFICATION, CLUSTERING, METRICS, REGRESSION, TASKS, Metric
from pytest_mlspec.quantities.names import FOLD_KINDS, SPLITS, Quantity, check_task, known_names, parse

__all__ = [
    "CLASSIFICATION",
    "CLUSTERING",
    "FOLD_KINDS",
    "MEASURES",
    "METRICS",
    "REGRESSION",
    "SPLITS",
    "TASKS",
    "Measure",
    "Metric",
    "NoSelectors",
    "Quantity",
    "Reading",
    "Selectors",
    "check_task",
    "export",
    "known_names",
    "latency",
    "mteb",
    "parse",
    "quantity",
    "resources",
    "training",
]
