"""The checks as functions on plain models and data: each passes, sees its planted fault, and says no to what it cannot ask."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC
from torch import Tensor, nn

import pytest_mlspec
from pytest_mlspec import (
    MlspecError,
    NotApplicableError,
    assert_converges,
    assert_export_valid,
    assert_gradients,
    assert_independent_rows,
    assert_latency,
    assert_metric,
    assert_mteb,
    assert_overfits,
    assert_reproducible,
    assert_resumes,
    check_recipe,
)

_ROWS = np.random.default_rng(0).normal(size=(80, 4)).astype(np.float32)
ROWS = (_ROWS, (_ROWS.sum(axis=1) > 0).astype(int))
VALUES = (_ROWS, _ROWS @ np.array([1.0, -2.0, 0.5, 0.0], dtype=np.float32))
FAST: Mapping[str, Any] = {"optimizer": {"use": "adamw", "lr": 3e-2}, "epochs": 20, "batch_size": 16}


def small() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))


class Detached(nn.Module):
    """Its first layer gets no gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 8), nn.Linear(8, 2)

    def forward(self, rows: Tensor) -> Tensor:
        out: Tensor = self.second(self.first(rows).detach())
        return out


class Unseeded(nn.Module):
    """Draws from a generator of its own, which no seed reaches."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 2)
        self.generator = np.random.default_rng()

    def forward(self, rows: Tensor) -> Tensor:
        out: Tensor = self.layer(rows) + float(self.generator.normal())
        return out


class Counting(nn.Module):
    """Its output depends on how often it was called, which no checkpoint holds."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.calls = nn.Linear(4, 2), 0

    def forward(self, rows: Tensor) -> Tensor:
        self.calls += self.training
        out: Tensor = self.layer(rows) * (1 + 0.1 * self.calls)
        return out


ASSERTIONS = (assert_converges, assert_overfits, assert_gradients, assert_reproducible, assert_resumes)


@pytest.mark.parametrize("assertion", ASSERTIONS)
@pytest.mark.parametrize(("data", "outputs"), [(ROWS, 2), (VALUES, 1)])
def test_a_healthy_training_passes(assertion: Callable[..., Any], data: Any, outputs: int) -> None:
    """Of classes and of values; the verdict says what was measured."""
    verdict = assertion(lambda: nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, outputs)), data, **FAST)

    assert verdict.status == "passed"
    assert verdict.summary


@pytest.mark.parametrize(
    ("assertion", "model", "changed", "message"),
    [
        (assert_converges, small, {"optimizer": {"use": "sgd", "lr": 1e-9}}, "converges FAILED: train loss"),
        (assert_overfits, small, {"optimizer": {"use": "sgd", "lr": 1e-9}}, "overfit FAILED: loss on one batch"),
        (assert_overfits, small, {"loss": lambda outputs, targets: outputs.mean()}, "overfit ERROR"),
        (assert_gradients, Detached, {}, "gradients FAILED: no gradient for 2 of 4 parameters: first.weight"),
        (assert_reproducible, Unseeded, {}, "reproducible FAILED"),
        (assert_resumes, Counting, {}, "resumes FAILED"),
    ],
)
def test_a_planted_fault_is_red(
    assertion: Callable[..., Any], model: Callable[[], nn.Module], changed: Mapping[str, Any], message: str
) -> None:
    """As an AssertionError with what a report would say, the claim and the next step included."""
    with pytest.raises(AssertionError, match=message) as caught:
        assertion(model, ROWS, **{**FAST, **changed})

    assert "\n  claim: " in str(caught.value)


def test_a_module_at_hand_is_copied() -> None:
    """It is trained from the weights that it has, and keeps them."""
    module = small()
    before = [parameter.clone() for parameter in module.parameters()]

    assert_converges(module, ROWS, **FAST)

    assert all(torch.equal(*pair) for pair in zip(module.parameters(), before, strict=True))


def test_tensors_losses_and_optimisers_of_torch_are_taken_as_they_are() -> None:
    """A loss is called with outputs and targets."""
    data = {"train": (torch.tensor(_ROWS), torch.tensor(ROWS[1])), "test": (torch.tensor(_ROWS), torch.tensor(ROWS[1]))}

    verdict = assert_converges(
        small,
        data,
        loss=nn.CrossEntropyLoss(),
        optimizer=lambda module: torch.optim.AdamW(module.parameters(), lr=3e-2),
        epochs=20,
    )

    assert verdict.n == 80


def test_an_estimator_converges_and_has_no_batches() -> None:
    """What cannot be asked of it is an error, never a pass."""
    assert_converges(LogisticRegression(), ROWS)

    with pytest.raises(NotApplicableError, match="overfit: an estimator of scikit-learn is fitted as a whole"):
        assert_overfits(LogisticRegression(), ROWS)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((3, ROWS), {"message": "3 is no model"}),
        ((small, _ROWS), {"message": "data is of the type ndarray"}),
        ((small, {"train": _ROWS}), {"message": "the split 'train' is of the type ndarray"}),
    ],
)
def test_a_mistake_in_the_call_is_told_before_anything_is_trained(arguments: Any, told: Mapping[str, str]) -> None:
    """With the form that is needed."""
    with pytest.raises(MlspecError) as caught:
        assert_converges(*arguments)

    assert (caught.value.message, bool(caught.value.advice)) == (told["message"], True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": "many"}, "train.epochs: a whole number is needed, not 'many'"),
        ({"optimizer": "adamm"}, "train.optimizer: unknown optimizer 'adamm'"),
        ({"momentum": 0.9}, "train.momentum: unknown key 'momentum'"),
    ],
)
def test_an_option_is_held_to_the_rules_of_a_spec(options: Mapping[str, Any], message: str) -> None:
    """It is a key of `train` there."""
    with pytest.raises(MlspecError, match=message):
        assert_converges(small, ROWS, **options)


def test_the_generators_of_the_caller_are_left_alone() -> None:
    """A notebook goes on with the numbers that it would have drawn."""
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    expected = random.random(), np.random.random(), torch.rand(1).item()
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)

    assert_gradients(small, ROWS, **FAST)

    assert (random.random(), np.random.random(), torch.rand(1).item()) == expected


def test_a_recipe_at_hand_is_checked_as_a_whole() -> None:
    """Every standard check gives a verdict; those that cannot be asked say so."""
    recipe = SimpleNamespace(load=lambda: ROWS, build_model=small)

    verdicts = check_recipe(recipe, task="binary", data={"prepare": "none"}, train=FAST)

    assert {str(verdict.status) for verdict in verdicts.values()} <= {"passed", "not applicable"}
    assert verdicts["converges"].status == "passed"


def test_a_recipe_with_two_faults_is_told_both() -> None:
    """And checks may be chosen, with parameters."""
    recipe = SimpleNamespace(load=lambda: ROWS, build_model=Detached)

    with pytest.raises(AssertionError, match="gradients FAILED: no gradient") as caught:
        check_recipe(
            recipe,
            checks={"gradients": {}, "overfit": {"steps": 2}},
            task="binary",
            data={"prepare": "none"},
            train=FAST,
        )

    assert "overfit FAILED" in str(caught.value)


class Centred(nn.Module):
    """Subtracts the mean of the batch."""

    def forward(self, rows: Tensor) -> Tensor:
        return rows - rows.mean(dim=0)


class Noisy(nn.Module):
    """Drops values at random in evaluation mode too."""

    def forward(self, rows: Tensor) -> Tensor:
        return nn.functional.dropout(rows, 0.5, training=True)


def fitted_module() -> nn.Module:
    torch.manual_seed(0)
    module = small()
    optimizer = torch.optim.AdamW(module.parameters(), lr=3e-2)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(torch.tensor(_ROWS)), torch.tensor(ROWS[1])).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return module


NAMED = np.array(["no", "yes"])[ROWS[1]]


@pytest.mark.parametrize(
    "model", [small(), LogisticRegression().fit(*ROWS), LogisticRegression().fit(_ROWS, NAMED), np.tanh]
)
def test_rows_of_a_healthy_model_are_independent(model: Any) -> None:
    """Of a module, an estimator and a function."""
    assert assert_independent_rows(model, _ROWS).n == 16


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Centred(), "row [0-9]+ alone differs from itself in a batch of 16"),
        (Noisy(), "two evaluations of the same batch differ"),
        (lambda rows: np.cumsum(rows, axis=0), "alone differs from itself"),
    ],
)
def test_a_row_that_depends_on_others_is_seen(model: Any, message: str) -> None:
    """In evaluation mode."""
    with pytest.raises(AssertionError, match=message):
        assert_independent_rows(model, _ROWS)


def test_no_rows_are_not_independent() -> None:
    """There is nothing to compare."""
    with pytest.raises(MlspecError, match="there are no rows to compare"):
        assert_independent_rows(small(), _ROWS[:0])


def test_an_option_is_placed_at_the_call() -> None:
    """Also where a context manager stands between the assertion and its rules."""
    with pytest.raises(MlspecError, match=r"test_assertions.py:\d+:1  train.optimizer: unknown optimizer 'adamv'"):
        assert_overfits(small, ROWS, optimizer={"use": "adamv"})


def test_an_mteb_task_with_a_folder_is_a_gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its options are accepted, and the folder is looked at."""
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)

    with pytest.raises(AssertionError, match="data holds none of the files of Banking77Classification"):
        assert_mteb(object(), "Banking77Classification", at_least=0.5, data="data")


def test_rows_that_are_all_the_same_tell_nothing() -> None:
    """The mean of the batch is then that of each row."""
    with pytest.raises(MlspecError, match="4 rows are all the same"):
        assert_independent_rows(Centred(), np.zeros((4, 3), dtype=np.float32))


def test_a_metric_of_a_trained_model() -> None:
    """Of a module with logits, an estimator whose classes have names, and a function that gives values."""
    assert_metric(fitted_module(), ROWS, "accuracy", at_least=0.9)
    assert_metric(LogisticRegression().fit(_ROWS, NAMED), (_ROWS, NAMED), "roc_auc", at_least=0.95)
    assert_metric(lambda rows: rows @ np.array([1.0, -2.0, 0.5, 0.0]), VALUES, "r2", at_least=0.99)


def test_a_module_that_is_measured_stays_in_the_mode_that_it_has() -> None:
    """The caller may train it on: it is a copy that is measured in evaluation mode."""
    module = small().train()

    assert_metric(module, ROWS, "accuracy", at_least=0)
    assert_latency(module, _ROWS, at_most="10s")

    assert all(each.training for each in module.modules())


@pytest.mark.parametrize(
    ("model", "data", "message"),
    [
        (small(), ROWS, "test.accuracy FAILED: 0"),
        (LogisticRegression().fit(_ROWS, 1 - ROWS[1]), ROWS, "test.accuracy FAILED: 0"),
        (lambda rows: np.full(len(rows), np.nan), VALUES, "test.accuracy"),
    ],
)
def test_a_bad_model_misses_the_metric(model: Any, data: Any, message: str) -> None:
    """Untrained, trained on swapped classes, and not finite."""
    with pytest.raises((AssertionError, MlspecError), match=message):
        assert_metric(model, data, "accuracy", at_least=0.95)


def test_a_target_that_the_model_does_not_know_is_told() -> None:
    """With the classes that it knows."""
    with pytest.raises(MlspecError, match="the model knows no class 'maybe'"):
        assert_metric(
            LogisticRegression().fit(_ROWS, NAMED), (_ROWS, np.where(ROWS[1], "maybe", "no")), "f1", at_least=0
        )


def test_a_metric_of_probabilities_is_not_read_from_labels() -> None:
    """An estimator without `predict_proba` has no area under the curve; its accuracy is measured."""
    labels_alone = LinearSVC().fit(_ROWS, NAMED)

    with pytest.raises(MlspecError, match="roc_auc reads probabilities, and LinearSVC gives labels alone"):
        assert_metric(labels_alone, (_ROWS, NAMED), "roc_auc", at_least=0.5)

    assert_metric(labels_alone, (_ROWS, NAMED), "accuracy", at_least=0.9)


def test_a_latency_without_rows_is_told() -> None:
    """There is no call to time."""
    with pytest.raises(MlspecError, match="there is no row to call the model with"):
        assert_latency(small(), _ROWS[:0], at_most="10s")


def test_a_latency_has_a_bound() -> None:
    """As a text with its unit or in milliseconds; what cannot be met is told with what was measured."""
    assert_latency(small(), _ROWS, at_most="10s", batch=8)

    with pytest.raises(AssertionError, match=r"latency.p50\[batch=8, threads=1\] FAILED: .* ms, at most 1e-09 ms"):
        assert_latency(small(), _ROWS, at_most=1e-9, statistic="p50", batch=8)


@pytest.mark.slow
def test_an_export_answers_as_the_model_does() -> None:
    """To two formats, of a module on data, and of an estimator."""
    verdict = assert_export_valid(fitted_module(), ROWS, to=["onnx", "torch_export"])
    assert_export_valid(LogisticRegression(), ROWS)

    assert any("test.accuracy" in fact for fact in verdict.facts)


def test_the_public_names_are_these() -> None:
    """A change of this list is a change of the interface."""
    assert pytest_mlspec.__all__ == [
        "MlspecError",
        "NotApplicableError",
        "Run",
        "SpecError",
        "assert_converges",
        "assert_export_valid",
        "assert_gradients",
        "assert_independent_rows",
        "assert_latency",
        "assert_metric",
        "assert_mteb",
        "assert_overfits",
        "assert_reproducible",
        "assert_resumes",
        "check_recipe",
        "run_spec",
    ]
    assert all(getattr(pytest_mlspec, name).__doc__ for name in pytest_mlspec.__all__)
