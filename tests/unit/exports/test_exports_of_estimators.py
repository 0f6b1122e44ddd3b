"""Estimators and boosters written in ONNX and by skops: labels and probabilities are theirs, and a planted fault is red."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from projects import Project

from exports.exporting import Trained, exported, parity, trained, verdict
from pytest_mlspec.check import Status
from pytest_mlspec.errors import MissingExtraError, MlspecError
from pytest_mlspec.evidence import Exported
from pytest_mlspec.exports import open_export
from pytest_mlspec.exports import skops as skops_format
from pytest_mlspec.jobs import LoadExport

# Columns as they stand in the source: standardised numbers lie on the thresholds of LightGBM, where rounding decides.
CANCER = {"source": "sklearn.breast_cancer", "split": {"test": 0.3, "val": 0.2}, "prepare": "none"}
WINE = {**CANCER, "source": "sklearn.wine"}
DIABETES = {**CANCER, "source": "sklearn.diabetes"}
SMALL = {"n_estimators": 15, "early_stopping_rounds": 3}


def spec(model: Any, data: Mapping[str, Any], task: str) -> dict[str, Any]:
    return {"data": data, "model": model, "task": task, "train": {"engine": "sklearn"}}


SCALED: Mapping[str, Any] = {"use": "Pipeline", "steps": ["StandardScaler", {"use": "LogisticRegression"}]}
SOUND: list[tuple[Any, Mapping[str, Any], str]] = [
    ({"use": "xgboost.XGBClassifier", **SMALL}, CANCER, "binary"),
    ({"use": "xgboost.XGBClassifier", **SMALL}, WINE, "multiclass"),
    ({"use": "xgboost.XGBRegressor", **SMALL}, DIABETES, "regression"),
    ({"use": "lightgbm.LGBMClassifier", **SMALL}, CANCER, "binary"),
    ({"use": "lightgbm.LGBMClassifier", **SMALL}, WINE, "multiclass"),
    ({"use": "catboost.CatBoostClassifier", **SMALL}, CANCER, "binary"),
    ({"use": "catboost.CatBoostClassifier", **SMALL}, WINE, "multiclass"),
    ({"use": "catboost.CatBoostRegressor", **SMALL}, DIABETES, "regression"),
    (SCALED, WINE, "multiclass"),
    ({"use": "RandomForestClassifier", "n_estimators": 5}, CANCER, "binary"),
    ({"use": "Pipeline", "steps": ["StandardScaler", "LinearSVC"]}, WINE, "multiclass"),
    ({"use": "Pipeline", "steps": ["StandardScaler", "SVC"]}, CANCER, "binary"),
    ({"use": "GridSearchCV", "estimator": SCALED, "param_grid": {"logisticregression__C": [0.1]}}, WINE, "multiclass"),
    ("Ridge", DIABETES, "regression"),
]
NAMES = [f"{model if isinstance(model, str) else model['use']}-{task}" for model, _, task in SOUND]


@pytest.mark.parametrize("to", ["onnx", "skops"])
@pytest.mark.parametrize(("model", "data", "task"), SOUND, ids=NAMES)
def test_what_is_written_answers_as_the_estimator(
    project: Project, to: str, model: Any, data: Mapping[str, Any], task: str
) -> None:
    """On real rows, extreme ones and zeros: outputs, decisions and the metric."""
    found = parity(trained(project, spec(model, data, task)), to)
    judged = verdict(found)

    assert judged.status is Status.PASSED, judged
    assert {"1 row", "extreme rows", "measured rows"} <= found.differences.keys()
    assert found.loaded_with == "a fresh process"
    assert found.score == pytest.approx(found.reference_score, rel=1e-5)
    assert (found.opset is None) is (to == "skops")


RARE = """
import numpy as np
import pandas as pd

def splits():
    draw = np.random.default_rng(0)
    place = {"a": 0.0, "b": 2.0, "c": 4.0}

    def part(rows, labels):
        target = [labels[n % len(labels)] for n in range(rows)]
        return pd.DataFrame({"x": [place[each] + draw.normal() for each in target], "z": draw.normal(size=rows), "label": target})

    return {"train": part(90, "ac"), "test": part(30, "abc")}
"""


@pytest.mark.parametrize(
    "name", ["xgboost.XGBClassifier", "lightgbm.LGBMClassifier", "catboost.CatBoostClassifier", "LogisticRegression"]
)
def test_columns_by_name_and_a_class_that_was_never_seen_keep_their_place(project: Project, name: str) -> None:
    """The graph takes columns as the model does, and gives a probability for each prepared class."""
    project.write("rare", RARE)
    model = {"use": name} if name == "LogisticRegression" else {"use": name, "n_estimators": 5}
    made = trained(project, spec(model, {"source": "rare:splits", "target": "label", "prepare": "none"}, "multiclass"))
    job, needed = exported(made, "onnx")
    answer = open_export("onnx", needed[job].file("model.onnx"))
    inputs = {"x": np.array([0.0, 4.0]), "z": np.array([0.0, 0.0])}

    assert verdict(parity(made, "onnx")).status is Status.PASSED
    assert answer(inputs).shape == (2, 3)
    np.testing.assert_array_equal(answer(inputs)[:, 1], 0.0)
    assert answer(inputs).argmax(axis=1).tolist() == [0, 2]


PLANS = "plan,usage,churned\n" + "".join(
    f"{('basic', 'pro')[n % 2]},{n % 7},{'yes' if n % 2 else 'no'}\n" for n in range(200)
)
COLUMNS = {"source": "plans.csv", "target": "churned", "prepare": "none"}


@pytest.mark.parametrize("name", ["xgboost.XGBClassifier", "lightgbm.LGBMClassifier", "catboost.CatBoostClassifier"])
def test_skops_keeps_the_categories(project: Project, name: str) -> None:
    """ONNX has no form for them, and says so."""
    (project.root / "plans.csv").write_text(PLANS, encoding="utf-8")
    made = trained(project, spec({"use": name, "n_estimators": 5}, COLUMNS, "binary"))

    assert verdict(parity(made, "skops")).status is Status.PASSED
    with pytest.raises(MlspecError, match="the column 'plan' is a category"):
        exported(made, "onnx")


def test_texts_reach_the_encoders_of_a_pipeline(project: Project) -> None:
    """As strings, by the names of their columns."""
    (project.root / "plans.csv").write_text(PLANS, encoding="utf-8")
    columns = {
        "use": "ColumnTransformer",
        "transformers": [
            {"use": "OneHotEncoder", "columns": ["plan"]},
            {"use": "StandardScaler", "columns": ["usage"]},
        ],
    }
    made = trained(project, spec({"use": "Pipeline", "steps": [columns, "LogisticRegression"]}, COLUMNS, "binary"))

    assert verdict(parity(made, "onnx")).status is Status.PASSED


REFUSED = [
    ("HistGradientBoostingClassifier", WINE, "has no form in ONNX: skl2onnx cannot write its trees"),
    ("DummyClassifier", WINE, "DummyClassifier has no form in ONNX: MissingShapeCalculator"),
    ({"use": "RFE", "estimator": "RidgeClassifier"}, WINE, "has no form in ONNX"),
    ({"use": "xgboost.XGBRFClassifier", "n_estimators": 3}, WINE, "takes the trees of a forest of 3 classes"),
]


@pytest.mark.parametrize(("model", "data", "message"), REFUSED)
def test_what_cannot_be_written_says_so(project: Project, model: Any, data: Mapping[str, Any], message: str) -> None:
    """With what can be done instead, in place of a wrong file."""
    made = trained(project, spec(model, data, "multiclass"))
    with pytest.raises(MlspecError, match=message) as caught:
        exported(made, "onnx")

    assert caught.value.advice.startswith("export to skops, or train")


def test_an_opset_that_is_not_written_is_told(project: Project) -> None:
    """Onnxmltools writes the lowest that the operators need, and none above 15."""
    made = trained(project, spec({"use": "lightgbm.LGBMClassifier", "n_estimators": 5}, CANCER, "binary"))
    with pytest.raises(MlspecError, match="onnxmltools writes at most 15"):
        exported(made, "onnx", opset=18)
    with pytest.raises(MlspecError, match=r"cannot be written in opset 15: onnxmltools .* wrote 9"):
        exported(made, "onnx", opset=15)


def test_scikit_learn_is_written_in_the_opset_that_is_asked_for(project: Project) -> None:
    """By default in 15."""
    made = trained(project, spec(SCALED, CANCER, "binary"))

    assert [_opset(made, each) for each in (None, 18)] == [15, 18]


def _opset(made: Trained, asked: int | None) -> int | None:
    job, needed = exported(made, "onnx", opset=asked)
    evidence = needed[job].evidence
    assert isinstance(evidence, Exported)
    return evidence.opset


FAULTS = """
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.datasets import load_wine

def model():
    return make_pipeline(StandardScaler(), LogisticRegression())

class Deploy:
    def __init__(self, how):
        self.how = how

    def build_model(self):
        return model()

    def export(self, model, directory):
        import onnx
        import skl2onnx

        if self.how == "stale":
            features, targets = load_wine(return_X_y=True)
            features = StandardScaler().fit_transform(features)
            model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01)).fit(features, targets)
        if self.how == "without_scaler":
            model = model[-1]
        graph = skl2onnx.to_onnx(model, np.zeros((1, 13), np.float32), options={"zipmap": False}, target_opset=15)
        if self.how == "swapped":
            order = onnx.numpy_helper.from_array(np.array([1, 0, 2]), "order")
            graph.graph.initializer.append(order)
            graph.graph.node.append(onnx.helper.make_node("Gather", ["probabilities", "order"], ["outputs"], axis=1))
            del graph.graph.output[:]
            graph.graph.output.append(onnx.helper.make_tensor_value_info("outputs", 1, [None, 3]))
        if self.how == "labels":
            del graph.graph.output[1:]
        (directory / "model.onnx").write_bytes(graph.SerializeToString())
"""
PLANTED = [
    ("sound", Status.PASSED, ""),
    ("stale", Status.FAILED, "outputs differ by"),
    ("without_scaler", Status.FAILED, "outputs differ by"),
    ("swapped", Status.FAILED, "its columns are those of the model in another order: [1, 0, 2]"),
    ("labels", Status.FAILED, "its outputs have the shape [1], not [1, 3]"),
]


@pytest.mark.parametrize(("how", "status", "told"), PLANTED)
def test_a_fault_of_the_teams_own_export_is_red(project: Project, how: str, status: Status, told: str) -> None:
    """A stale estimator, one without its scaler, columns in another order, labels in the place of probabilities."""
    project.write("deploying", FAULTS)
    asked = {
        "data": {**WINE, "prepare": ["impute", "min_max"]},
        "task": "multiclass",
        "recipe": {"use": "deploying:Deploy", "with": {"how": how}},
        "train": {"engine": "sklearn"},
    }
    judged = verdict(parity(trained(project, asked), "onnx"))

    assert judged.status is status
    assert told in " ".join((judged.summary, *judged.facts))


def test_a_damaged_file_is_told(project: Project) -> None:
    """Not a traceback of the library that reads it."""
    made = trained(project, spec(SCALED, CANCER, "binary"))
    job, needed = exported(made, "skops")
    file = needed[job].file("model.skops")
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(MlspecError, match=r"model\.skops cannot be loaded"):
        made.project.run(LoadExport(job), made.spec, needed)


OWN = """
from sklearn.base import BaseEstimator, TransformerMixin

class Scale(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X / 2
"""


def test_a_type_of_the_teams_own_is_not_trusted(project: Project) -> None:
    """By its name, and what to do instead."""
    project.write("owning", OWN)
    made = trained(project, spec({"use": "Pipeline", "steps": ["owning:Scale", "GaussianNB"]}, WINE, "multiclass"))
    with pytest.raises(MlspecError, match=r"holds the type owning\.Scale") as caught:
        exported(made, "skops")

    assert "cannot be read without its code" in caught.value.advice


def test_a_missing_package_is_told_with_its_extra(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command that installs it."""
    made = trained(project, spec(SCALED, CANCER, "binary"))
    monkeypatch.setitem(__import__("sys").modules, "skl2onnx", None)
    with pytest.raises(MissingExtraError) as of_onnx:
        exported(made, "onnx")
    monkeypatch.setitem(__import__("sys").modules, "skops", None)
    with pytest.raises(MissingExtraError) as of_skops:
        exported(made, "skops")

    assert of_onnx.value.advice == "python -m pip install 'pytest-mlspec[onnx_estimators]'"
    assert of_skops.value.advice == "python -m pip install 'pytest-mlspec[skops]'"


def test_only_types_of_known_packages_are_trusted(tmp_path: Path) -> None:
    """What a file names from elsewhere is never run: the file is refused before it is loaded."""
    import collections

    import skops.io

    file = tmp_path / "model.skops"
    skops.io.dump({"counts": collections.Counter("ab")}, file)
    with pytest.raises(MlspecError, match=r"names the type collections\.Counter"):
        skops_format.open_file(file, threads=1)
