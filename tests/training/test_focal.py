"""The focal loss is the paper's: cross-entropy, with less for rows that are right already."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional

from pytest_mlspec.errors import TrainingError
from pytest_mlspec.training.batches import Batch
from pytest_mlspec.training.losses import build, denominator

LOGITS_NC = torch.tensor([[2.0, 0.5, -1.0], [0.1, 0.2, 0.3], [-1.0, 3.0, 0.0], [0.0, 0.0, 4.0]], dtype=torch.float64)
TARGETS_N = torch.tensor([0, 2, 0, 1])
WEIGHT_C = [0.5, 1.0, 4.0]


def batch_of(targets: torch.Tensor) -> Batch:
    return Batch(torch.zeros(len(targets), 1), targets, torch.arange(len(targets)))


@pytest.mark.parametrize("weight", [None, WEIGHT_C])
def test_gamma_zero_is_cross_entropy(weight: list[float] | None) -> None:
    """With class weights too: both divide by the weights of the rows."""
    arguments = {"weight": weight}
    focal = build("focal", {"gamma": 0.0, **arguments})(LOGITS_NC, batch_of(TARGETS_N))

    assert focal.item() == pytest.approx(build("cross_entropy", arguments)(LOGITS_NC, batch_of(TARGETS_N)).item())


def test_a_row_counts_by_how_wrong_it_is() -> None:
    """(1 − p)^gamma of its cross-entropy, written out."""
    shares_N = LOGITS_NC.softmax(1)[torch.arange(4), TARGETS_N]
    expected = ((1 - shares_N) ** 2 * -shares_N.log()).mean()

    assert build("focal", {})(LOGITS_NC, batch_of(TARGETS_N)).item() == pytest.approx(expected.item(), rel=1e-12)


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
@pytest.mark.parametrize("arguments", [{}, {"gamma": 1.0, "alpha": 0.25}, {"weight": [3.0, 1.0]}])
def test_one_logit_is_two_of_which_the_first_is_zero(shape: tuple[int, ...], arguments: dict[str, Any]) -> None:
    """The sigmoid of a logit is the softmax of it and zero."""
    logits_N = torch.tensor([0.3, -2.0, 1.0, 0.0], dtype=torch.float64)
    two_NC = torch.stack([torch.zeros(4, dtype=torch.float64), logits_N], dim=1)
    targets = batch_of(torch.tensor([1, 0, 0, 1]))
    loss = build("focal", arguments)

    assert loss(logits_N.reshape(shape), targets).item() == pytest.approx(loss(two_NC, targets).item(), rel=1e-12)


def test_alpha_is_the_weight_of_the_second_class() -> None:
    """1 − alpha that of the first, as in the paper."""
    two_NC, targets = LOGITS_NC[:, :2], batch_of(torch.tensor([0, 1, 0, 1]))

    expected = build("focal", {"weight": [0.75, 0.25]})(two_NC, targets)
    assert build("focal", {"alpha": 0.25})(two_NC, targets).item() == expected.item()


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_the_gradient_of_a_certain_row_is_finite(gamma: float) -> None:
    """Where the probability is 1, a power below 1 has an infinite derivative."""
    logits_NC = torch.tensor([[200.0, -200.0], [-200.0, 200.0]], requires_grad=True)
    build("focal", {"gamma": gamma})(logits_NC, batch_of(torch.tensor([0, 0]))).backward()  # type: ignore[no-untyped-call]

    assert logits_NC.grad is not None
    assert logits_NC.grad.isfinite().all()
    assert logits_NC.grad[1].any()


@pytest.mark.parametrize(
    ("name", "arguments", "one"),
    [
        ("focal", {"weight": WEIGHT_C}, False),
        ("focal", {"gamma": 1.0}, False),
        ("focal", {"alpha": 0.1}, True),
        ("cross_entropy", {"weight": WEIGHT_C}, False),
        ("cross_entropy", {"weight": WEIGHT_C, "label_smoothing": 0.1}, False),
        ("multi_margin", {"weight": WEIGHT_C}, False),
        ("binary_cross_entropy_with_logits", {"pos_weight": 5.0}, True),
    ],
)
def test_ragged_parts_make_the_mean_of_the_whole(name: str, arguments: dict[str, Any], one: bool) -> None:
    """Each part counts by its denominator, so accumulation is exact under class weights."""
    loss = build(name, arguments)
    outputs, targets = (LOGITS_NC[:, 0], torch.tensor([1, 0, 0, 1])) if one else (LOGITS_NC, TARGETS_N)
    parts = [(outputs[:3], batch_of(targets[:3])), (outputs[3:], batch_of(targets[3:]))]
    weights = [denominator(loss, batch) for _, batch in parts]
    mean = sum(loss(values, batch) * weight for (values, batch), weight in zip(parts, weights, strict=True)) / sum(
        weights
    )

    assert float(mean) == pytest.approx(loss(outputs, batch_of(targets)).item(), rel=1e-7)


def test_class_numbers_as_floats_count_by_their_weights_too() -> None:
    """Torch divides by the weights of the classes that they stand for."""
    loss = build("cross_entropy", {"weight": WEIGHT_C})

    assert float(denominator(loss, batch_of(TARGETS_N.float()))) == 0.5 + 4.0 + 0.5 + 1.0
    assert denominator(loss, batch_of(functional.one_hot(TARGETS_N, 3).double())) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gamma": -1.0}, "gamma is -1.0, at least 0"),
        ({"alpha": 1.0}, "alpha is 1.0, more than 0 and less than 1"),
        ({"alpha": 0.5, "weight": [1.0, 1.0]}, "alpha and weight both weigh the classes"),
        ({"alpha": 0.5}, "2 class weights for 3 outputs"),
    ],
)
def test_what_the_focal_loss_does_not_take_is_refused(arguments: dict[str, Any], message: str) -> None:
    """When it is made, or when it sees the outputs."""
    with pytest.raises(TrainingError, match=message):
        build("focal", arguments)(LOGITS_NC, batch_of(TARGETS_N))
