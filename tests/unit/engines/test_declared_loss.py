"""What a declared loss says of outputs: predictions, and the lowest value that it can take."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from pytest_mlspec.engines.declared_loss import DeclaredLoss
from pytest_mlspec.errors import RecipeError, TrainingError

LOGITS_NC = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.5, 0.5]])


@pytest.mark.parametrize("name", ["cross_entropy", "nll", "multi_margin", ""])
def test_outputs_of_several_classes_are_logits(name: str) -> None:
    """Predictions are their softmax, in double precision."""
    predicted = DeclaredLoss(name, {}, 3).predictions(LOGITS_NC)

    assert predicted.dtype == np.float64
    np.testing.assert_allclose(predicted, LOGITS_NC.double().softmax(1).numpy(), rtol=1e-12)


@pytest.mark.parametrize("name", ["binary_cross_entropy_with_logits", ""])
@pytest.mark.parametrize("shape", [(2,), (2, 1)])
def test_one_output_is_the_logit_of_the_second_class(name: str, shape: tuple[int, ...]) -> None:
    """Two columns come of it."""
    predicted = DeclaredLoss(name, {}, 2).predictions(torch.tensor([0.0, 2.0]).reshape(shape))

    np.testing.assert_allclose(predicted, [[0.5, 0.5], [1 - 0.8807970779778823, 0.8807970779778823]])


def test_one_output_may_be_the_probability_itself() -> None:
    """For the loss that takes probabilities."""
    predicted = DeclaredLoss("binary_cross_entropy", {}, 2).predictions(torch.tensor([[0.25], [1.0]]))

    assert predicted.tolist() == [[0.75, 0.25], [0.0, 1.0]]


def test_a_rate_is_the_exponential_of_its_logarithm() -> None:
    """The Poisson loss takes logarithms unless it is told otherwise."""
    outputs = torch.tensor([0.0, 1.0])

    assert DeclaredLoss("poisson_nll", {}, 0).predictions(outputs).tolist() == [1.0, pytest.approx(np.e)]
    assert DeclaredLoss("poisson_nll", {"log_input": False}, 0).predictions(outputs).tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("name", "classes", "shape", "message"),
    [
        ("cross_entropy", 10, (4, 5), r"shape \[N, 5\]; 10 classes with cross_entropy need \[N, 10\]"),
        ("cross_entropy", 2, (4,), r"shape \[N\]; 2 classes with cross_entropy need \[N, 2\]"),
        ("binary_cross_entropy_with_logits", 2, (4, 2), r"need \[N\] or \[N, 1\]"),
        ("mse", 0, (4, 2), r"a regression with mse need \[N\] or \[N, 1\]"),
        ("", 3, (4, 1), r"3 classes with your own loss need \[N, 3\]"),
        ("cross_entropy", 0, (4, 2), "a loss of classes, and the task is a regression"),
        ("soft_margin", 2, (4, 1), "does not tell how outputs become the probabilities of 2 classes"),
    ],
)
def test_outputs_that_do_not_fit_are_refused(name: str, classes: int, shape: tuple[int, ...], message: str) -> None:
    """By the shape, or because the loss is one of another task."""
    with pytest.raises(RecipeError, match=message):
        DeclaredLoss(name, {}, classes).reading(shape)


def test_outputs_that_are_not_finite_give_no_predictions() -> None:
    """A model that diverged is an error."""
    with pytest.raises(TrainingError, match="nan for row 2 of 2"):
        DeclaredLoss("mse", {}, 0).predictions(torch.tensor([0.0, torch.nan]))


def test_most_losses_can_reach_zero() -> None:
    """Without label smoothing, cross-entropy too."""
    targets = np.array([0, 1, 2])

    assert DeclaredLoss("cross_entropy", {}, 3).floor(targets) == 0
    assert DeclaredLoss("cross_entropy", {"label_smoothing": 0.0}, 3).floor(targets) == 0


@pytest.mark.parametrize("weight", [None, [1.0, 2.0, 0.5]])
def test_smoothed_labels_leave_a_loss(weight: list[float] | None) -> None:
    """The floor is what a minimisation over all logits finds, with and without class weights."""
    targets = np.array([0, 0, 1, 2, 2, 2])
    module = nn.CrossEntropyLoss(None if weight is None else torch.tensor(weight).double(), label_smoothing=0.1)
    logits_NC = torch.zeros(6, 3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([logits_NC], max_iter=200, line_search_fn="strong_wolfe", tolerance_grad=1e-12)

    def evaluate() -> torch.Tensor:
        optimizer.zero_grad()
        loss: torch.Tensor = module(logits_NC, torch.from_numpy(targets))
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(evaluate)  # type: ignore[no-untyped-call]
    floor = DeclaredLoss("cross_entropy", {"label_smoothing": 0.1, "weight": weight}, 3).floor(targets)

    assert floor == pytest.approx(float(evaluate().detach()), rel=1e-6)


@pytest.mark.parametrize("full", [False, True])
def test_the_poisson_loss_can_be_negative(full: bool) -> None:
    """Its floor is the loss of a model that predicts every target."""
    targets_N = np.array([1.0, 2.0, 20.0], dtype=np.float32)
    module = nn.PoissonNLLLoss(full=full)
    lowest = float(module(torch.from_numpy(targets_N).log(), torch.from_numpy(targets_N)))

    assert DeclaredLoss("poisson_nll", {"full": full}, 0).floor(targets_N) == pytest.approx(lowest, rel=1e-5)
