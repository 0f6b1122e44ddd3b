"""Estimators as a spec writes them: their parts at any depth, labels as numbers, and packages that are not there."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_mlspec.errors import MissingExtraError, RecipeError, UserCodeError
from pytest_mlspec.language.spec import Use
from pytest_mlspec.recipe import estimators

from .conftest import Project


def made(name: str, *, classes: tuple[str, ...] = ("no", "yes"), root: Path = Path(), **arguments: Any) -> Any:
    return estimators.build(Use(use=name, arguments=arguments), classes=classes, root=root)


LOGISTIC = {"use": "LogisticRegression", "C": 0.5}


def test_steps_are_called_as_their_classes() -> None:
    """As make_pipeline does, with a number where two are of one class."""
    pipeline = made("Pipeline", steps=["StandardScaler", {"use": "PCA", "n_components": 2}, "PCA", LOGISTIC])

    assert [name for name, _ in pipeline.steps] == ["standardscaler", "pca-1", "pca-2", "logisticregression"]
    assert pipeline.steps[-1][1].C == 0.5


def test_steps_have_the_names_that_they_are_given() -> None:
    """So that a search can name their parameters."""
    search = made(
        "GridSearchCV",
        estimator={"use": "Pipeline", "steps": {"scale": "passthrough", "learn": LOGISTIC}},
        param_grid={"learn__C": [0.1, 1.0], "scale": ["passthrough", {"use": "StandardScaler"}]},
        cv={"use": "StratifiedKFold", "n_splits": 3},
    )

    assert [name for name, _ in search.estimator.steps] == ["scale", "learn"]
    assert [type(each).__name__ for each in search.param_grid["scale"]] == ["str", "StandardScaler"]
    assert search.cv.n_splits == 3


def test_columns_have_transformers_of_their_own() -> None:
    """A string is one column, for what takes texts."""
    columns = made(
        "Pipeline",
        steps=[
            {
                "use": "ColumnTransformer",
                "transformers": [
                    {"use": "OneHotEncoder", "handle_unknown": "ignore", "columns": ["plan"]},
                    {"use": "TfidfVectorizer", "ngram_range": [1, 2], "columns": "text"},
                    {"use": "drop", "columns": ["id"]},
                ],
                "remainder": "passthrough",
            },
            "LogisticRegression",
        ],
    ).steps[0][1]

    assert [(name, columns) for name, _, columns in columns.transformers] == [
        ("onehotencoder", ["plan"]),
        ("tfidfvectorizer", "text"),
        ("drop", ["id"]),
    ]
    assert columns.transformers[1][1].ngram_range == (1, 2)


def test_kernels_are_parts_too() -> None:
    """Sums and products by their classes."""
    estimator = made(
        "GaussianProcessRegressor",
        kernel={"use": "Sum", "k1": {"use": "RBF", "length_scale": 2.0}, "k2": {"use": "WhiteKernel"}},
    )

    assert estimator.kernel.k1.length_scale == 2.0


def test_an_experimental_part_is_there() -> None:
    """What scikit-learn has to import first is imported."""
    assert made("HalvingGridSearchCV", estimator=LOGISTIC, param_grid={"C": [1.0]}).estimator.C == 0.5


LABELS = [
    ("LogisticRegression", {"class_weight": {"yes": 5, "no": 1}}, "class_weight", {1: 5, 0: 1}),
    ("LogisticRegression", {"class_weight": "balanced"}, "class_weight", "balanced"),
    ("FixedThresholdClassifier", {"estimator": LOGISTIC, "pos_label": "no"}, "pos_label", 0),
    ("lightgbm.LGBMClassifier", {"class_weight": {"yes": 2}}, "class_weight", {1: 2}),
]


@pytest.mark.parametrize(("name", "arguments", "parameter", "value"), LABELS)
def test_labels_become_class_numbers(name: str, arguments: dict[str, Any], parameter: str, value: Any) -> None:
    """An estimator sees numbers, a spec has labels."""
    assert made(name, **arguments).get_params()[parameter] == value


MISTAKES = [
    ("LogisticRegression", {"class_weight": {"maybe": 5}}, "model.class_weight", "there is no class 'maybe'"),
    ("LogisticRegression", {"c": 5}, "model.c", "LogisticRegression takes no argument 'c'"),
    ("Pipeline", {"steps": [{"use": "PCA", "components": 2}]}, "model.steps.0.components", "PCA takes no argument"),
    ("Nothing", {}, "model", "unknown estimator 'Nothing'"),
]


@pytest.mark.parametrize(("name", "arguments", "key", "message"), MISTAKES)
def test_a_mistake_is_told_with_its_key(name: str, arguments: dict[str, Any], key: str, message: str) -> None:
    """Where it stands, at any depth."""
    with pytest.raises(RecipeError, match=message) as caught:
        made(name, **arguments)

    assert caught.value.key == key


OWN = """
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.preprocessing import StandardScaler

class Scale(TransformerMixin, BaseEstimator):
    def __init__(self, by=1.0):
        self.by = by

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X / self.by

ready = StandardScaler(with_mean=False)

def broken():
    raise OSError("no such model")
"""


def test_parts_of_the_teams_own_stand_beside_others(project: Project) -> None:
    """A class with its arguments, or an object as it is."""
    project.write("team/__init__.py", "")
    project.write("team/features.py", OWN)
    steps = [{"use": "team.features:Scale", "by": 4.0}, {"use": "team.features:ready"}, LOGISTIC]
    pipeline = made("Pipeline", root=project.root, steps=steps)

    assert [name for name, _ in pipeline.steps] == ["scale", "ready", "logisticregression"]
    assert (pipeline.steps[0][1].by, pipeline.steps[1][1].with_mean) == (4.0, False)
    with pytest.raises(RecipeError, match="is an object, and takes no arguments"):
        made("Pipeline", root=project.root, steps=[{"use": "team.features:ready", "copy": True}])
    with pytest.raises(UserCodeError, match=r"team\.features:broken raised OSError: no such model"):
        made("Pipeline", root=project.root, steps=[{"use": "team.features:broken"}])
    with pytest.raises(RecipeError, match="not the project's own"):
        made("Pipeline", root=project.root, steps=[{"use": "os:system"}])


@pytest.mark.parametrize("package", ["xgboost", "lightgbm", "catboost"])
def test_a_package_that_is_missing_is_told_with_its_extra(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """The command that installs it."""
    monkeypatch.setitem(sys.modules, package, None)
    real = importlib.import_module

    def importing(name: str, *more: Any) -> Any:
        if name == package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *more)

    monkeypatch.setattr(estimators, "import_module", importing)
    name = {"xgboost": "XGBClassifier", "lightgbm": "LGBMClassifier", "catboost": "CatBoostClassifier"}[package]
    with pytest.raises(MissingExtraError) as caught:
        made(f"{package}.{name}")

    assert caught.value.advice == f"python -m pip install 'pytest-mlspec[{package}]'"


VERSIONS = [("1.7.6", False), ("2.0.3", False), ("2.1", True), ("3.2.0", True), ("3.10.0rc1", True), ("4.0.0", False)]


@pytest.mark.parametrize(("version", "is_supported"), VERSIONS)
def test_a_version_that_was_never_tried_is_told(
    monkeypatch: pytest.MonkeyPatch, version: str, *, is_supported: bool
) -> None:
    """With the range, and the command."""
    package = SimpleNamespace(__version__=version, XGBClassifier=dict)
    monkeypatch.setattr(estimators, "import_module", lambda name: package)
    if is_supported:
        assert made("xgboost.XGBClassifier") == {}
        return
    with pytest.raises(RecipeError, match=rf"xgboost {version} is installed, and 2\.1 or newer below 4 is needed"):
        made("xgboost.XGBClassifier")
