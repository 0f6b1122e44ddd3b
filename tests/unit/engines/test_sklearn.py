"""The engine sklearn: estimators and pipelines, on arrays and on raw columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from projects import CANCER, DIABETES, DIGITS, Project

from pytest_mlspec.engines.sklearn import restore
from pytest_mlspec.errors import NotApplicableError, UserCodeError
from pytest_mlspec.evidence import TrainingRun
from pytest_mlspec.jobs import Resume, Train


def spec(model: Any, data: Mapping[str, Any] = DIGITS["data"], **more: Any) -> dict[str, Any]:
    return {"data": data, "model": model, "train": {"engine": "sklearn"}, **more}


FOREST = spec({"use": "RandomForestClassifier", "n_estimators": 10})


def test_an_estimator_is_fitted_and_measured(project: Project) -> None:
    """Losses on every split are log losses, and the start is the best constant prediction."""
    result = project.run(Train(), FOREST)
    run = result.evidence

    assert isinstance(run, TrainingRun)
    assert (run.engine, run.steps, run.parameters, run.weights_digest) == ("sklearn", 1, None, "")
    assert run.losses["train"] < run.losses["test"] < run.losses_before["train"] == pytest.approx(np.log(10), abs=0.01)
    assert result.arrays["predictions/test"].shape == (1079, 10)
    assert "the loss before training is that of the best constant prediction" in run.notes
    assert run.seconds > 0


def test_an_open_random_state_is_the_seed(project: Project) -> None:
    """So equal seeds give equal fits, also from perturbed generators, and other seeds others."""
    digests = [project.train(FOREST, job).predictions_digest for job in (Train(), Train(fresh=True), Train(seed=1))]

    assert digests[0] == digests[1] != digests[2]


def test_the_restored_estimator_predicts_the_same(project: Project) -> None:
    """It is fitted again."""
    stored = project.trained(FOREST)[Train()].array("predictions/test")
    work = project.work(FOREST)

    np.testing.assert_array_equal(restore(Train(), work)(work.prepared.splits["test"].inputs), stored)


def test_an_estimator_with_a_history_has_a_step_for_each_value(project: Project) -> None:
    """The loss curve of a network, and the warning of scikit-learn as a note."""
    run = project.train(spec({"use": "MLPClassifier", "max_iter": 3}))

    assert run.steps == len(run.loss_S) == 3
    assert any(note.startswith("ConvergenceWarning: ") for note in run.notes)


def test_an_estimator_without_probabilities_gives_labels(project: Project) -> None:
    """Its loss is the share of wrong rows, and it says so."""
    result = project.run(Train(), spec("RidgeClassifier", CANCER["data"], task="binary"))
    run = result.evidence

    assert isinstance(run, TrainingRun)
    assert run.predictions == "labels"
    assert set(result.arrays["predictions/test"].ravel().tolist()) == {0.0, 1.0}
    assert run.losses["train"] < 0.1 < run.losses_before["train"]
    assert "RidgeClassifier gives labels, no probabilities: the loss is the share of wrong rows" in run.notes


def test_a_regression_predicts_values(project: Project) -> None:
    """The loss is the mean squared error, and starts at the variance."""
    result = project.run(Train(), spec("Ridge", DIABETES["data"], task="regression"))

    assert isinstance(result.evidence, TrainingRun)
    assert result.evidence.losses["train"] < result.evidence.losses_before["train"]
    assert result.arrays["predictions/test"].shape == (89,)


PIPELINE = """
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

def pipeline():
    columns = ColumnTransformer([
        ("plan", OneHotEncoder(handle_unknown="ignore"), ["plan"]),
        ("usage", StandardScaler(), ["usage"]),
    ])
    return make_pipeline(columns, LogisticRegression())
"""
PLANS = "plan,usage,churned\n" + "".join(
    f"{'basic' if n % 3 else 'pro'},{n % 7},{'yes' if n % 3 else 'no'}\n" for n in range(60)
)


def test_a_pipeline_sees_the_raw_columns_by_name(project: Project) -> None:
    """Without a prepare, categories reach the pipeline's own encoders."""
    project.write("pipelines", PIPELINE)
    (project.root / "plans.csv").write_text(PLANS, encoding="utf-8")
    data = {"source": "plans.csv", "target": "churned", "prepare": "none"}
    run = project.train(spec("pipelines:pipeline", data, task="binary"))

    assert run.losses["test"] < 0.2
    assert run.steps > 1


def test_what_fit_raises_is_the_users(project: Project) -> None:
    """With the name of the estimator."""
    with pytest.raises(UserCodeError, match=r"LogisticRegression\.fit raised InvalidParameterError"):
        project.train(spec({"use": "LogisticRegression", "C": "many"}))


@pytest.mark.parametrize("job", [Resume(), Train(batches=1), Train(steps=3)])
def test_a_part_of_a_fit_is_not_applicable(project: Project, job: Train | Resume) -> None:
    """There are no batches and no steps to stop at."""
    with pytest.raises(NotApplicableError, match="fitted as a whole"):
        project.train(FOREST, job)
