"""What an estimator decides and how it ranks, where its probabilities do not say it; and weights of its rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from projects import CANCER, DIABETES, Kept, Project

from pytest_mlspec.errors import DataError, RecipeError, UserCodeError
from pytest_mlspec.evidence import ConstantPrediction, Score, ScoreTable, TrainingRun
from pytest_mlspec.jobs import ConstantLoss, Job, MetricRequest, Prepare, Scores, Train
from pytest_mlspec.recipe.work import Stored

LOGISTIC = {"use": "LogisticRegression"}


def spec(
    model: Any, data: Mapping[str, Any] = CANCER["data"], *, task: str = "binary", **engine: Any
) -> dict[str, Any]:
    return {"data": data, "model": model, "task": task, "train": {"engine": {"use": "sklearn", **engine}}}


def scores(project: Project, asked: Mapping[str, Any], *metrics: str) -> Mapping[str, Score]:
    requests = tuple(MetricRequest(metric, "test") for metric in metrics)
    table = project.run(Scores(requests), asked, project.trained(asked)).evidence
    assert isinstance(table, ScoreTable)
    return {request.metric: table.scores[request.key] for request in requests}


def test_a_threshold_decides_the_metrics_of_labels(project: Project) -> None:
    """At 0.99 few rows are positive, whatever the most probable class is; the ranking stays that of the probabilities."""
    strict = {"use": "FixedThresholdClassifier", "estimator": LOGISTIC, "threshold": 0.99}
    found = [scores(project, spec(model), "recall", "roc_auc") for model in (LOGISTIC, strict)]
    (recall, strict_recall), (auc, strict_auc) = (
        [each[metric].value or 0.0 for each in found] for metric in ("recall", "roc_auc")
    )

    assert 0 < strict_recall < recall - 0.1
    assert 0.9 < strict_auc == auc


def test_where_the_most_probable_class_is_the_decision_none_is_stored(project: Project) -> None:
    """As it is for all but few."""
    arrays = project.run(Train(), spec(LOGISTIC)).arrays

    assert set(arrays) == {"predictions/train", "predictions/test"}


RANKED = [("LinearSVC", "roc_auc"), ("RidgeClassifier", "average_precision"), ("Perceptron", "roc_auc")]


@pytest.mark.parametrize(("name", "metric"), RANKED)
def test_scores_are_enough_to_rank(project: Project, name: str, metric: str) -> None:
    """As in scikit-learn's own scorers; what needs probabilities names the remedy."""
    data = {**CANCER["data"], "prepare": "standard"}
    found = scores(project, spec(name, data), metric, "log_loss")

    assert (found[metric].value or 0) > 0.95
    assert found["log_loss"].value is None
    assert "log_loss needs probabilities, and the model predicts labels alone" in found["log_loss"].error


def test_the_ranking_is_that_of_scikit_learn(project: Project) -> None:
    """The decision function of the positive class, whichever that is."""
    from sklearn.metrics import roc_auc_score

    asked = spec("LinearSVC")
    arrays = project.run(Train(), asked).arrays
    targets = project.work(asked).prepared.splits["test"].targets
    positive = {**asked, "task": {"use": "binary", "positive": 0}}
    value = scores(project, positive, "roc_auc")["roc_auc"].value
    expected = roc_auc_score(targets, arrays["scores/test"][:, 1])

    assert value == pytest.approx(expected)
    assert scores(project, asked, "roc_auc")["roc_auc"].value == pytest.approx(expected)


SWAPPED = """
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

class Wrapped(ClassifierMixin, BaseEstimator):
    def __init__(self, how="sound"):
        self.how = how

    def fit(self, X, y):
        self.model_ = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
        self.classes_ = self.model_.classes_[::-1] if self.how == "classes" else self.model_.classes_
        return self

    def predict(self, X):
        return self.model_.predict(X)

    def predict_proba(self, X):
        found = self.model_.predict_proba(X)
        return {"swapped": found[:, ::-1], "shifted": np.roll(found, 1, axis=1)}.get(self.how, found)
"""


@pytest.mark.parametrize("how", ["swapped", "shifted", "classes"])
@pytest.mark.parametrize(("source", "task"), [("sklearn.breast_cancer", "binary"), ("sklearn.wine", "multiclass")])
def test_swapped_columns_of_probabilities_are_found(project: Project, source: str, task: str, how: str) -> None:
    """The planted fault: `predict` tells other classes than the columns, in the order that `classes_` says."""
    project.write("wrapping", SWAPPED)
    asked = spec({"use": "wrapping:Wrapped", "how": how}, {"source": source}, task=task)

    with pytest.raises(RecipeError, match="predict and predict_proba of Wrapped contradict each other"):
        project.train(asked)


def test_columns_in_the_order_of_classes_are_sound(project: Project) -> None:
    """The same wrapper without the fault."""
    project.write("wrapping", SWAPPED)

    assert project.train(spec({"use": "wrapping:Wrapped"})).losses["test"] < 0.2


NARROW = """
from sklearn.linear_model import LogisticRegression

class Narrow(LogisticRegression):
    def predict_proba(self, X):
        return super().predict_proba(X)[:, :1]
"""


def test_probabilities_need_a_column_for_each_class(project: Project) -> None:
    """The planted fault: one column, which would be taken for that of every class."""
    project.write("narrowing", NARROW)

    with pytest.raises(
        RecipeError, match=r"Narrow.predict_proba gives an array of shape \[\d+, 1\], expected \[\d+, 2\]"
    ):
        project.train(spec({"use": "narrowing:Narrow"}))


REVERSED = """
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression

class Reversed(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        self.model_ = LogisticRegression().fit(X, y)
        self.classes_ = self.model_.classes_[::-1]
        return self

    def predict(self, X):
        return self.model_.predict(X)

    def predict_proba(self, X):
        return self.model_.predict_proba(X)[:, ::-1]
"""


def test_an_order_of_its_own_is_followed(project: Project) -> None:
    """Columns go by `classes_`, and the stored ones by the prepared classes."""
    project.write("reversing", REVERSED)
    data = {"source": "sklearn.wine", "prepare": "standard"}
    own = project.run(Train(), spec("reversing:Reversed", data, task="multiclass")).arrays["predictions/test"]
    plain = project.run(Train(), spec(LOGISTIC, data, task="multiclass")).arrays["predictions/test"]

    np.testing.assert_array_equal(own, plain)


KINDS = """
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.ensemble import StackingClassifier

def values():
    return RandomForestRegressor(2)

def classes():
    return RandomForestClassifier(2)

def stacked():
    return StackingClassifier([("a", LogisticRegression()), ("b", RandomForestClassifier(5))], cv=2)
"""


def test_an_estimator_of_the_other_kind_is_refused(project: Project) -> None:
    """Its numbers would be taken for class numbers."""
    project.write("kinds", KINDS)
    with pytest.raises(RecipeError, match="RandomForestRegressor predicts values, and the targets are classes"):
        project.train(spec("kinds:values"))
    with pytest.raises(RecipeError, match="RandomForestClassifier predicts classes, and the targets are values"):
        project.train(spec("kinds:classes", DIABETES["data"], task="regression"))


def test_what_shows_its_methods_after_the_fit_alone_is_taken(project: Project) -> None:
    """A stack of estimators: its constant prediction is of the same kind as its own."""
    project.write("kinds", KINDS)
    asked = spec("kinds:stacked")
    run = project.train(asked)
    constant = project.run(ConstantLoss(), asked).evidence

    assert isinstance(constant, ConstantPrediction)
    assert run.predictions == "probabilities"
    assert constant.loss == pytest.approx(run.losses_before["train"])


def test_a_search_tells_what_it_chose(project: Project) -> None:
    """As a note of the training."""
    run = project.train(spec({"use": "GridSearchCV", "estimator": LOGISTIC, "param_grid": {"C": [1e-6, 1.0]}, "cv": 2}))

    assert "GridSearchCV chose C=1.0" in run.notes


WEIGHTED = "x,w,odd,churned\n" + "".join(
    f"{n % 10},{1 + 9 * (n % 2)},{'' if n == 7 else 1},{'yes' if n % 2 else 'no'}\n" for n in range(100)
)
ROWS = {"source": "weighted.csv", "target": "churned", "drop": ["w", "odd"]}


@pytest.fixture
def weighted(project: Project) -> Project:
    """A project with a table of weighted rows."""
    (project.root / "weighted.csv").write_text(WEIGHTED, encoding="utf-8")
    return project


MODELS = [
    "DummyClassifier",
    {"use": "Pipeline", "steps": ["StandardScaler", "DummyClassifier"]},
    {"use": "Pipeline", "steps": [{"use": "Pipeline", "steps": ["DummyClassifier"]}]},
]


@pytest.mark.parametrize("model", MODELS)
def test_a_column_weighs_the_rows(weighted: Project, model: Any) -> None:
    """Ten of eleven parts are those of the heavy rows; the last step of a pipeline is what is weighed."""
    predicted = weighted.run(Train(), spec(model, ROWS, sample_weight="w")).arrays["predictions/test"]

    assert predicted[0, 1] == pytest.approx(10 / 11, abs=0.03)


def test_a_fold_has_the_weights_of_its_rows(weighted: Project) -> None:
    """Those of the rows that it trains on."""
    data = {**ROWS, "split": {"folds": 2}}
    asked = spec("DummyClassifier", data, sample_weight="w")
    needed: Mapping[Job, Stored] = {Prepare(1): Kept(weighted.run(Prepare(1), asked), weighted.root)}
    run = weighted.run(Train(fold=1), asked, needed)

    assert run.arrays["predictions/test"][0, 1] == pytest.approx(10 / 11, abs=0.05)


def test_weights_of_other_rows_are_refused(weighted: Project) -> None:
    """The planted fault: rows of the whole training split with the weights of a fold."""
    data = {**ROWS, "split": {"folds": 2}}
    with pytest.raises(DataError, match="the training rows were others when they were loaded again"):
        weighted.run(Train(fold=1), spec("DummyClassifier", data, sample_weight="w"))


def test_balanced_weights_count_classes_alike(project: Project) -> None:
    """Without a class_weight of its own."""
    asked = (spec("DummyClassifier"), spec("DummyClassifier", sample_weight="balanced"))
    plain, balanced = [project.run(Train(), each).arrays["predictions/test"][0] for each in asked]

    assert plain[1] > 0.6
    assert balanced == pytest.approx(np.array([0.5, 0.5]))


@pytest.mark.parametrize("name", ["xgboost.XGBClassifier", "lightgbm.LGBMClassifier", "catboost.CatBoostClassifier"])
def test_a_booster_is_weighted_too(weighted: Project, name: str) -> None:
    """Weights change what it predicts."""
    model = {"use": name, "n_estimators": 5}
    asked = (spec(model, ROWS), spec(model, ROWS, sample_weight="w"))
    digests = {weighted.train(each).predictions_digest for each in asked}

    assert len(digests) == 2


WRONG = [
    ("missing", "the rows have no column 'missing'"),
    ("odd", r"row 7 has the weight nan|weighted\.csv:9 has the weight nan"),
    ("churned", "no column 'churned'"),
]


@pytest.mark.parametrize(("column", "message"), WRONG)
def test_a_weight_that_is_none_is_told(weighted: Project, column: str, message: str) -> None:
    """With its row."""
    data = {**ROWS, "split": {"test": 0.01, "seed": 1}}
    with pytest.raises(DataError, match=message):
        weighted.train(spec("DummyClassifier", data, sample_weight=column))


def test_an_estimator_that_takes_no_weights_says_so(weighted: Project) -> None:
    """Before it is fitted."""
    with pytest.raises(RecipeError, match=r"KNeighborsClassifier\.fit takes no sample_weight"):
        weighted.train(spec("KNeighborsClassifier", ROWS, sample_weight="w"))


def test_inputs_of_ids_beside_numbers_are_told(weighted: Project) -> None:
    """An estimator takes one array, or columns."""
    (weighted.root / "plans.csv").write_text("plan,x,churned\n" + "a,1,no\nb,2,yes\n" * 20, encoding="utf-8")
    data = {"source": "plans.csv", "target": "churned", "prepare": ["impute", "ids"]}
    with pytest.raises(RecipeError, match="an estimator takes one array or columns") as caught:
        weighted.train(spec(LOGISTIC, data))

    assert caught.value.advice == "write one_hot or ordinal in the place of ids"


def test_a_fit_that_fails_is_the_users(project: Project) -> None:
    """With the name of the estimator, inside a pipeline too."""
    with pytest.raises(UserCodeError, match=r"MultinomialNB\.fit raised ValueError: Negative values"):
        project.train(spec({"use": "Pipeline", "steps": ["StandardScaler", "MultinomialNB"]}))


def test_the_history_of_a_pipeline_is_that_of_its_last_step(project: Project) -> None:
    """As many steps as it kept values."""
    model = {"use": "Pipeline", "steps": ["StandardScaler", {"use": "GradientBoostingClassifier", "n_estimators": 7}]}
    run = project.run(Train(), spec(model)).evidence

    assert isinstance(run, TrainingRun)
    assert run.steps == len(run.loss_S) == 7
