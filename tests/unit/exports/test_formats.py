"""Each format, written from a trained network and read back: it answers as the network does."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from projects import DIABETES, Project

from exports.exporting import NETS, SMALL, Trained, exported, parity, trained, verdict
from pytest_mlspec.check import Status
from pytest_mlspec.errors import MissingExtraError, MlspecError, NotApplicableError, RecipeError
from pytest_mlspec.evidence import Exported, Parity
from pytest_mlspec.exports import open_export
from pytest_mlspec.formats import FORMATS
from pytest_mlspec.jobs import LoadExport, Prepare

FEW = {"source": "sklearn.digits", "split": {"test": 0.9}}
OWN_FIT = """
from sklearn.linear_model import LogisticRegression

def fit(examples, *, seed):
    train = examples["train"]
    return LogisticRegression(max_iter=50, random_state=seed).fit(train.inputs, train.targets)

def predict(fitted, inputs):
    return fitted.predict_proba(inputs)
"""

OWN_EXPORT = """
def export(model, directory):
    import warnings
    import torch
    layer = torch.nn.Linear(64, 10)
    layer.load_state_dict({"weight": torch.tensor(model.coef_).float(), "bias": torch.tensor(model.intercept_).float()})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        whole = torch.nn.Sequential(layer, torch.nn.Softmax(dim=1)).eval()
        torch.jit.save(torch.jit.trace(whole, (torch.zeros(2, 64),)), str(directory / "model.ts"))
"""

EXACT = ("torch_export", "onnx", "torchscript", "safetensors")
ROUNDED = ("onnx_int8", "onnx_int8_static")
CASES = {
    "1 row",
    "2 rows",
    "3 rows",
    "64 rows",
    "129 rows",
    "a row of zeros",
    "extreme rows",
    "no row",
    "measured rows",
}


@pytest.mark.parametrize("name", EXACT)
def test_an_exact_format_answers_as_the_network(small: Trained, name: str) -> None:
    """Up to rounding, in batches of every size, for rows at the edge and for none at all, and in its metric."""
    found = parity(small, name)

    assert set(found.differences) == CASES
    assert max(each.absolute or 0.0 for each in found.differences.values()) < 1e-5
    assert (found.metric, found.rows) == ("test.accuracy", 360)
    assert found.score == found.reference_score
    assert verdict(found).status is Status.PASSED


@pytest.mark.slow
@pytest.mark.parametrize("name", ROUNDED)
def test_a_format_of_8_bits_keeps_the_metric_within_its_budget(small: Trained, name: str) -> None:
    """Its outputs differ by more than rounding in single precision, so that they are not what it is held by."""
    found = parity(small, name)

    assert (found.differences["measured rows"].absolute or 0.0) > 1e-4
    assert not found.exact
    assert verdict(found, metric_drop=0.05).status is Status.PASSED


def test_the_file_is_described(small: Trained) -> None:
    """Its size and opset can be gated, and a reader is told what wrote it."""
    job, needed = exported(small, "onnx", opset=17)
    found = needed[job].evidence

    assert isinstance(found, Exported)
    assert (found.opset, found.size) == (17, needed[job].file("model.onnx").stat().st_size)
    assert found.written_by.startswith("torch 2")


def test_the_teams_code_is_not_needed_to_load_an_export(small: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands in the file is enough: here an import of the team's module would raise."""
    job, needed = exported(small, "torch_export")
    monkeypatch.setitem(sys.modules, "small_nets", None)
    found = small.project.run(LoadExport(job), small.spec, needed).evidence

    assert isinstance(found, Parity)
    assert found.loaded_with == "a fresh process"


def test_weights_alone_are_read_into_the_teams_model(small: Trained) -> None:
    """They cannot be called without it, and whoever asks for that is told."""
    job, needed = exported(small, "safetensors")

    assert parity(small, "safetensors").loaded_with == "the team's model"
    with pytest.raises(MlspecError, match="safetensors holds weights alone"):
        open_export("safetensors", needed[job].file("model.safetensors"))


@pytest.mark.parametrize("name", ["torch_export", "torchscript"])
def test_an_export_is_opened_for_other_uses(small: Trained, name: str) -> None:
    """Arrays by name in, outputs out: what serving and timing call."""
    job, needed = exported(small, name)
    opened = open_export(name, needed[job].file(FORMATS.find(name).file), threads=1)
    inputs = needed[Prepare()].array("inputs/test/0")[:5].astype(np.float32)

    assert opened({"": inputs}).shape == (5, 10)


def test_several_inputs_keep_their_names(project: Project) -> None:
    """A forward that takes two arrays by name has them in the graph too."""
    project.write("nets", NETS)
    spec = {**SMALL, "model": "nets:Named", "recipe": "parts"}
    project.write("parts", "from nets import named\n\ndef prepare(rows, fitted):\n    return named(rows, fitted)\n")
    made = trained(project, spec)

    assert verdict(parity(made, "onnx")).status is Status.PASSED
    assert verdict(parity(made, "torchscript")).status is Status.PASSED


def test_targets_that_were_scaled_are_in_their_unit_again(project: Project) -> None:
    """The metric of a regression is that of the training, whose predictions are in the unit of the source."""
    data = {"source": "sklearn.diabetes", "prepare_target": ["log1p", "standardize"]}
    found = parity(trained(project, {**DIABETES, "data": data}), "torchscript")

    assert found.metric == "test.r2"
    assert found.score == pytest.approx(found.reference_score, abs=1e-6)
    assert verdict(found).status is Status.PASSED


def test_a_branch_on_values_is_named_with_its_line(project: Project) -> None:
    """Torch cannot capture it: what torch says in one line, where, and what to do."""
    project.write("nets", NETS)
    made = trained(project, {**SMALL, "model": "nets:Branching"})

    with pytest.raises(RecipeError) as caught:
        exported(made, "torch_export")
    assert caught.value.message.startswith("the model cannot be exported to torch_export: ")
    assert "data-dependent" in caught.value.message
    assert "\n" not in caught.value.message
    assert "if inputs.sum() > 0" in caught.value.details
    assert "torch.where" in caught.value.advice


def test_a_branch_on_values_that_was_traced_away_is_red(project: Project) -> None:
    """The trace keeps the branch of its example, and the extreme rows and zeros take the other."""
    project.write("nets", NETS)
    made = trained(project, {**SMALL, "model": "nets:Branching"})

    assert verdict(parity(made, "torchscript")).status is Status.FAILED


def test_a_fit_of_the_teams_own_is_exported_by_the_team_alone(project: Project) -> None:
    """Nothing else knows what it returned."""
    project.write("own", OWN_FIT)
    spec = {"data": FEW, "recipe": "own", "train": {"engine": "callable"}}

    with pytest.raises(NotApplicableError, match="give the recipe export"):
        exported(trained(project, spec), "onnx")


def test_what_the_teams_fit_returned_is_held_against_its_predict(project: Project) -> None:
    """Its export gives what `predict` gives: for a logistic regression, a layer and a softmax."""
    project.write("own", OWN_FIT + OWN_EXPORT)
    spec = {"data": FEW, "recipe": "own", "train": {"engine": "callable"}}
    found = parity(trained(project, spec), "torchscript")

    assert found.score == found.reference_score
    assert verdict(found).status is Status.PASSED


@pytest.mark.slow
def test_an_opset_that_torch_would_silently_replace_is_an_error(small: Trained) -> None:
    """It writes 18 where 12 was asked for."""
    with pytest.raises(RecipeError, match="cannot be written in opset 12: torch wrote 18"):
        exported(small, "onnx", opset=12)


@pytest.mark.parametrize("package", ["onnxscript", "onnxruntime"])
def test_a_missing_package_names_its_extra(small: Trained, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """With the command that installs it."""
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(MissingExtraError) as caught:
        exported(small, "onnx_int8")
    assert package in caught.value.message
    assert caught.value.advice == "python -m pip install 'pytest-mlspec[onnx]'"
