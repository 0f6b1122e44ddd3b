from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from pytest_mlspec.errors import StoreError
from pytest_mlspec.evidence import Array, Evidence, Score, ScoreTable, TrainingRun
from pytest_mlspec.jobs import MetricRequest, Prepare, Scores, Train
from pytest_mlspec.language.spec import Spec
from pytest_mlspec.probes.scores import score
from pytest_mlspec.quantities import METRICS, parse
from pytest_mlspec.recipe.packing import to_arrays
from pytest_mlspec.recipe.preparation import prepare_all
from pytest_mlspec.recipe.protocol import Examples, Recipe, Rows
from pytest_mlspec.recipe.work import Work

DRAW = np.random.default_rng(0)
TABLE = pd.DataFrame(
    {
        "plan": ["basic", "plus", "basic", None, "plus", "basic", "plus", "basic"] * 5,
        "seats": [1, 2, 3, 1, 2, 3, 1, 2] * 5,
        "fee": [1.0, 2.5] * 20,
        "trial": [True, False] * 20,
    }
)
TRAIN, TEST = np.arange(20), np.arange(20, 40)


class Kept:
    """A stored result made of values at hand."""

    def __init__(self, arrays: dict[str, Any], kind: str = "probabilities") -> None:
        self._arrays = arrays
        self._kind = kind

    @property
    def evidence(self) -> Evidence:
        nothing = Array.of(np.empty(0))
        return TrainingRun(
            "torch", 0, "cpu", "", 1, 1, 1, 1, 1, None, "", None, nothing, nothing, nothing, (), {}, {}, "", "", "",
            predictions=self._kind,
        )  # fmt: skip

    def array(self, name: str) -> Any:
        if name not in self._arrays:
            raise StoreError(name)
        return self._arrays[name]

    def file(self, name: str) -> Path:
        raise StoreError(name)


class Bench:
    """Stored predictions for a table of 20 training and 20 test rows."""

    def __init__(
        self, task: str, targets: Any, predictions: Any, *, kind: str = "probabilities", positive: Any = None
    ) -> None:
        self.task = task
        self.targets = np.asarray(targets)
        self.positive = positive
        self.training = Kept({f"predictions/{name}": values for name, values in predictions.items()}, kind)
        self.split_again = TEST

    def scored(self, *names: str, of: str = "model") -> ScoreTable:
        """The table of the named quantities."""
        return self.requested(*(request for name in names for request in parse(name).requests(of=of)))

    def one(self, name: str, of: str = "model") -> Score:
        """The score of one quantity."""
        (score_,) = self.scored(name, of=of).scores.values()
        return score_

    def requested(self, *requests: MetricRequest) -> ScoreTable:
        """The table of these requests."""
        prepared = prepare_all(self._recipe(TEST)).prepared
        task: dict[str, Any] = {"use": self.task, "positive": self.positive}
        spec = Spec.model_validate({"mlspec": 1, "name": "x", "task": task})
        needed: Any = {Prepare(): Kept(to_arrays(prepared)), Train(seed=0): self.training}
        work = Work(spec, Path(), Path(), needed, lambda news: None)
        work.__dict__["recipe"] = self._recipe(self.split_again)  # what the cached property would resolve from a spec
        table = score(Scores(requests, of=Train(seed=0)), work).evidence
        assert isinstance(table, ScoreTable)
        return table

    def _recipe(self, test: Any) -> Recipe:
        return Recipe(
            task=self.task,
            load=lambda: Rows(TABLE, self.targets, np.arange(40)),
            split=lambda rows: {"train": rows.take(TRAIN), "test": rows.take(test)},
            fit_prepare=lambda rows: None,
            prepare=lambda rows, _: Examples(np.zeros((len(rows), 1)), rows.targets, rows.index),
        )


def _probabilities(classes: int) -> Any:
    raw = DRAW.random((20, classes)) + 0.05
    return raw / raw.sum(axis=1, keepdims=True)


def _binary(**more: Any) -> Bench:
    probabilities = _probabilities(2)
    return Bench("binary", ["no", "yes"] * 20, {"train": probabilities, "test": probabilities}, **more)


def _multiclass(**more: Any) -> Bench:
    probabilities = _probabilities(3)
    return Bench("multiclass", ["a", "b", "c", "b"] * 10, {"train": probabilities, "test": probabilities}, **more)


def _regression(targets: Any = None) -> Bench:
    values = DRAW.random(20) + 1
    targets = DRAW.random(40) + 1 if targets is None else targets
    return Bench("regression", targets, {"train": values, "test": values}, kind="values")


@pytest.mark.parametrize("name", sorted(name for name, metric in METRICS.items() if "regression" in metric.tasks))
def test_every_metric_of_values_has_one(name: str) -> None:
    """Of the model, and of the mean of the training targets where that is defined."""
    bench = _regression()
    found = bench.one(f"test.{name}")

    assert found.error == ""
    assert found.value is not None
    assert math.isfinite(found.value)
    assert found.rows == 20


@pytest.mark.parametrize("name", sorted(name for name, metric in METRICS.items() if "binary" in metric.tasks))
def test_every_metric_of_two_classes_has_a_value(name: str) -> None:
    """Of labels and of probabilities."""
    found = _binary().one(f"test.{name}")

    assert found.error == ""
    assert found.value is not None
    assert math.isfinite(found.value)


@pytest.mark.parametrize("name", sorted(name for name, metric in METRICS.items() if "multiclass" in metric.tasks))
def test_every_metric_of_several_classes_has_a_value(name: str) -> None:
    """Averages among them."""
    found = _multiclass().one(f"test.{name}")

    assert found.error == ""
    assert found.value is not None
    assert math.isfinite(found.value)


def test_values_are_those_of_scikit_learn() -> None:
    """Called as anyone would call it."""
    bench = _multiclass()
    probabilities = bench.training.array("predictions/test")
    truth = np.array([0, 1, 2, 1] * 5)

    assert bench.one("test.accuracy").value == metrics.accuracy_score(truth, probabilities.argmax(axis=1))
    assert bench.one("test.log_loss").value == pytest.approx(metrics.log_loss(truth, probabilities))
    assert bench.one("test.roc_auc_ovr").value == pytest.approx(
        metrics.roc_auc_score(truth, probabilities, multi_class="ovr")
    )
    assert bench.one("test.recall[class=b]").value == metrics.recall_score(
        truth == 1, probabilities.argmax(axis=1) == 1
    )


def test_the_positive_class_is_the_declared_one_or_the_last() -> None:
    """Recall of `no` is another number than recall of `yes`."""
    probabilities = np.tile([[0.2, 0.8]], (20, 1))
    predictions = {"train": probabilities, "test": probabilities}

    assert Bench("binary", ["no", "yes"] * 20, predictions).one("test.recall").value == 1.0
    assert Bench("binary", ["no", "yes"] * 20, predictions, positive="no").one("test.recall").value == 0.0
    assert Bench("binary", [0, 1] * 20, predictions, positive=0).one("test.recall").value == 0.0
    assert Bench("binary", [False, True] * 20, predictions, positive=True).one("test.recall").value == 1.0


@pytest.mark.parametrize(
    ("selector", "rows"),
    [
        ("plan=basic", 10),
        ("seats=3", 5),
        ("fee=1", 10),
        ("fee=2.5", 10),
        ("trial=True", 10),
        ("plan=basic, seats=1", 2),
    ],
)
def test_a_slice_is_the_raw_rows_with_that_value(selector: str, rows: int) -> None:
    """Text, numbers and booleans as they are shown; several columns together."""
    found = _binary().one(f"test.accuracy[{selector}]")

    assert found.error == ""
    assert found.rows == rows


def test_a_slice_has_the_predictions_of_its_own_rows() -> None:
    """By position in the split."""
    plans = TABLE["plan"].to_numpy(dtype=object)
    right = np.where((plans == "basic")[TEST] == (np.array([0, 1] * 10) == 1), 0.9, 0.1)
    probabilities = np.stack([1 - right, right], axis=1)
    truth = np.array([0, 1] * 20)
    expected = (probabilities.argmax(axis=1) == truth[TEST])[(plans == "plus")[TEST]].mean()
    bench = Bench("binary", truth, {"train": probabilities, "test": probabilities})

    assert bench.one("test.accuracy[plan=plus]").value == expected


@pytest.mark.parametrize(
    ("quantity", "message", "advice"),
    [
        ("test.accuracy[plan=bsaic]", "0 rows of split test have plan=bsaic", "values: basic, plus"),
        ("test.accuracy[plna=basic]", "the rows have no column 'plna'", "did you mean 'plan'?"),
        ("test.accuracy[plan=plus, seats=3]", "0 rows of split test have plan=plus and seats=3", ""),
        ("test.recall[class=maybe]", "there is no class 'maybe'", "known: no, yes"),
        ("val.accuracy", "there is no split 'val'", "splits: train, test"),
        ("test.r2", "r2 is a metric of values, and the targets are classes", ""),
    ],
)
def test_what_cannot_be_asked_is_an_error_with_what_can(quantity: str, message: str, advice: str) -> None:
    """Never a number."""
    found = _binary().one(quantity)

    assert found.value is None
    assert (found.error, found.advice) == (message, advice)


def test_a_ranking_of_one_class_is_undefined() -> None:
    """In a slice, or in the whole split."""
    bench = _binary()
    alone = Bench("binary", ["no", "yes"] * 10 + ["no"] * 20, {"test": _probabilities(2)})

    assert bench.one("test.roc_auc[fee=1]").error == "roc_auc is not defined: none of the 10 rows have the class 'yes'"
    assert bench.one("test.average_precision[fee=2.5]").error.endswith("all 10 rows have the class 'yes'")
    assert alone.one("test.roc_auc").value is None


def test_a_ranking_without_one_of_the_classes_is_undefined() -> None:
    """It would be an average over fewer classes."""
    probabilities = _probabilities(3)
    bench = Bench("multiclass", ["a", "b", "c", "b"] * 5 + ["a", "b"] * 10, {"test": probabilities})

    assert bench.one("test.roc_auc_ovr").error == "roc_auc_ovr is not defined: no row has the class 'c'"


def test_a_division_by_zero_is_an_error() -> None:
    """scikit-learn would warn and answer 0."""
    probabilities = np.tile([[0.9, 0.1]], (20, 1))
    found = Bench("binary", ["no", "yes"] * 20, {"test": probabilities}).one("test.precision")

    assert found.value is None
    assert found.error.startswith("precision is not defined: Precision is ill-defined")


def test_r2_of_one_row_is_an_error() -> None:
    """There is no variance."""
    targets = np.arange(40.0)
    bench = _regression(targets)
    bench.training = Kept({"predictions/test": np.arange(20.0)}, "values")

    assert bench.one("test.r2").value is not None
    assert bench.requested(MetricRequest("accuracy", "test")).scores["test.accuracy"].error == (
        "accuracy is a metric of classes, and the targets are values"
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_prediction_that_is_not_finite_is_an_error(bad: float) -> None:
    """The argmax of NaN would be class 0."""
    probabilities = _probabilities(2)
    probabilities[3, 0] = bad
    bench = Bench("binary", ["no", "yes"] * 20, {"test": probabilities})

    assert bench.one("test.accuracy").error == "1 predictions for split test are not finite, the first for row 23"
    assert bench.scored("test.accuracy").confused == {}


def test_predictions_of_another_shape_are_an_error() -> None:
    """And so are none."""
    bench = Bench("binary", ["no", "yes"] * 20, {"test": np.ones((20, 3))})

    assert "have the shape [20, 3], and [20, 2] is needed" in bench.one("test.accuracy").error
    assert bench.one("train.accuracy").error == "the training stored no predictions for split train"


def test_outputs_that_are_no_probabilities_are_an_error() -> None:
    """For a metric that needs them; labels can be told from them."""
    bench = Bench("binary", ["no", "yes"] * 20, {"test": np.tile([[3.0, -1.0]], (20, 1))})

    assert "are no probabilities" in bench.one("test.log_loss").error
    assert bench.one("test.accuracy").value == 0.5


def test_labels_have_no_probabilities() -> None:
    """As of an estimator without predict_proba."""
    bench = Bench("binary", ["no", "yes"] * 20, {"test": np.eye(2)[[0, 1] * 10]}, kind="labels")

    assert bench.one("test.accuracy").value == 1.0
    assert bench.one("test.roc_auc").error == "roc_auc needs probabilities, and the model predicts labels alone"


def test_the_dummy_is_fitted_on_the_training_rows() -> None:
    """The prior of the classes, the mean of the values."""
    targets = ["no"] * 15 + ["yes"] * 5 + ["yes"] * 15 + ["no"] * 5
    bench = Bench("binary", targets, {"test": _probabilities(2)})
    values = _regression(np.concatenate([np.full(20, 2.0), np.full(20, 5.0)]))

    assert bench.one("test.accuracy", of="dummy").value == 0.25
    assert bench.one("test.log_loss", of="dummy").value == pytest.approx(-(0.75 * np.log(0.25) + 0.25 * np.log(0.75)))
    assert bench.one("test.roc_auc", of="dummy").value == 0.5
    assert values.one("test.mean_absolute_error", of="dummy").value == 3.0


def test_the_dummy_knows_classes_without_training_rows() -> None:
    """With probability 0."""
    bench = Bench("multiclass", ["a", "b"] * 10 + ["a", "c"] * 10, {"test": _probabilities(3)})

    assert bench.one("test.accuracy", of="dummy").value == 0.5


def test_the_worst_confusions_are_named() -> None:
    """True class, predicted class, rows; most first."""
    bench = Bench("multiclass", ["a", "b", "c", "b"] * 10, {"test": np.eye(3)[[0, 2, 0, 2] * 5]})

    assert bench.scored("test.accuracy").confused == {"test": (("b", "c", 10), ("c", "a", 5))}


def test_rows_that_differ_when_they_are_loaded_again_are_an_error() -> None:
    """A slice of other rows would say nothing."""
    bench = _binary()
    bench.split_again = TEST[::-1]

    assert bench.one("test.accuracy").value is not None
    assert "were others when they were loaded again" in bench.one("test.accuracy[plan=basic]").error


def test_one_impossible_request_leaves_the_others() -> None:
    """Each score stands for itself."""
    table = _binary().scored("test.accuracy", "test.recall[class=maybe]")

    assert [found.value is None for found in table.scores.values()] == [False, True]
