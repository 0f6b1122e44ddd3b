"""`balanced` becomes numbers, from the training rows alone; the loss, its floor and its references go by them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from projects import Project
from sklearn.utils.class_weight import compute_class_weight

from pytest_mlspec.engines.assembly import assemble
from pytest_mlspec.engines.class_weights import balanced
from pytest_mlspec.errors import DataError
from pytest_mlspec.evidence import ConstantPrediction, TrainingRun
from pytest_mlspec.jobs import ConstantLoss, Train
from pytest_mlspec.language.spec import Training
from pytest_mlspec.recipe.protocol import Examples, Prepared

TARGETS_N = np.array([0, 0, 0, 0, 0, 1, 1, 2])


def prepared(targets_N: np.ndarray[Any, Any], classes: tuple[str, ...]) -> Prepared:
    """Training rows with these targets, and a test split of another balance."""
    rows = Examples(np.zeros((len(targets_N), 1)), targets_N, np.arange(len(targets_N)))
    other = Examples(np.zeros((50, 1)), np.full(50, len(classes) - 1), np.arange(50))
    return Prepared({"train": rows, "test": other}, classes, "")


def arguments(loss: dict[str, Any], found: Prepared) -> dict[str, Any]:
    training = balanced(Training.model_validate({"loss": loss}), found)
    assert training.loss is not None
    return dict(training.loss.arguments)


@pytest.mark.parametrize("loss", ["cross_entropy", "focal", "multi_margin"])
def test_weights_are_those_of_scikit_learn(loss: str) -> None:
    """Rows / (classes · rows of the class), of the training rows; other arguments stay."""
    found = arguments({"use": loss, "weight": "balanced", "margin": 2}, prepared(TARGETS_N, ("a", "b", "c")))

    assert found["weight"] == pytest.approx(
        compute_class_weight("balanced", classes=np.arange(3), y=TARGETS_N).tolist()
    )
    assert found["margin"] == 2


def test_the_positive_class_counts_as_much_as_the_negative() -> None:
    """The ratio of the two weights."""
    found = arguments(
        {"use": "binary_cross_entropy_with_logits", "pos_weight": "balanced"},
        prepared(np.array([0, 0, 0, 1]), ("no", "yes")),
    )

    assert found == {"pos_weight": 3.0}


def test_a_class_without_training_rows_has_no_weight() -> None:
    """It would be infinite."""
    with pytest.raises(DataError, match="the class 'c' has no training row") as caught:
        arguments({"use": "cross_entropy", "weight": "balanced"}, prepared(np.array([0, 1, 1]), ("a", "b", "c")))
    assert caught.value.key == "train.loss.weight"


def test_without_the_word_nothing_changes() -> None:
    """Numbers, a loss of the task, a loss of the team's own."""
    for training in (
        Training(),
        Training.model_validate({"loss": {"use": "cross_entropy", "weight": [1, 2]}}),
        Training.model_validate({"loss": {"use": "team:loss", "weight": "balanced"}}),
    ):
        assert balanced(training, prepared(TARGETS_N, ("a", "b", "c"))) is training


IMBALANCED = """
import numpy as np

def load():
    draw = np.random.default_rng(0)
    inputs = draw.normal(size=(400, 4)).astype(np.float32)
    return inputs, (inputs[:, 0] + 0.7 * draw.normal(size=400) > 1.8).astype(int)
"""
SPEC: dict[str, Any] = {
    "task": "binary",
    "data": {"source": "rows:load", "split": {"test": 0.25, "stratify": True}},
    "model": {"use": "mlp", "hidden": [8]},
    "train": {"epochs": 30, "optimizer": {"use": "adamw", "lr": 1e-2}},
}
BALANCED = [
    {"use": "cross_entropy", "weight": "balanced"},
    {"use": "cross_entropy", "weight": "balanced", "label_smoothing": 0.1},
    {"use": "focal", "weight": "balanced"},
    {"use": "binary_cross_entropy_with_logits", "pos_weight": "balanced"},
]


def spec_of(loss: object) -> dict[str, Any]:
    return {**SPEC, "train": {**SPEC["train"], "loss": loss}}


@pytest.mark.parametrize("loss", BALANCED, ids=["cross_entropy", "smoothing", "focal", "pos_weight"])
def test_a_balanced_loss_finds_the_rare_class(project: Project, loss: dict[str, Any]) -> None:
    """Its mean prediction is no longer the share of that class; the loss falls between its references."""
    project.write("rows", IMBALANCED)
    spec = spec_of(loss)
    result = project.run(Train(), spec)
    run, shares_NC = result.evidence, result.arrays["predictions/train"]
    constant = project.run(ConstantLoss(), spec).evidence

    assert isinstance(run, TrainingRun)
    assert isinstance(constant, ConstantPrediction)
    assert shares_NC[:, 1].mean() > 2 * project.work(spec).prepared.splits["train"].targets.mean()
    assert run.loss_floor - 1e-9 <= run.losses["train"] < constant.loss < 1.2 * run.losses_before["train"]


@pytest.mark.parametrize("loss", BALANCED[2:], ids=["focal", "pos_weight"])
def test_the_best_constant_of_a_balanced_loss_is_even(project: Project, loss: dict[str, Any]) -> None:
    """Both classes weigh the same, so no constant does better than a share of one half."""
    project.write("rows", IMBALANCED)
    constant = project.run(ConstantLoss(), spec_of(loss)).evidence

    assert isinstance(constant, ConstantPrediction)
    difference = constant.outputs[-1] - (constant.outputs[0] if len(constant.outputs) == 2 else 0.0)
    assert difference == pytest.approx(0.0, abs=1e-4)


def test_the_weights_are_those_of_the_training_rows(project: Project) -> None:
    """Also where the training is restricted to one batch."""
    project.write("rows", IMBALANCED)
    assembly = assemble(project.work(spec_of(BALANCED[0])))
    targets_N = assembly.examples.targets

    expected = compute_class_weight("balanced", classes=np.arange(2), y=targets_N)
    assert assembly.declared.arguments["weight"] == pytest.approx(expected.tolist())
    assert assembly.on_batches(1, seed=0).declared.arguments == assembly.declared.arguments
