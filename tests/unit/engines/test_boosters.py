"""Gradient boosters: stopped by the validation rows, equal from run to run, with a history, categories and any labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from projects import CANCER, DIABETES, Project

from pytest_mlspec.engines import boosters
from pytest_mlspec.engines.boosters import FitRows, Rounds, as_losses
from pytest_mlspec.engines.sklearn import restore
from pytest_mlspec.errors import DataError, RecipeError
from pytest_mlspec.evidence import TrainingRun
from pytest_mlspec.jobs import MetricRequest, Scores, Train

CLASSIFIERS = ("xgboost.XGBClassifier", "lightgbm.LGBMClassifier", "catboost.CatBoostClassifier")
REGRESSORS = ("xgboost.XGBRegressor", "lightgbm.LGBMRegressor", "catboost.CatBoostRegressor")
WITH_VAL: Mapping[str, Any] = {**CANCER["data"], "split": {"val": 0.2}}


def spec(name: str, data: Mapping[str, Any] = WITH_VAL, *, task: str = "binary", **arguments: Any) -> dict[str, Any]:
    model = {"use": name, "n_estimators": 30, "learning_rate": 0.3, **arguments}
    return {"data": data, "model": model, "task": task, "train": {"engine": "sklearn"}}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_the_validation_rows_stop_the_training(project: Project, name: str) -> None:
    """The best of their losses is what is kept: it is the loss of the stored predictions, and no other row had a say."""
    run = project.train(spec(name, n_estimators=200, early_stopping_rounds=5))
    losses = [epoch["val.loss"] for epoch in run.epochs_log]

    assert run.steps == run.epochs == len(losses) == len(run.loss_S) < run.planned_steps == 200
    assert run.best_epoch == 1 + int(np.argmin(losses)) == run.steps - 5
    assert run.losses["val"] == pytest.approx(min(losses), abs=1e-6)
    assert run.stopped.startswith("stopped early: ")
    assert min(epoch["train.loss"] for epoch in run.epochs_log) == run.epochs_log[-1]["train.loss"]


@pytest.mark.parametrize("package", ["xgboost", "lightgbm", "catboost"])
def test_a_stop_by_the_training_rows_would_be_seen(
    project: Project, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    """The planted fault: with them in the place of validation rows the training goes on, and val.loss is that of others."""
    name = next(name for name in CLASSIFIERS if name.startswith(package))
    sound = project.train(spec(name, n_estimators=60, early_stopping_rounds=5))
    booster: Any = __import__(f"pytest_mlspec.engines.boosters.{package}", fromlist=["fit"])
    fit = booster.fit
    monkeypatch.setattr(
        booster, "fit", lambda estimator, train, val: fit(estimator, train, FitRows(train.features, train.targets))
    )
    faulty = project.train(spec(name, n_estimators=60, early_stopping_rounds=5))

    assert faulty.steps > sound.steps
    assert faulty.losses["val"] != pytest.approx(min(epoch["val.loss"] for epoch in faulty.epochs_log), abs=1e-3)


@pytest.mark.parametrize("name", [*CLASSIFIERS, *REGRESSORS])
def test_equal_seeds_give_equal_fits(project: Project, name: str) -> None:
    """To the last bit, from perturbed generators too, where rows and columns are drawn; another seed gives another fit."""
    is_values = name in REGRESSORS
    drawn: dict[str, Any] = {"subsample": 0.7}
    drawn |= {"subsample_freq": 1} if name.startswith("lightgbm") else {}
    drawn |= {"bootstrap_type": "Bernoulli"} if name.startswith("catboost") else {}
    data = DIABETES["data"] if is_values else CANCER["data"]
    asked = spec(name, data, task="regression" if is_values else "binary", **drawn)
    first, fresh, other = [
        project.train(asked, job).predictions_digest for job in (Train(), Train(fresh=True), Train(seed=1))
    ]

    assert first == fresh != other


def test_a_seed_that_is_given_stays(project: Project) -> None:
    """`random_state` and CatBoost's `random_seed` are the user's."""
    asked = spec("catboost.CatBoostClassifier", random_seed=3, bootstrap_type="Bernoulli", subsample=0.5)
    digests = {project.train(asked, Train(seed=seed)).predictions_digest for seed in (0, 1)}

    assert len(digests) == 1


IGNORES = """
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from xgboost import XGBClassifier

class Ignores(ClassifierMixin, BaseEstimator):
    def __init__(self, random_state=None):
        self.random_state = random_state

    def fit(self, X, y):
        self.model_ = XGBClassifier(n_estimators=5, subsample=0.5, random_state=np.random.default_rng().integers(1 << 30))
        self.model_.fit(X, y)
        self.classes_ = self.model_.classes_
        return self

    def predict(self, X):
        return self.model_.predict(X)

    def predict_proba(self, X):
        return self.model_.predict_proba(X)
"""


def test_an_estimator_that_ignores_its_seed_gives_another_digest(project: Project) -> None:
    """The planted fault: `reproducible` compares these."""
    project.write("ignoring", IGNORES)
    asked = {**spec("-"), "model": "ignoring:Ignores"}
    first, again = [project.train(asked, job).predictions_digest for job in (Train(), Train(fresh=True))]

    assert first != again


@pytest.mark.parametrize("name", REGRESSORS)
def test_the_history_of_values_is_the_mean_squared_error(project: Project, name: str) -> None:
    """A root mean squared error is squared; its last value is the loss of the stored predictions."""
    run = project.train(spec(name, DIABETES["data"], task="regression"))

    assert run.loss_S.values[-1] == pytest.approx(run.losses["train"], rel=1e-4)
    assert run.best_epoch is None
    assert any(note.startswith("the history is ") for note in run.notes)


METRICS = [
    ("logloss", [0.5, 0.25], "the history is logloss after each round"),
    ("rmse", [0.25, 0.0625], "the history is rmse squared after each round"),
    ("mae", [0.5, 0.25], "the history is mae after each round"),
    ("Quantile:alpha=0.7", [0.5, 0.25], "the history is Quantile:alpha=0.7 after each round"),
    ("error@0.7", [0.5, 0.25], "the history is error@0.7 after each round"),
    ("auc", [], "auc after each round is no loss: there is no history"),
]


@pytest.mark.parametrize(("metric", "losses", "note"), METRICS)
def test_what_is_no_loss_is_no_history(metric: str, losses: list[float], note: str) -> None:
    """Only a loss of the engine's own kind is called val.loss."""
    values = np.array([0.5, 0.25])
    loss_S, log, told = as_losses(Rounds(metric, values, values, planned=2))

    assert loss_S.tolist() == losses
    assert told == note
    assert bool(log) is (metric in ("logloss", "rmse"))


PLANS = "plan,usage,churned\n" + "".join(
    f"{('basic', 'pro', '')[n % 3]},{'' if n % 5 == 0 else n % 7},{'no' if n % 3 == 1 else 'yes'}\n" for n in range(300)
)
COLUMNS = {"source": "plans.csv", "target": "churned", "prepare": "none", "split": {"val": 0.2}}


@pytest.mark.parametrize("name", [*CLASSIFIERS, "HistGradientBoostingClassifier"])
def test_text_and_missing_values_need_no_preparation(project: Project, name: str) -> None:
    """Categories are those of the training rows; an unknown one is missing, and a row alone is read as among others."""
    (project.root / "plans.csv").write_text(PLANS, encoding="utf-8")
    asked = {**spec(name, COLUMNS), "model": {"use": name}}
    run = project.train(asked)
    work = project.work(asked)
    predictor = restore(Train(), work)
    inputs = {"plan": np.array(["pro", "new", np.nan], dtype=object), "usage": np.array([1.0, np.nan, 3.0])}
    together = predictor(inputs)
    alone = np.concatenate(
        [predictor({key: values[row : row + 1] for key, values in inputs.items()}) for row in range(3)]
    )

    assert run.losses["test"] < 0.2
    np.testing.assert_array_equal(together, alone)


def test_numbers_can_be_categories_for_catboost(project: Project) -> None:
    """It is told which by `cat_features`; a column that there is not is told."""
    (project.root / "plans.csv").write_text(PLANS, encoding="utf-8")
    run = project.train(spec("catboost.CatBoostClassifier", COLUMNS, cat_features=["usage"]))

    assert run.losses["test"] < 0.2
    with pytest.raises(DataError, match="the features have no column 'age'"):
        project.train(spec("catboost.CatBoostClassifier", COLUMNS, cat_features=["age"]))


def test_an_estimator_of_numbers_is_not_given_text(project: Project) -> None:
    """It says which column."""
    (project.root / "plans.csv").write_text(PLANS, encoding="utf-8")
    with pytest.raises(RecipeError, match="LogisticRegression takes numbers, and the column 'plan' holds text"):
        project.train({**spec("-", COLUMNS), "model": "LogisticRegression"})


RARE = """
import numpy as np
import pandas as pd

def splits():
    draw = np.random.default_rng(0)

    def part(rows, labels):
        target = np.array([labels[n % len(labels)] for n in range(rows)])
        place = {"a": 0.0, "b": 2.0, "c": 4.0}
        near = [place[each] + 0.1 * draw.normal() for each in target]
        return pd.DataFrame({"x": near, "y": draw.normal(size=rows), "label": target})

    return {"train": part(90, "ac"), "val": part(30, "abc"), "test": part(30, "abc")}
"""


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_class_without_a_training_row_keeps_its_column(project: Project, name: str) -> None:
    """Labels are any; the probability of a class that was never seen is 0, and the others stay in their order."""
    project.write("rare", RARE)
    asked = spec(name, {"source": "rare:splits", "target": "label"}, task="multiclass", early_stopping_rounds=3)
    result = project.run(Train(), asked)
    predicted = result.arrays["predictions/test"]
    targets = project.work(asked).prepared.splits["test"].targets

    assert predicted.shape == (30, 3)
    assert (predicted[:, 1] == 0).all()
    np.testing.assert_array_equal(predicted.argmax(axis=1)[targets != 1], targets[targets != 1])


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_nothing_is_written_beside_the_spec(
    project: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    """No `catboost_info`, and nothing on the terminal."""
    folder = project.root / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    project.train(spec(name, early_stopping_rounds=3))

    assert list(folder.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_validation_rows_alone_change_nothing(project: Project) -> None:
    """Without an early stop CatBoost keeps every round, though it would keep the best by itself."""
    run = project.train(spec("catboost.CatBoostClassifier", n_estimators=60))

    assert (run.steps, run.best_epoch, run.stopped) == (60, None, "fitted")
    assert run.losses["val"] == pytest.approx(run.epochs_log[-1]["val.loss"], abs=1e-6)


def test_a_booster_inside_a_pipeline_is_seeded_and_silent(project: Project, capfd: pytest.CaptureFixture[str]) -> None:
    """At any depth."""
    step = {"use": "lightgbm.LGBMClassifier", "n_estimators": 5, "subsample": 0.5, "subsample_freq": 1}
    asked = {**spec("-"), "model": {"use": "Pipeline", "steps": ["StandardScaler", step]}}
    digests = [project.train(asked, job).predictions_digest for job in (Train(), Train(fresh=True), Train(seed=1))]

    assert digests[0] == digests[1] != digests[2]
    assert capfd.readouterr() == ("", "")


def test_a_subclass_of_the_teams_own_is_fitted_as_it_is() -> None:
    """Its fit may take other arguments."""
    from xgboost import XGBClassifier

    class Own(XGBClassifier):
        pass

    assert boosters.booster_of(Own()) is None
    assert boosters.booster_of(XGBClassifier()) is not None


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_leaking_column_shows_in_the_score(project: Project, name: str) -> None:
    """The planted fault: a copy of the target among the features gives a score that no honest model has."""
    table = "noise,copy,churned\n" + "".join(
        f"{(n * 37) % 101},{n % 2},{'yes' if n % 2 else 'no'}\n" for n in range(200)
    )
    (project.root / "leak.csv").write_text(table, encoding="utf-8")
    asked = spec(name, {"source": "leak.csv", "target": "churned"})
    honest = spec(name, {"source": "leak.csv", "target": "churned", "drop": ["copy"]})
    request = MetricRequest("accuracy", "test")
    found = {
        key: project.run(Scores((request,)), each, project.trained(each)).evidence
        for key, each in (("leaking", asked), ("honest", honest))
    }
    scores = {key: float(each.scores[request.key].value or 0) for key, each in found.items()}  # type: ignore[union-attr]

    assert scores["leaking"] == 1.0 > scores["honest"]


def test_the_device_is_told(project: Project) -> None:
    """As the booster was told it."""
    run = project.run(Train(), spec("xgboost.XGBClassifier", device="cpu")).evidence

    assert isinstance(run, TrainingRun)
    assert (run.device, run.engine) == ("cpu", "sklearn")
