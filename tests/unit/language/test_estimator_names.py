"""The tables of estimators and boosters are what the installed packages have."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from typing import Any

import pytest
from sklearn.utils import all_estimators

from pytest_mlspec.language.boosters import BOOSTERS, EARLY_STOPPING
from pytest_mlspec.language.estimators import (
    CLASSIFIERS,
    CLUSTERERS,
    CLUSTERERS_OF_SEEN_ROWS,
    COMPOSED,
    EXPERIMENTAL,
    PARTS,
    RECONSTRUCTORS,
    REFUSED,
    REGRESSORS,
    WITHOUT_PROBABILITIES,
    WITHOUT_SCORES,
)

DEPRECATED = {"PassiveAggressiveClassifier", "PassiveAggressiveRegressor"}
EITHER = {
    "GridSearchCV",
    "HalvingGridSearchCV",
    "HalvingRandomSearchCV",
    "Pipeline",
    "RFE",
    "RFECV",
    "RandomizedSearchCV",
}
SEVERAL_TARGETS = {"MultiOutputClassifier", "MultiOutputRegressor", "RegressorChain", "ClassifierChain"}


def required_by(function: type) -> set[str]:
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.default is inspect.Parameter.empty and parameter.kind not in kinds
    }


def class_of(name: str) -> Any:
    if name in EXPERIMENTAL:
        importlib.import_module(f"sklearn.experimental.{EXPERIMENTAL[name]}")
    return getattr(importlib.import_module(PARTS[name]), name.rpartition(".")[2])


@pytest.mark.parametrize(
    ("kind", "table", "predicts"), [("classifier", CLASSIFIERS, "classes"), ("regressor", REGRESSORS, "values")]
)
def test_every_estimator_of_scikit_learn_has_a_name_or_a_reason(
    kind: str, table: dict[str, str], predicts: str
) -> None:
    """By itself, made of others, or refused with the reason."""
    known = dict(all_estimators(type_filter=kind))
    composed = {name for name, entry in COMPOSED.items() if entry.predicts == predicts}

    assert known.keys() - DEPRECATED - REFUSED.keys() == table.keys() | composed
    assert not any(required_by(known[name]) for name in table)


def test_what_is_made_of_others_stands_with_what_it_needs() -> None:
    """Those of either kind are the ones that another estimator decides."""
    assert {name for name, entry in COMPOSED.items() if entry.predicts is None} == EITHER
    assert {name: required_by(class_of(name)) for name in COMPOSED} == {
        name: set(entry.needs) for name, entry in COMPOSED.items()
    }


def test_what_is_refused_is_there() -> None:
    """Else the reason would be wrong."""
    assert REFUSED.keys() <= dict(all_estimators()).keys()
    assert REFUSED.keys() >= SEVERAL_TARGETS


@pytest.mark.parametrize("name", sorted({**CLASSIFIERS, **REGRESSORS}))
def test_an_estimator_is_made_without_an_argument(name: str) -> None:
    """From the module of the table, under its public name, without a warning."""
    assert type(class_of(name)()).__name__ == name


@pytest.mark.parametrize("name", sorted(PARTS.keys() - CLASSIFIERS.keys() - REGRESSORS.keys()))
def test_a_part_is_a_class_under_its_public_name(name: str) -> None:
    """In the module of the table."""
    assert inspect.isclass(class_of(name))


def test_clusterers_are_those_of_scikit_learn_that_can_place_a_new_row() -> None:
    """The others stand in a table of their own, for the message that says why; mixtures are clusterers by another name."""
    known = dict(all_estimators(type_filter="cluster"))
    able = {name for name, estimator in known.items() if hasattr(estimator, "predict")}

    assert CLUSTERERS.keys() == able | {"GaussianMixture", "BayesianGaussianMixture"}
    assert known.keys() - able <= CLUSTERERS_OF_SEEN_ROWS


@pytest.mark.parametrize("name", sorted({**CLUSTERERS, **RECONSTRUCTORS}))
def test_an_estimator_without_a_target_has_the_methods_of_its_task(name: str) -> None:
    """And is made without an argument."""
    method = "predict" if name in CLUSTERERS else "inverse_transform"

    assert hasattr(class_of(name)(), method)


PLAIN = sorted(CLASSIFIERS.keys() - {"CalibratedClassifierCV", "SelfTrainingClassifier"})


@pytest.mark.parametrize("name", PLAIN)
def test_the_table_tells_which_classifiers_give_no_probabilities(name: str) -> None:
    """As they are made by default."""
    estimator = class_of(name)()

    assert hasattr(estimator, "predict_proba") is (name not in WITHOUT_PROBABILITIES)


def test_an_argument_that_gives_probabilities_stands_in_the_table() -> None:
    """So that it is not refused."""
    losses = WITHOUT_PROBABILITIES["SGDClassifier"]["loss"]

    assert {loss for loss in losses if hasattr(class_of("SGDClassifier")(loss=loss), "predict_proba")} == losses
    assert hasattr(class_of("SVC")(probability=True), "predict_proba")
    assert WITHOUT_PROBABILITIES.keys() >= WITHOUT_SCORES


@pytest.mark.parametrize("name", sorted(BOOSTERS))
def test_a_booster_takes_the_arguments_of_its_table(name: str) -> None:
    """Under the names that the package has for them, `early_stopping_rounds` among them."""
    entry = BOOSTERS[name]

    assert entry.arguments <= known_arguments(entry.package, class_of(name))
    assert (EARLY_STOPPING in entry.arguments) is entry.stops_early


def known_arguments(package: str, kind: Any) -> set[str]:
    if package != "lightgbm":
        return {*inspect.signature(kind.__init__).parameters, *kind().get_params()}
    from lightgbm.basic import _ConfigAliases

    aliases: dict[str, list[str]] = _ConfigAliases._get_all_param_aliases()
    return {*kind().get_params(), *aliases, *(alias for names in aliases.values() for alias in names)}


@pytest.mark.parametrize("package", sorted({entry.package for entry in BOOSTERS.values()}))
def test_every_booster_with_a_target_has_a_name(package: str) -> None:
    """Rankers, the bases of all, and what trains on several machines are none."""
    module = importlib.import_module(package)
    classes = {name for name in dir(module) if name.endswith(("Classifier", "Regressor")) and "Dask" not in name}

    assert {entry.class_name for entry in BOOSTERS.values() if entry.package == package} == classes


def test_the_tables_import_nothing_heavy() -> None:
    """The pytest process reads them in every session that has specs."""
    heavy = "{'torch', 'sklearn', 'numpy', 'pydantic', 'xgboost', 'lightgbm', 'catboost'}"
    code = f"import sys, pytest_mlspec.language.estimators; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert found.stdout.strip() == "[]"
