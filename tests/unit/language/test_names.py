"""The tables of names are what the installed packages have."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys

import pytest
import sklearn.feature_extraction.text
import sklearn.feature_selection
import sklearn.impute
import sklearn.preprocessing
import torch
from sklearn.utils import all_estimators

from pytest_mlspec.language.names import (
    LOSSES,
    OPTIMIZERS,
    PREPARATIONS,
    SCHEDULES,
    SCORE_FUNCTIONS,
    TRANSFORMERS,
)
from pytest_mlspec.training.focal import FocalLoss

IMPLEMENTATION = {"foreach", "fused", "capturable", "differentiable"}


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


@pytest.mark.parametrize("name", sorted(LOSSES.keys() - {"focal"}))
def test_losses_take_torchs_arguments(name: str) -> None:
    """All but the reduction, which is the mean."""
    loss = getattr(torch.nn, LOSSES[name].torch_class)

    assert LOSSES[name].arguments == arguments_of(loss).keys() - {"size_average", "reduce", "reduction"}
    assert required_by(loss) == set()
    assert LOSSES[name].defaults.keys() <= {"reduction"}


def test_the_focal_loss_is_ours() -> None:
    """Torch has none."""
    assert LOSSES["focal"].arguments == arguments_of(FocalLoss).keys()
    assert not hasattr(torch.nn, LOSSES["focal"].torch_class)


def test_every_loss_of_torch_has_a_name_or_a_reason() -> None:
    """These take more than outputs and targets: pairs, triples, lengths, variances or weights of a layer."""
    classes = {name for name in vars(torch.nn) if name.endswith("Loss")}

    named = {entry.torch_class for entry in LOSSES.values()}
    assert classes - named == {
        *("AdaptiveLogSoftmaxWithLoss", "CTCLoss", "CosineEmbeddingLoss", "GaussianNLLLoss", "LinearCrossEntropyLoss"),
        *("MarginRankingLoss", "TripletMarginLoss", "TripletMarginWithDistanceLoss"),
    }


def test_every_schedule_of_torch_has_a_name_or_a_reason() -> None:
    """These are made of functions, or of other schedulers."""
    schedulers = torch.optim.lr_scheduler
    classes = {
        name
        for name, thing in vars(schedulers).items()
        if inspect.isclass(thing) and issubclass(thing, schedulers.LRScheduler) and not name.startswith("_")
    }

    named = {entry.torch_class for entry in SCHEDULES.values()}
    assert classes - named == {"LRScheduler", "LambdaLR", "MultiplicativeLR", "ChainedScheduler", "SequentialLR"}


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


OWN_NAMES = {"CountVectorizer", "OneHotEncoder", "OrdinalEncoder", "TfidfTransformer", "TfidfVectorizer"}
NO_COLUMNS_OF_NUMBERS = {
    *(
        "DictVectorizer",
        "FeatureHasher",
        "HashingVectorizer",
        "FunctionTransformer",
        "PatchExtractor",
        "KernelCenterer",
    ),
    *("LabelBinarizer", "LabelEncoder", "MultiLabelBinarizer", "IsotonicRegression", "TSNE"),
}
LOOKS_AT_OTHER_ROWS = {"KNeighborsTransformer", "MiniBatchNMF", "NMF", "RadiusNeighborsTransformer", "TargetEncoder"}


def test_transformers_are_those_of_scikit_learn_that_prepare_numbers() -> None:
    """Without a required argument, and the same for a row alone: NMF solves all rows at once, TargetEncoder fits on others."""
    known = dict(all_estimators(type_filter="transformer"))
    known.pop("IterativeImputer", None)  # experimental: listed only where something has enabled it
    plain = {name for name, transformer in known.items() if not required_by(transformer)}

    assert plain - OWN_NAMES - NO_COLUMNS_OF_NUMBERS - LOOKS_AT_OTHER_ROWS == TRANSFORMERS.keys()


@pytest.mark.parametrize("name", sorted(TRANSFORMERS))
def test_a_transformer_is_made_without_an_argument(name: str) -> None:
    """From the module of the table, under its public name."""
    transformer = getattr(importlib.import_module(TRANSFORMERS[name]), name)()

    assert type(transformer).__name__ == name
    assert callable(transformer.transform)


OF_SCIKIT_LEARN = {name: entry for name, entry in PREPARATIONS.items() if entry.sklearn_class}


@pytest.mark.parametrize("name", sorted(OF_SCIKIT_LEARN))
def test_steps_take_scikit_learns_arguments(name: str) -> None:
    """Under its names."""
    entry = PREPARATIONS[name]
    classes = {**vars(sklearn.preprocessing), **vars(sklearn.impute), **vars(sklearn.feature_extraction.text)}

    assert entry.arguments <= arguments_of(classes[entry.sklearn_class]).keys()


def test_score_functions_are_scikit_learns() -> None:
    """Each takes features and targets."""
    found = {name for name in SCORE_FUNCTIONS if callable(getattr(sklearn.feature_selection, name))}

    assert found == SCORE_FUNCTIONS


def test_the_tables_import_nothing_heavy() -> None:
    """The pytest process reads them in every session that has specs."""
    code = "import sys, pytest_mlspec.language.names; print(sorted({'torch', 'sklearn', 'numpy', 'pydantic'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert found.stdout.strip() == "[]"
