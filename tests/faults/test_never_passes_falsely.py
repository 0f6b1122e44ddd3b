"""What was not measured is never green: each claim that rests on it is red, says why, and leaves the other specs alone."""

from __future__ import annotations

import pytest

from .running import Report

pytestmark = pytest.mark.slow

TRAINED = {"gradients", "converges", "overfit", "independence", "resumes", "test.accuracy", "test.loss"}
"""The claims that rest on steps of the training."""


def test_other_specs_of_the_run_pass(report: Report) -> None:
    """Dead workers, a killed one and broken data in the same run: the healthy spec is green."""
    assert report.red("healthy") == set()


def test_loss_that_becomes_nan(report: Report) -> None:
    """The training ends at the step, which the message names; what it would have been compared with is not looked at."""
    items = report.specs["nan_loss"]

    assert report.red("nan_loss") == TRAINED
    assert items["converges"].headline.startswith("converges ERROR: loss is nan at step 3 (epoch 1)")
    assert "; rows " in items["converges"].headline
    assert "failed: loss is nan at step 3 (epoch 1)" in items["test.loss"].headline
    assert items["gradients"].headline.startswith("gradients FAILED: gradient not finite for 6 of 6 parameters: ")


def test_loss_of_the_wrong_sign(report: Report) -> None:
    """A negated loss falls as far as one likes, below any bound: that it cannot be so low is the message."""
    items = report.specs["negated_loss"]

    assert report.red("negated_loss") == {"converges", "overfit", "test.accuracy", "test.loss"}
    assert "has no lowest value: it falls without end" in items["converges"].headline
    assert "next: has the loss the wrong sign" in items["converges"].text
    assert ", below 0, the lowest that it can be" in items["overfit"].headline
    assert ", below 0, the lowest that it can be" in items["test.loss"].headline
    assert "next: has the loss the wrong sign?" in items["test.loss"].text


def test_infinity_in_a_feature(report: Report) -> None:
    """The column is named; no claim on the row that has it is green."""
    items = report.specs["infinity_in_data"]

    assert report.names("infinity_in_data", "passed") == {"gradients", "overfit"}  # on batches without this row
    assert items["data"].headline == "data FAILED: infinite values in test: mean_area 1 (n=569)"
    assert "next: repair them in load" in items["data"].text


def test_split_without_rows(report: Report) -> None:
    """A split of the team's own that keeps no row for validation leaves nothing to claim."""
    items = report.specs["no_validation_row"]

    assert report.red("no_validation_row") == {"data", *TRAINED}
    assert items["data"].headline == "data ERROR: recipe.split: 0 rows in split val"
    assert items["converges"].headline == (
        "converges ERROR: not run, because recipe.split: 0 rows in split val; told in full with data"
    )


def test_metric_of_one_class(report: Report) -> None:
    """The area under a curve needs rows of both classes; a metric that does not is measured."""
    items = report.specs["one_class_in_test"]
    undefined = "ERROR: roc_auc is not defined: all 50 rows have the class 'malignant' (seed 0, cpu)"

    assert report.red("one_class_in_test") == {"test.roc_auc", "test.roc_auc[class=malignant]"}
    assert items["test.roc_auc"].headline == f"test.roc_auc {undefined}"
    assert items["test.roc_auc[class=malignant]"].headline == f"test.roc_auc[class=malignant] {undefined}"
    assert report.names("one_class_in_test", "passed") == {"data", "test.log_loss"}


def test_selectors_that_select_nothing(report: Report) -> None:
    """A column, a value or a class that is not there: bounds of 0, which any number would meet, are not met."""
    items = report.specs["selectors"]

    assert report.names("selectors", "passed") == {"data", "test.recall[clinic=north]"}
    assert "ERROR: the rows have no column 'klinik'" in items["test.recall[klinik=north]"].headline
    assert "next: did you mean 'clinic'?" in items["test.recall[klinik=north]"].text
    assert "ERROR: 0 rows of split test have clinic=east" in items["test.recall[clinic=east]"].headline
    assert "next: values: north, south" in items["test.recall[clinic=east]"].text
    assert "ERROR: there is no class 'Malignant'" in items["test.recall[class=Malignant]"].headline
    assert "next: did you mean 'malignant'?" in items["test.recall[class=Malignant]"].text


def test_unknown_positive_class(report: Report) -> None:
    """Without the class that a binary metric counts there is no such metric, and the message leads to its key."""
    item = report.specs["unknown_positive"]["test.accuracy"]

    assert report.red("unknown_positive") == {"test.accuracy", "test.loss"}
    assert item.headline == "test.accuracy ERROR: task.positive: there is no class 'yes'"
    assert item.text.startswith("specs/unknown_positive.mlspec.yaml:7:")
    assert "next: known: benign, malignant" in item.text


def test_process_that_exits_at_once(report: Report) -> None:
    """`os._exit(0)` looks like success from outside; what did not need the training is still judged."""
    items = report.specs["leaves_at_once"]

    assert report.red("leaves_at_once") >= {"loss", "loop", "reproducible", "serving", "chance", *TRAINED}
    assert report.names("leaves_at_once", "passed") == {"data", "preparation", "inputs"}
    assert items["gradients"].headline.startswith("gradients ERROR: the worker ended without a result (exit code 0)")
    assert items["independence"].headline.startswith(
        "independence ERROR: not run, because train (seed 0) failed: the worker ended without a result"
    )


def test_process_that_exits_politely(report: Report) -> None:
    """`sys.exit(0)` is no result either; the line that called it is named."""
    items = report.specs["leaves_politely"]

    assert report.red("leaves_politely") == {"gradients", "converges", "test.accuracy", "test.loss"}
    assert items["gradients"].headline == (
        "gradients ERROR: the worker ended without a result (exit code 0): sys.exit at team/unmeasured.py:72"
    )
    assert items["gradients"].text.count("SystemExit: 0") == 1
    assert items["converges"].text.endswith("sys.exit at team/unmeasured.py:72; told in full with gradients")


def test_process_that_crashes(report: Report) -> None:
    """A segmentation fault is named, and the stack leads to the team's line."""
    items = report.specs["crashes"]

    assert report.red("crashes") == {"gradients", "converges", "test.accuracy", "test.loss"}
    assert items["gradients"].headline == "gradients ERROR: the worker crashed: segmentation fault (signal 11)"
    assert items["gradients"].text.count("Fatal Python error: Segmentation fault") == 1
    assert "unmeasured.py" in items["gradients"].text


def test_training_that_does_not_end(report: Report) -> None:
    """It is killed from outside at its limit, though it never lets go of the interpreter's lock."""
    items = report.specs["never_ends"]

    assert report.red("never_ends") == {"converges", "test.accuracy", "test.loss"}
    assert items["converges"].headline.endswith("the worker was killed: over its time limit of 4 s")
    assert "next: raise limits.time, or train for less" in items["converges"].text
