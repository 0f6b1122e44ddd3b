"""Checks and gates that cannot be asked, or cannot fail: each told with its place and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from churn_spec import remedy, spec, told

from pytest_mlspec import quantities
from pytest_mlspec.errors import MlspecError
from pytest_mlspec.language.rules import bound_values
from pytest_mlspec.language.spec import Bound

CHECKS = "[standard]"
GATE = "test.accuracy: {at_least: 0.9}"
BOUND = "at_least: 0.9"

MISTAKES = [
    (CHECKS, "standrd", "12:1  checks: unknown check 'standrd'", "did you mean 'standard'?"),
    (CHECKS, "[data, overfitt]", "12:16  checks[1]: unknown check 'overfitt'", "did you mean 'overfit'?"),
    (CHECKS, "[data, data]", "12:16  checks[1]: 'data' is listed twice", "keep one of them"),
    (CHECKS, "{standard: {steps: 1}}", "12:1  checks: standard takes no parameters", "it stands for: data, baseline,"),
    (CHECKS, "{overfit: {stepz: 1}}", "12:20  checks.overfit.stepz: overfit has no parameter 'stepz'", "'steps'?"),
    (CHECKS, "[overfit: {steps: 0}]", "12:20  checks[0].overfit.steps: at least 1 is needed, not 0", ""),
    (CHECKS, "[overfit: {steps: ten}]", "checks[0].overfit.steps: a whole number is needed, not 'ten'", ""),
    (
        GATE,
        "test.acuracy: {at_least: 1}",
        "14:3  gates.test.acuracy: unknown metric 'acuracy'",
        "did you mean 'accuracy'?",
    ),
    (GATE, "tset.accuracy: {at_least: 1}", "unknown quantity 'tset.accuracy'", "did you mean 'test.accuracy'?"),
    (
        GATE,
        "accuracy: {at_least: 1}",
        "'accuracy' is no name of a quantity",
        "write SPLIT.METRIC, such as test.accuracy",
    ),
    (GATE, "' test.accuracy': {at_least: 1}", "' test.accuracy' is no name of a quantity", "write SPLIT.METRIC"),
    (GATE, "test.r2: {at_least: 0}", "r2 is not defined for the task binary", "known: accuracy, average_precision"),
    (GATE, "cv.accuracy: {at_least: 0.9}", "there are no folds", "write how many under data.split.folds, such as 5"),
    ("split: {", "split: {folds: 5, ", "no gate looks at the folds", "write one such as cv.accuracy: {at_least: 0.9}"),
    (GATE, "gap.loss: {at_most: 1}", "gap.loss is not defined", "gap goes with metrics, such as gap.accuracy"),
    (GATE, "'test.accuracy[class=a]': {at_least: 1}", "accuracy is not defined for one class", "[class=…] goes with: "),
    (GATE, "'test.recall[class=a, class=b]': {at_least: 1}", "selects by 'class' twice", "keep one of them"),
    (
        GATE,
        "'test.recall[yes]': {at_least: 1}",
        "cannot read the selector 'yes'",
        "write [column=value] or [class=label]",
    ),
    (GATE, "'train.seconds[class=a]': {at_most: 1s}", "train.seconds takes no selector in brackets", ""),
    (BOUND, "at_least: 0.9, at_most: 1", "a gate has one bound, not at_least and at_most", "write within: [LOW, HIGH]"),
    (
        BOUND,
        "at_least: 0.9, better_than: dummy",
        "one bound, not at_least and better_than",
        "write one of: at_least, at_most,",
    ),
    (BOUND, "", "a gate has one bound, not none", "write one of: at_least, at_most, within, better_than"),
    (BOUND, "at_least: null", "a gate has one bound, not none", "write one of: at_least, at_most, within, better_than"),
    (
        BOUND,
        "at_least: 0.9, by: 0.1",
        "`by` goes with better_than and no_worse_than alone",
        "remove it, or write better_than: dummy",
    ),
    (BOUND, "within: [0.9, 0.1]", "the lower end 0.9 is above the upper one 0.1", "write within: [LOW, HIGH]"),
    (
        BOUND,
        "at_least: 90%",
        "14:19  gates.test.accuracy.at_least: a number is needed, not '90%'",
        "test.accuracy has no unit",
    ),
    (BOUND, "at_least: 95", "no training can reach this: test.accuracy lies between 0 and 1", "percentages: 0.95"),
    (BOUND, "at_most: 95", "this cannot fail: test.accuracy lies between 0 and 1", "not percentages: 0.95"),
    (BOUND, "at_least: -1", "this cannot fail: test.accuracy lies between 0 and 1", ""),
    (BOUND, "at_most: -0.1", "no training can reach this: test.accuracy lies between 0 and 1", ""),
    (BOUND, "within: [-1, 2]", "this cannot fail: test.accuracy lies between 0 and 1", ""),
    (
        BOUND,
        "better_than: dummy, by: 10",
        "no model can be better by 10: test.accuracy lies between 0 and 1",
        "percentages: 0.1",
    ),
    (GATE, "gap.accuracy: {at_most: 5}", "this cannot fail: gap.accuracy lies between -1 and 1", "percentages: 0.05"),
    (GATE, "test.log_loss: {at_least: -1}", "this cannot fail: test.log_loss is never below 0", ""),
    (GATE, "test.loss: {better_than: dummy}", "test.loss has no value for a constant baseline", "such as test.r2"),
    (
        GATE,
        "gap.accuracy: {better_than: dummy}",
        "gap.accuracy has no value for a constant baseline",
        "such as test.r2",
    ),
    (
        GATE,
        "train.seconds: {better_than: dummy}",
        "train.seconds has no value for a constant baseline",
        "such as test.r2",
    ),
    (GATE, "train.seconds: {at_most: 30 parsecs}", "'30 parsecs' is not a duration", "(ms, s, min, h), such as 90s"),
    (GATE, "train.seconds: {at_most: 1e400s}", "'1e400s' is too large", "such as 90s"),
    (GATE, "model.parameters: {at_most: 50k}", "a number is needed, not '50k'", "model.parameters has no unit"),
]


@pytest.mark.parametrize(("old", "new", "message", "advice"), MISTAKES)
def test_a_mistake_is_told_with_its_remedy(tmp_path: Path, old: str, new: str, message: str, advice: str) -> None:
    """One mistake gives one message, and the advice below it."""
    found, remedied = remedy(tmp_path, (old, new))

    assert message in found
    assert advice in remedied


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (GATE, "test.accuracy: {within: [0, 1]}"),
        (GATE, "test.accuracy: {at_most: 1}"),
        (GATE, "gap.accuracy: {at_most: 1}"),
        (GATE, "test.log_loss: {at_most: 100}"),
        (GATE, "test.loss: {at_least: -5}"),
        (GATE, "'test.recall[plan=basic, class=yes]': {at_least: 0.5}"),
        (GATE, "train.seconds: {at_most: 30}"),
        (GATE, "train.seconds: {within: [1s, 2min]}"),
        (GATE, "test.roc_auc: {better_than: dummy}"),
        (GATE, "val.f1_macro: {better_than: dummy, by: 0.1}"),
    ],
)
def test_a_claim_that_can_fail_is_accepted(tmp_path: Path, old: str, new: str) -> None:
    """A rule refuses what is impossible, and nothing else."""
    assert spec(tmp_path, (old, new)).spec.name == "churn"


def test_a_trained_model_has_no_folds(tmp_path: Path) -> None:
    """Each fold would be told of a model that may have learned from its rows."""
    message = told(
        tmp_path,
        ("model: {use: mlp, hidden: [8]}", "model: {use: 'team:Net'}"),
        ("train:\n  optimizer: {use: adamw, lr: 3e-3}\n  epochs: 10", "train: {engine: trained}"),
        ("split: {test: 0.2, val: 0.1}", "split: {test: 0.2, folds: 5}"),
        (GATE, "cv.accuracy: {at_least: 0.9}"),
    )

    assert message.endswith("no fold trains\n    gate a metric such as test.accuracy")


def test_several_seeds_are_for_a_gate(tmp_path: Path) -> None:
    """Checks and folds train with one seed, so that the others would be left out in silence."""
    message = told(
        tmp_path,
        ("  epochs: 10", "  epochs: 10\n  seeds: 3"),
        ("split: {", "split: {folds: 5, "),
        (GATE, "cv.accuracy: {at_least: 0.9}"),
    )

    assert "train.seeds: no gate looks at the seeds" in message


def test_a_metric_of_one_class_needs_a_class_where_there_are_several(tmp_path: Path) -> None:
    """Its averages are named, and how to ask for one class."""
    message = told(tmp_path, ("task: binary", "task: multiclass"), (GATE, "test.f1: {at_least: 0.9}"))

    assert message == (
        "14:3  gates.test.f1: f1 is defined for one class, and the task is multiclass\n"
        "    name an average (f1_macro, f1_micro, f1_weighted) or one class (test.f1[class=…])"
    )


def test_bounds_are_read_in_the_unit_of_their_quantity() -> None:
    """Seconds may be written with any unit of time, or none."""
    seconds, accuracy = quantities.parse("train.seconds"), quantities.parse("test.accuracy")

    assert bound_values(seconds, Bound(at_most="2min")) == (120.0,)
    assert bound_values(seconds, Bound(within=("500ms", 2))) == (0.5, 2.0)
    assert bound_values(accuracy, Bound(at_least=1)) == (1.0,)
    assert bound_values(accuracy, Bound(better_than="dummy")) == ()
    with pytest.raises(MlspecError, match="a number is needed, not '1s'"):
        bound_values(accuracy, Bound(at_least="1s"))
