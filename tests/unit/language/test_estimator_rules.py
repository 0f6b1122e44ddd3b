"""Models of the engine sklearn: what is wrong with a name, an argument or a combination is told before any training."""

from __future__ import annotations

from pathlib import Path

import pytest
from churn_spec import CHURN, spec, told

ENGINE = ("train:\n  optimizer: {use: adamw, lr: 3e-3}\n  epochs: 10\n", "train: {engine: sklearn}\n")
MODEL = "{use: mlp, hidden: [8]}"
VAL = ("split: {test: 0.2, val: 0.1}", "split: {test: 0.2}")
XGB = "xgboost.XGBClassifier"


def found(folder: Path, model: str, *changes: tuple[str, str]) -> str:
    return told(folder, ENGINE, (MODEL, model), *changes)


MISTAKES = [
    ("RandomForrest", "unknown estimator 'RandomForrest'"),
    ("RandomForestRegressor", "RandomForestRegressor predicts values, and the target of the task binary holds classes"),
    ("RandomForestRegressor", "did you mean 'RandomForestClassifier'?"),
    ("xgboost.XGBRegressor", "did you mean 'xgboost.XGBClassifier'?"),
    ("xgboost.XGBClasifier", "did you mean 'xgboost.XGBClassifier'?"),
    ("XGBClassifier", "did you mean 'xgboost.XGBClassifier'?"),
    ("ClassifierChain", "ClassifierChain cannot be used: it learns several targets at once, and a row has one"),
    ("KMeans", "KMeans does not fit the task binary"),
    (f"{{use: {XGB}, n_estimator: 5}}", f"{XGB} has no argument 'n_estimator'\n    did you mean 'n_estimators'?"),
    ("{use: lightgbm.LGBMClassifier, num_leafs: 5}", "did you mean 'num_leaves'?"),
    ("{use: catboost.CatBoostClassifier, allow_writing_files: true}", "has no argument 'allow_writing_files'"),
    (f"{{use: {XGB}, early_stopping_rounds: 0}}", "a number of rounds is needed, not 0"),
    (f"{{use: {XGB}, early_stopping_rounds: ten}}", "a number of rounds is needed, not 'ten'"),
    (f"{{use: {XGB}, callbacks: []}}", "the argument callbacks cannot be given"),
    ("{use: xgboost.XGBRFClassifier, early_stopping_rounds: 5}", "has no argument 'early_stopping_rounds'"),
    ("StackingClassifier", "StackingClassifier needs the argument 'estimators'"),
    ("{use: GridSearchCV, estimator: LogisticRegression}", "GridSearchCV needs the argument 'param_grid'"),
    ("{use: Pipeline, steps: []}", "a list of estimators is needed, not an empty list"),
    ("{use: Pipeline, steps: LogisticRegression}", "a list of estimators is needed, not 'LogisticRegression'"),
    ("{use: Pipeline, steps: [StandardScaller, LogisticRegression]}", "model.steps[0]: unknown estimator"),
    ("{use: Pipeline, steps: [{scaler: 1}]}", "an estimator is needed, not a mapping"),
    ("{use: Pipeline, steps: [5]}", "an estimator is needed, not 5"),
    (
        "{use: Pipeline, steps: [LogisticRegression], memory: cache}",
        "the argument memory cannot be given: it keeps pickles",
    ),
    ("{use: BaggingClassifier, estimator: {use: 'os.system'}}", "unknown estimator 'os.system'"),
    ("{use: BaggingClassifier, estimator: {use: 'a:'}}", "'a:' is no import path"),
    ("{use: BaggingClassifier, estimator: {use: 5}}", "a name is needed, not 5"),
    (
        f"{{use: Pipeline, steps: [StandardScaler, {{use: {XGB}, early_stopping_rounds: 5}}]}}",
        "inside another estimator there are no validation rows to stop on",
    ),
    (
        "{use: Pipeline, steps: [{use: ColumnTransformer, transformers: [{use: OneHotEncoder}]}, LogisticRegression]}",
        "it is not said which columns it transforms",
    ),
]


@pytest.mark.parametrize(("model", "message"), MISTAKES)
def test_a_mistake_is_told_before_training(tmp_path: Path, model: str, message: str) -> None:
    """With what was read and the nearest that is allowed."""
    assert message in found(tmp_path, model)


SOUND = [
    f"{{use: {XGB}, n_estimators: 400, learning_rate: 0.1, early_stopping_rounds: 20}}",
    "{use: Pipeline, steps: [StandardScaler, {use: LogisticRegression, C: 0.1}]}",
    "{use: Pipeline, steps: {scale: StandardScaler, learn: {use: LogisticRegression}}}",
    "{use: Pipeline, steps: [passthrough, LogisticRegression]}",
    "{use: Pipeline, steps: ['team.features:Scale', LogisticRegression]}",
    "{use: StackingClassifier, estimators: [GaussianNB, {use: lightgbm.LGBMClassifier}], final_estimator: LogisticRegression}",
    "{use: GridSearchCV, estimator: {use: SVC}, param_grid: {C: [1, 10]}, cv: {use: StratifiedKFold, n_splits: 3}}",
    "{use: GaussianProcessClassifier, kernel: {use: Sum, k1: {use: RBF}, k2: {use: WhiteKernel}}}",
    "{use: CalibratedClassifierCV, estimator: LinearSVC}",
]


@pytest.mark.parametrize("model", SOUND)
def test_what_is_sound_is_no_mistake(tmp_path: Path, model: str) -> None:
    """At any depth."""
    assert spec(tmp_path, ENGINE, (MODEL, model)).spec.train.engine.use == "sklearn"


def test_an_early_stop_needs_validation_rows(tmp_path: Path) -> None:
    """They are asked for where they are declared."""
    message = found(tmp_path, f"{{use: {XGB}, early_stopping_rounds: 5}}", VAL)

    assert "an early stop needs a validation split\n    give data.split.val a share, such as 0.1" in message


def test_the_early_stop_of_other_engines_is_that_of_the_booster(tmp_path: Path) -> None:
    """One place to say it."""
    train = (ENGINE[0], "train: {engine: sklearn, early_stop: {patience: 3}}\n")
    message = told(tmp_path, train, (MODEL, XGB))

    assert f"write model: {{use: {XGB}, early_stopping_rounds: 10}}" in message


WITHOUT = [
    ("LinearSVC", "log_loss", "log_loss needs probabilities, and LinearSVC gives none"),
    ("LinearSVC", "log_loss", "CalibratedClassifierCV, estimator: {use: LinearSVC}"),
    ("SGDClassifier", "brier_score", "write model: {use: SGDClassifier, loss: log_loss}"),
    ("{use: VotingClassifier, estimators: [GaussianNB]}", "roc_auc", "roc_auc needs probabilities or scores"),
    ("{use: Pipeline, steps: [StandardScaler, LinearSVC]}", "log_loss", "and LinearSVC gives none"),
    ("{use: Pipeline, steps: {a: StandardScaler, b: {use: SVC}}}", "log_loss", "and SVC gives none"),
    ("{use: GridSearchCV, estimator: {use: LinearSVC}, param_grid: {C: [1]}}", "log_loss", "and LinearSVC gives none"),
]
GATE = "test.accuracy: {at_least: 0.9}"


@pytest.mark.parametrize(("model", "metric", "message"), WITHOUT)
def test_a_metric_of_probabilities_needs_an_estimator_that_gives_some(
    tmp_path: Path, model: str, metric: str, message: str
) -> None:
    """The table tells before training, with the remedy."""
    assert message in found(tmp_path, model, (GATE, f"test.{metric}: {{at_most: 0.9}}"))


WITH = [
    ("LinearSVC", "roc_auc"),
    ("LinearSVC", "average_precision"),
    ("{use: SGDClassifier, loss: log_loss}", "log_loss"),
    ("{use: SVC, probability: true}", "log_loss"),
    ("{use: VotingClassifier, estimators: [GaussianNB], voting: soft}", "roc_auc"),
    ("{use: CalibratedClassifierCV, estimator: LinearSVC}", "log_loss"),
    ("'team.model:make'", "log_loss"),
    ("{use: Pipeline, steps: [StandardScaler, 'team.model:Net']}", "log_loss"),
]


@pytest.mark.parametrize(("model", "metric"), WITH)
def test_what_may_give_them_is_left_to_the_worker(tmp_path: Path, model: str, metric: str) -> None:
    """Scores are enough for a ranking; an estimator of the team's own is not known."""
    declared = spec(tmp_path, ENGINE, (MODEL, model), (GATE, f"test.{metric}: {{at_least: 0.5}}"))

    assert list(declared.spec.gates) == [f"test.{metric}"]


ARGUMENTS = [
    ("{use: sklearn, sample_weigt: w}", "the engine sklearn has no argument 'sample_weigt'"),
    ("{use: sklearn, sample_weight: 5}", "the name of a column is needed, not 5"),
]


@pytest.mark.parametrize(("engine", "message"), ARGUMENTS)
def test_the_engine_takes_weights_alone(tmp_path: Path, engine: str, message: str) -> None:
    """By the name of a column."""
    train = (ENGINE[0], f"train: {{engine: {engine}}}\n")

    assert message in told(tmp_path, train, (MODEL, "LogisticRegression"))


def test_values_have_no_balance(tmp_path: Path) -> None:
    """Balanced weights are those of classes."""
    text = CHURN.replace("task: binary", "task: regression").replace("test.accuracy", "test.r2")
    train = (ENGINE[0], "train: {engine: {use: sklearn, sample_weight: balanced}}\n")
    message = told(tmp_path, train, (MODEL, "Ridge"), text=text)

    assert "balanced weighs classes, and the targets are values" in message
