"""Each planted fault turns the claims red that it breaks, and those alone; the same pipeline without it is green.

Most of these faults leave the accuracy above its bound.
"""

from __future__ import annotations

import pytest

from .running import Report

pytestmark = pytest.mark.slow

CLAIMS = {
    *(
        "data",
        "preparation",
        "inputs",
        "gradients",
        "loss",
        "reference_step",
        "loop",
        "converges",
        "schedule",
        "overfit",
    ),
    *("capacity", "independence", "evaluation", "properties", "reproducible", "resumes", "chance"),
    *("test.accuracy", "test.loss"),
}


def test_healthy(report: Report) -> None:
    """Without a fault every claim is green, so what a fault turns red is its own doing."""
    assert report.names("healthy", "passed") == CLAIMS
    assert report.red("healthy") == set()


def test_learning_rate_of_zero(report: Report) -> None:
    """Nothing moves: a step seems to be taken, and no parameter changes."""
    converges = report.specs["lr_zero"]["converges"]

    assert report.red("lr_zero") == {"gradients", "converges", "overfit", "test.accuracy", "test.loss"}
    assert converges.headline.startswith("converges FAILED: train loss still ")
    assert " after 96 steps: no parameter moved (seed 0, n=455, cpu)" in converges.headline
    assert "the learning rate was 0 in every step" in converges.text
    assert "next: is the learning rate 0," in report.specs["lr_zero"]["gradients"].text


def test_labels_shuffled(report: Report) -> None:
    """The inputs tell nothing of the labels: the loss stays where a constant prediction has it, and the message says so."""
    converges = report.specs["labels_shuffled"]["converges"]

    assert report.red("labels_shuffled") == {"converges", "test.accuracy", "test.loss"}
    assert converges.headline.startswith("converges FAILED: train loss ")
    assert "of the best constant prediction) (seed 0, n=455, cpu)" in converges.headline
    assert "the loss stays near that of the prior, the best constant prediction" in converges.text
    assert "next: are the labels shuffled against the rows" in converges.text


def test_softmax_before_cross_entropy(report: Report) -> None:
    """Two softmaxes keep the loss of two classes above 0.3133 however often one batch is seen; the accuracy does not mind."""
    overfit = report.specs["softmax_before_loss"]["overfit"]

    assert report.red("softmax_before_loss") == {"overfit", "test.loss"}
    assert overfit.headline.startswith("overfit FAILED: loss on one batch 0.31")
    assert "(5 % of its start) (seed 0, n=1000, cpu)" in overfit.headline
    assert "next: likely causes: a softmax or a ReLU before the loss" in overfit.text


def test_zero_grad_left_out(report: Report) -> None:
    """Gradients of earlier steps change a step, and are lost when a training is interrupted.

    The training swings more and more, so what else turns red is left to chance; what does not rest on it stays green.
    """
    items = report.specs["no_zero_grad"]

    assert report.red("no_zero_grad") >= {"gradients", "resumes"}
    assert report.names("no_zero_grad", "passed") >= {"data", "independence", "reproducible"}
    assert items["gradients"].headline.startswith(
        "gradients FAILED: gradients left over from before the step change it by "
    )
    assert "next: is zero_grad called before backward in every step?" in items["gradients"].text
    assert (
        "resumes FAILED: the resumed training differs from the uninterrupted one from step "
        in items["resumes"].headline
    )
    assert "(resumed at 48): loss " in items["resumes"].headline
    assert "gradients that are not cleared before a step" in items["resumes"].text


def test_unseeded_augmentation(report: Report) -> None:
    """No two trainings are equal, so none can be compared with its resumed self, nor a step with its repetition."""
    items = report.specs["unseeded_augmentation"]

    assert report.red("unseeded_augmentation") == {"gradients", "reproducible", "resumes"}
    assert items["reproducible"].headline.startswith(
        "reproducible FAILED: the one in a fresh interpreter differs from the first training from step 1: loss "
    )
    assert "draws from a generator without the seed" in items["reproducible"].text
    assert (
        "they differ before the interruption: two trainings with this seed are not equal at all"
        in items["resumes"].text
    )
    assert items["gradients"].headline.startswith(
        "gradients ERROR: two equal steps with equal random states differ by "
    )


def test_augmentation_seeded_from_a_hash(report: Report) -> None:
    """Equal within every process of one server, so only a fresh interpreter with another hash seed can tell."""
    reproducible = report.specs["seeded_from_a_hash"]["reproducible"]

    assert report.red("seeded_from_a_hash") == {"reproducible"}
    assert "the one in a fresh interpreter differs from the first training from step 1: loss " in reproducible.headline


def test_a_count_in_a_global(report: Report) -> None:
    """What a module keeps for itself lives as long as the process, so the interruption is the end of a process."""
    resumes = report.specs["counts_in_a_global"]["resumes"]

    assert report.red("counts_in_a_global") == {"resumes"}
    assert resumes.headline.startswith(
        "resumes FAILED: the resumed training differs from the uninterrupted one from step 49 (resumed at 48): loss "
    )


def test_detached_branch(report: Report) -> None:
    """Half of the model never learns: the parameters that get no gradient are named."""
    gradients = report.specs["detached_branch"]["gradients"]

    assert report.red("detached_branch") == {"gradients", "overfit"}
    assert gradients.headline == (
        "gradients FAILED: no gradient for 4 of 6 parameters: deep.0.weight, deep.0.bias, deep.2.weight, deep.2.bias"
        " (n=192, cpu)"
    )
    assert "next: a detached branch (detach, no_grad, argmax, .data, .item())" in gradients.text


def test_batch_mean_in_the_model(report: Report) -> None:
    """The prediction for a row depends on the rows that it is batched with, which no other claim looks at."""
    independence = report.specs["batch_mean"]["independence"]

    assert report.red("batch_mean") == {"independence"}
    assert independence.headline.startswith("independence FAILED: row ")
    assert " alone differs from itself in a batch of 16 by " in independence.headline
    assert "next: a mean, softmax or sort over the batch axis" in independence.text


def test_test_rows_in_the_training_split(report: Report) -> None:
    """The rows are counted, and some of them named by their numbers in the source."""
    data = report.specs["test_rows_in_training"]["data"]

    assert report.red("test_rows_in_training") == {"data"}
    assert data.headline == "data FAILED: rows shared by train and test: 20, at most 0 (n=589)"
    assert "equal rows in train/test: row " in data.text
    assert "next: split before rows are repeated or joined" in data.text


def test_nan_in_the_data(report: Report) -> None:
    """An empty cell that `prepare` does not fill is found where it stands; no claim on the row that has it is green."""
    data = report.specs["nan_in_data"]["data"]

    assert report.names("nan_in_data", "passed") == {"gradients", "overfit"}  # on batches without this row
    assert data.headline == "data FAILED: nulls of test reach the model: mean_area 1 (n=569)"
    assert "next: impute them (`prepare: standard`)" in data.text
    assert "gives nan for row " in report.specs["nan_in_data"]["test.accuracy"].headline


def test_threshold_at_what_is_reached(thresholds: Report) -> None:
    """A bound that the healthy training just meets is met."""
    assert thresholds.names("at_what_is_reached", "passed") == {"test.accuracy"}


def test_threshold_one_row_too_high(thresholds: Report, report: Report) -> None:
    """One test row more than the healthy training gets right is not reached."""
    gate = thresholds.specs["one_row_above"]["test.accuracy"]
    reached = float(report.specs["healthy"]["test.accuracy"].properties["mlspec.measured"])

    assert thresholds.red("one_row_above") == {"test.accuracy"}
    assert (
        gate.headline == f"test.accuracy FAILED: {reached:.4g}, at least {reached + 1 / 114:.4g} (seed 0, n=114, cpu)"
    )
    assert "95 % interval of the measurement: " in gate.text
    assert "most confused: " in gate.text
