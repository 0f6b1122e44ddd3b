"""The tables of names are what the installed packages have."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys

import pytest
import torch
from sklearn.utils import all_estimators

from pytest_mlspec.language.names import ESTIMATORS, LOSSES, OPTIMIZERS, SCHEDULES

IMPLEMENTATION = {"foreach", "fused", "capturable", "differentiable"}
DEPRECATED = {"PassiveAggressiveClassifier", "PassiveAggressiveRegressor"}


def arguments_of(function: type) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(function).parameters)


def required_by(function: type) -> set[str]:
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {
        name
        for name, parameter in arguments_of(function).items()
        if parameter.default is inspect.Parameter.empty and parameter.kind not in kinds
    }


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_optimizers_take_torchs_arguments(name: str) -> None:
    """All but those that pick an implementation."""
    optimizer = getattr(torch.optim, OPTIMIZERS[name].torch_class)

    assert OPTIMIZERS[name].arguments == arguments_of(optimizer).keys() - IMPLEMENTATION - {"params"}
    assert required_by(optimizer) == {"params"}


def test_every_optimizer_of_torch_has_a_name_or_a_reason() -> None:
    """LBFGS needs a closure, SparseAdam sparse gradients, Muon matrices alone."""
    classes = {name for name, thing in vars(torch.optim).items() if inspect.isclass(thing)}

    named = {entry.torch_class for entry in OPTIMIZERS.values()}
    assert classes - named == {"Optimizer", "LBFGS", "SparseAdam", "Muon"}


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_losses_take_torchs_arguments(name: str) -> None:
    """All but the reduction, which is the mean."""
    loss = getattr(torch.nn, LOSSES[name].torch_class)

    assert LOSSES[name].arguments == arguments_of(loss).keys() - {"size_average", "reduce", "reduction"}
    assert required_by(loss) == set()
    assert LOSSES[name].defaults.keys() <= {"reduction"}


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_schedules_take_torchs_arguments(name: str) -> None:
    """All but functions and the lengths that are the training's own."""
    entry = SCHEDULES[name]
    schedule = getattr(torch.optim.lr_scheduler, entry.torch_class)
    theirs = arguments_of(schedule).keys() - {"optimizer", "last_epoch", "scale_fn"}
    ours = {"monitor"}

    assert entry.arguments - ours == theirs - {"total_steps", "epochs", "steps_per_epoch"}
    assert entry.length is None or entry.length in theirs
    assert required_by(schedule) - {"optimizer"} - {entry.length} == entry.required
    assert entry.defaults.keys() <= entry.arguments
    assert entry.interval in entry.intervals


def test_estimators_are_the_classifiers_and_regressors_of_scikit_learn() -> None:
    """Those that are made without a required argument and are not deprecated."""
    known = dict(all_estimators(type_filter=["classifier", "regressor"]))
    plain = {name for name, estimator in known.items() if not required_by(estimator)}

    assert ESTIMATORS.keys() == plain - DEPRECATED


@pytest.mark.parametrize("name", sorted(ESTIMATORS))
def test_an_estimator_is_made_without_an_argument(name: str) -> None:
    """From the module of the table, under its public name, without a warning."""
    estimator = getattr(importlib.import_module(ESTIMATORS[name]), name)()

    assert type(estimator).__name__ == name


def test_the_tables_import_nothing_heavy() -> None:
    """The pytest process reads them in every session that has specs."""
    code = "import sys, pytest_mlspec.language.names; print(sorted({'torch', 'sklearn', 'numpy', 'pydantic'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert found.stdout.strip() == "[]"
