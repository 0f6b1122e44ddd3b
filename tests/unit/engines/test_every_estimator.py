"""Every estimator by name on real rows: it trains twice alike, predicts and is scored, or is refused with a reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from projects import Project

from pytest_mlspec.errors import MlspecError
from pytest_mlspec.evidence import Independence, ScoreTable, TrainingRun
from pytest_mlspec.jobs import MetricRequest, RowIndependence, Scores, Train
from pytest_mlspec.language.boosters import BOOSTERS
from pytest_mlspec.language.estimators import CLASSIFIERS, COMPOSED, REGRESSORS

pytestmark = pytest.mark.slow

LOGISTIC: Mapping[str, Any] = {"use": "LogisticRegression"}
RIDGE: Mapping[str, Any] = {"use": "Ridge"}
OF_CLASSES: Mapping[str, Mapping[str, Any]] = {
    **{
        name: {"estimator": LOGISTIC}
        for name in ("FixedThresholdClassifier", "TunedThresholdClassifierCV", "RFE", "RFECV")
    },
    **{name: {"estimator": LOGISTIC} for name in ("OneVsOneClassifier", "OneVsRestClassifier", "OutputCodeClassifier")},
    **{
        name: {"estimator": LOGISTIC, "param_grid": {"C": [0.1, 1.0]}}
        for name in ("GridSearchCV", "HalvingGridSearchCV")
    },
    **{
        name: {"estimator": LOGISTIC, "param_distributions": {"C": [0.1, 1.0]}}
        for name in ("HalvingRandomSearchCV", "RandomizedSearchCV")
    },
    "Pipeline": {"steps": ["StandardScaler", LOGISTIC]},
    "SelfTrainingClassifier": {"estimator": LOGISTIC},
    "StackingClassifier": {"estimators": [LOGISTIC, "GaussianNB"]},
    "VotingClassifier": {"estimators": [LOGISTIC, "GaussianNB"]},
    **{name: {"n_estimators": 10} for name, entry in BOOSTERS.items() if entry.predicts == "classes"},
    "CategoricalNB": {"min_categories": 40},
    "RandomizedSearchCV": {"estimator": LOGISTIC, "param_distributions": {"C": [0.1, 1.0]}, "n_iter": 2},
    "HalvingRandomSearchCV": {"estimator": LOGISTIC, "param_distributions": {"C": [0.1, 1.0]}, "n_candidates": 2},
    "QuadraticDiscriminantAnalysis": {"reg_param": 0.1},
    "RFE": {"estimator": LOGISTIC, "step": 10},
    "RFECV": {"estimator": LOGISTIC, "step": 10, "cv": 2},
    "TunedThresholdClassifierCV": {"estimator": LOGISTIC, "cv": 2},
    "MLPClassifier": {"max_iter": 20},
    "LogisticRegressionCV": {"Cs": 2, "cv": 2},
}
OF_VALUES: Mapping[str, Mapping[str, Any]] = {
    "CCA": {"n_components": 1},
    "PLSCanonical": {"n_components": 1},
    "StackingRegressor": {"estimators": [RIDGE, "Lasso"]},
    "VotingRegressor": {"estimators": [RIDGE, "Lasso"]},
    **{name: {"n_estimators": 10} for name, entry in BOOSTERS.items() if entry.predicts == "values"},
}
BY_NAME = [
    *sorted((name, "binary") for name in {**CLASSIFIERS, **OF_CLASSES}),
    *sorted((name, "regression") for name in {**REGRESSORS, **OF_VALUES}),
]
REASONS = {
    "IsotonicRegression": "Isotonic regression input X should be a 1d array or 2d array with 1 feature",
    "LabelPropagation": "invalid value encountered in divide",
    "LabelSpreading": "invalid value encountered in divide",
    "RadiusNeighborsClassifier": "No neighbors found for test samples",
    "RadiusNeighborsRegressor": "One or more samples have no neighbors within specified radius",
}
"""What scikit-learn says of those that cannot learn from these columns by themselves."""

DATA: Mapping[str, Mapping[str, Any]] = {
    "binary": {"source": "sklearn.breast_cancer", "split": {"test": 0.6}, "prepare": ["impute", "min_max"]},
    "regression": {"source": "sklearn.diabetes", "split": {"test": 0.6}, "prepare": "standard"},
}


def test_every_name_is_tried() -> None:
    """Of both kinds; those of either kind are tried with classes."""
    assert {name for name, _ in BY_NAME} == {*CLASSIFIERS, *REGRESSORS, *COMPOSED, *BOOSTERS}


@pytest.mark.parametrize(("name", "task"), [case for case in BY_NAME if case[0] not in REASONS])
def test_an_estimator_by_name_is_trained_and_judged(project: Project, name: str, task: str) -> None:
    """Equal seeds give equal bits, the score is better than a constant's, and a row does not depend on others."""
    arguments = {**OF_CLASSES, **OF_VALUES}.get(name, {})
    asked = {"data": DATA[task], "model": {"use": name, **arguments}, "task": task, "train": {"engine": "sklearn"}}
    metric = "accuracy" if task == "binary" else "r2"
    done = project.trained(asked)
    again = project.train(asked, Train(fresh=True))
    requests = (MetricRequest(metric, "test"), MetricRequest(metric, "test", of="dummy"))
    table = project.run(Scores(requests), asked, done).evidence
    rows = project.run(RowIndependence(), asked, done).evidence
    run = done[Train()].evidence

    assert isinstance(table, ScoreTable)
    assert isinstance(rows, Independence)
    assert isinstance(run, TrainingRun)
    assert run.predictions_digest == again.predictions_digest
    assert all(score.value is not None for score in table.scores.values())
    assert max(rows.alone, rows.order, rows.repeat) <= rows.tolerance


@pytest.mark.parametrize("name", sorted(REASONS))
def test_what_cannot_learn_from_these_columns_says_why(project: Project, name: str) -> None:
    """In scikit-learn's words, without a traceback of ours."""
    task = "regression" if name in REGRESSORS else "binary"
    data = {**DATA[task], "prepare": "standard"}
    asked = {"data": data, "model": {"use": name}, "task": task, "train": {"engine": "sklearn"}}
    with pytest.raises(MlspecError, match=REASONS[name]):
        project.train(asked)
