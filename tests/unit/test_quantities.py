"""Every quantity has one name and one meaning: that of scikit-learn, where it is a metric."""

from __future__ import annotations

import inspect
import math

import pytest
import sklearn.metrics

from pytest_mlspec.errors import MlspecError
from pytest_mlspec.jobs import MetricRequest
from pytest_mlspec.quantities import MEASURES, METRICS, TASKS, check_task, known_names, parse

# Metrics of tokens, which scikit-learn has not.
OF_TOKENS = {"perplexity", "token_accuracy"}
# Functions of scikit-learn that have no scorer.
WITHOUT_SCORER = {
    *("cohen_kappa", "zero_one_loss"),
    *("silhouette_score", "calinski_harabasz_score", "davies_bouldin_score"),
}
# Scorers of several labels a row, one without a highest value, ratios that are infinite for a perfect model, and relatives
# of others.
LEFT_OUT = {
    "mutual_info_score",
    *("f1_samples", "jaccard_samples", "precision_samples", "recall_samples"),
    *("positive_likelihood_ratio", "negative_likelihood_ratio", "d2_brier_score", "d2_log_loss_score"),
}


def scorer_of(name: str) -> str:
    """The name of the scorer for a metric."""
    names = set(sklearn.metrics.get_scorer_names())
    return next(scorer for scorer in (name, f"neg_{name}") if scorer in names)


@pytest.mark.parametrize("name", sorted(METRICS.keys() - OF_TOKENS))
def test_a_metric_is_a_function_of_scikit_learn(name: str) -> None:
    """It exists, and takes the options that it is called with."""
    metric = METRICS[name]
    taken = inspect.signature(getattr(sklearn.metrics, metric.function)).parameters

    assert metric.name == name
    assert dict(metric.options).keys() <= taken.keys()
    assert metric.tasks <= TASKS
    assert metric.lowest < metric.highest


@pytest.mark.parametrize("name", sorted(METRICS.keys() - WITHOUT_SCORER - OF_TOKENS))
def test_a_metric_has_the_name_and_the_direction_of_its_scorer(name: str) -> None:
    """`neg_` is left out; what a scorer negates is better when it is lower."""
    scorer = sklearn.metrics.get_scorer(scorer_of(name))

    assert scorer._score_func is getattr(sklearn.metrics, METRICS[name].function)
    assert (scorer._sign > 0) is METRICS[name].higher_is_better
    assert dict(METRICS[name].options).items() >= {
        (option, value) for option, value in scorer._kwargs.items() if option in ("average", "multi_class")
    } - {("average", "binary")}


def test_every_scorer_of_scikit_learn_is_a_metric_or_left_out_for_a_reason() -> None:
    """And what has no scorer goes by the name of its function."""
    scorers = {name.removeprefix("neg_") for name in sklearn.metrics.get_scorer_names()}

    assert scorers - METRICS.keys() <= LEFT_OUT
    assert METRICS.keys() - scorers == WITHOUT_SCORER | OF_TOKENS


@pytest.mark.parametrize(
    ("name", "best", "worst"),
    [("accuracy", 1.0, 0.0), ("matthews_corrcoef", 1.0, -1.0), ("cohen_kappa", 1.0, -1.0), ("zero_one_loss", 0.0, 1.0)],
)
def test_metrics_of_labels_reach_the_ends_of_their_range(name: str, best: float, worst: float) -> None:
    """All rows right, and all of two classes exchanged."""
    metric = getattr(sklearn.metrics, METRICS[name].function)

    assert metric([0, 1, 0, 1], [0, 1, 0, 1]) == best
    assert metric([0, 1, 0, 1], [1, 0, 1, 0]) == worst
    assert {best, worst} == {METRICS[name].lowest, METRICS[name].highest}


@pytest.mark.parametrize("name", ["r2", "explained_variance", "d2_absolute_error_score"])
def test_explained_shares_have_no_lower_end(name: str) -> None:
    """A bad model explains less than nothing."""
    metric = getattr(sklearn.metrics, METRICS[name].function)

    assert metric([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]) == METRICS[name].highest
    assert metric([1.0, 2.0, 3.0], [90.0, -80.0, 70.0]) < -10
    assert METRICS[name].lowest == -math.inf


def test_a_metric_of_a_split() -> None:
    """Direction and unit are those of the metric; one request is behind it."""
    quantity = parse("test.accuracy")

    assert (quantity.kind, quantity.split, quantity.metric) == ("metric", "test", METRICS["accuracy"])
    assert (quantity.higher_is_better, quantity.unit, quantity.splits) == (True, "", ("test",))
    assert quantity.requests() == (MetricRequest("accuracy", "test"),)
    assert quantity.requests(of="dummy") == (MetricRequest("accuracy", "test", of="dummy"),)


def test_selectors_pick_a_class_and_rows() -> None:
    """`class` is the class, every other name a column; spaces around them do not count."""
    quantity = parse("test.recall[class=yes, plan = basic,region=north east]")

    assert quantity.class_label == "yes"
    assert quantity.where == (("plan", "basic"), ("region", "north east"))
    assert quantity.requests() == (
        MetricRequest("recall", "test", (("plan", "basic"), ("region", "north east")), "yes"),
    )


def test_a_gap_is_train_minus_test() -> None:
    """Neither direction is better in itself, and its range is twice that of the metric."""
    quantity = parse("gap.accuracy")

    assert (quantity.kind, quantity.splits, quantity.higher_is_better) == ("gap", ("train", "test"), None)
    assert quantity.requests() == (MetricRequest("accuracy", "train"), MetricRequest("accuracy", "test"))
    assert quantity.range == (-1.0, 1.0)


def test_a_cross_validation_has_a_mean_and_a_deviation() -> None:
    """Both look at the test split of each fold; the mean has the direction and the range of the metric."""
    mean, deviation = parse("cv.r2"), parse("cv_std.r2[plan=basic]")

    assert mean.requests() == (MetricRequest("r2", "test"),)
    assert deviation.requests() == (MetricRequest("r2", "test", (("plan", "basic"),)),)
    assert (mean.of_folds, mean.higher_is_better, mean.range) == (True, True, (-math.inf, 1.0))
    assert (deviation.of_folds, deviation.higher_is_better, deviation.range) == (True, False, (0.0, math.inf))


def test_a_loss_is_read_from_the_run() -> None:
    """Lower is better, and nothing is known of its range."""
    quantity = parse("val.loss")

    assert (quantity.kind, quantity.split, quantity.requests()) == ("loss", "val", ())
    assert (quantity.higher_is_better, quantity.range) == (False, (-math.inf, math.inf))


@pytest.mark.parametrize(
    ("name", "unit", "better"), [("train.seconds", "s", False), ("model.parameters", "parameters", None)]
)
def test_measures_have_a_unit_and_a_definition(name: str, unit: str, better: bool | None) -> None:
    """Their range begins at 0."""
    quantity = parse(name)

    assert (quantity.kind, quantity.unit, quantity.higher_is_better, quantity.splits) == ("measure", unit, better, ())
    assert quantity.range == (0.0, math.inf)
    assert MEASURES.find(name).definition


def test_every_known_name_can_be_read() -> None:
    """What a message suggests is accepted."""
    names = list(known_names())

    assert [parse(name).name for name in names] == names
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("name", "message", "advice"),
    [
        ("", "'' is no name of a quantity", "write SPLIT.METRIC, such as test.accuracy or test.recall[class=x]"),
        ("accuracy", "'accuracy' is no name of a quantity", "write SPLIT.METRIC"),
        ("test.accuracy ", "'test.accuracy ' is no name of a quantity", "write SPLIT.METRIC"),
        ("test.accuracy[]", "'test.accuracy[]' is no name of a quantity", "write SPLIT.METRIC"),
        ("test.acc", "unknown metric 'acc'", "did you mean 'accuracy'?"),
        ("test.rmse", "unknown metric 'rmse'", "did you mean 'root_mean_squared_error'?"),
        ("test.lss", "unknown metric 'lss'", "did you mean 'loss'?"),
        ("gap.lss", "unknown metric 'lss'", "known: accuracy"),
        ("gap.loss", "gap.loss is not defined", "gap goes with metrics, such as gap.accuracy"),
        ("cv.loss", "cv.loss is not defined", "cv goes with metrics, such as cv.accuracy"),
        ("tst.f1", "unknown quantity 'tst.f1'", "did you mean 'test.f1'?"),
        ("train.second", "unknown metric 'second'", "did you mean 'seconds'?"),
        ("test.second", "unknown metric 'second'", "known: accuracy"),
        ("model.params", "unknown quantity 'model.params'", "did you mean 'model.parameters'?"),
        ("test.loss[class=a]", "test.loss takes no selector in brackets", ""),
        ("model.parameters[a=b]", "model.parameters takes no selector in brackets", ""),
        ("test.f1[a]", "'test.f1[a]': cannot read the selector 'a'", "write [column=value] or [class=label]"),
        ("test.f1[=a]", "'test.f1[=a]': cannot read the selector '=a'", "write [column=value] or [class=label]"),
        ("test.f1[a=]", "'test.f1[a=]': cannot read the selector 'a='", "write [column=value] or [class=label]"),
        ("test.f1[a=b,]", "'test.f1[a=b,]': cannot read the selector ''", "write [column=value] or [class=label]"),
        ("test.f1[a=b,a=c]", "'test.f1[a=b,a=c]' selects by 'a' twice", "keep one of them"),
        (
            "test.log_loss[class=a]",
            "log_loss is not defined for one class",
            "[class=…] goes with: average_precision, f1,",
        ),
        ("export.onnx.sise", "unknown quantity 'export.onnx.sise'", "did you mean 'export.onnx.size'?"),
        ("mtab.STS16", "unknown quantity 'mtab.STS16'", "did you mean 'mteb.STS16'?"),
    ],
)
def test_what_is_no_quantity_is_told_with_the_nearest(name: str, message: str, advice: str) -> None:
    """The message names what was read, the advice what there is."""
    with pytest.raises(MlspecError) as caught:
        parse(name)

    assert caught.value.message == message
    assert caught.value.advice.startswith(advice)


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("test.accuracy", "binary"),
        ("test.f1", "binary"),
        ("test.f1[class=a]", "multiclass"),
        ("test.roc_auc[class=a]", "multiclass"),
        ("test.f1_macro", "binary"),
        ("test.roc_auc_ovr", "multiclass"),
        ("gap.r2", "regression"),
        ("test.loss", "regression"),
        ("train.seconds", "multiclass"),
    ],
)
def test_quantities_go_with_their_tasks(name: str, task: str) -> None:
    """A metric of one class goes with several where the class is named."""
    check_task(parse(name), task)


@pytest.mark.parametrize(
    ("name", "task", "message", "advice"),
    [
        ("test.r2", "binary", "r2 is not defined for the task binary", "known: accuracy, average_precision"),
        ("test.accuracy", "regression", "accuracy is not defined for the task regression", "known: d2_absolute_error"),
        (
            "test.f1[class=a]",
            "regression",
            "f1 is not defined for the task regression",
            "known: d2_absolute_error_score",
        ),
        ("test.roc_auc_ovr", "binary", "roc_auc_ovr is not defined for the task binary", "did you mean 'roc_auc'?"),
        (
            "test.roc_auc",
            "multiclass",
            "roc_auc is defined for one class, and the task is multiclass",
            "name an average (roc_auc_ovr, roc_auc_ovo, roc_auc_ovr_weighted, roc_auc_ovo_weighted) or one class"
            " (test.roc_auc[class=…])",
        ),
        (
            "gap.f1",
            "multiclass",
            "f1 is defined for one class, and the task is multiclass",
            "name an average (f1_macro, f1_micro, f1_weighted) or one class (gap.f1[class=…])",
        ),
        (
            "test.average_precision",
            "multiclass",
            "average_precision is defined for one class, and the task is multiclass",
            "name one class (test.average_precision[class=…])",
        ),
        ("test.brier_score", "multiclass", "brier_score is not defined for the task multiclass", ""),
    ],
)
def test_a_metric_of_another_task_is_told_with_what_goes(name: str, task: str, message: str, advice: str) -> None:
    """An average or a class, where there are several."""
    with pytest.raises(MlspecError) as caught:
        check_task(parse(name), task)

    assert caught.value.message == message
    assert caught.value.advice.startswith(advice)
