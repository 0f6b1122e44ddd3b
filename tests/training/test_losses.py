"""Losses by name: values are torch's, shapes agree or training ends."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from pytest_mlspec.errors import TrainingError
from pytest_mlspec.language.names import LOSSES
from pytest_mlspec.training.batches import Batch
from pytest_mlspec.training.losses import build, denominator
from pytest_mlspec.training.seeding import generator


def batch_of(targets: Tensor | None, rows: int = 5) -> Batch:
    return Batch(torch.zeros(rows, 1), targets, torch.arange(rows))


OUTPUTS = torch.rand(5, 3, generator=generator(0)) * 0.8 + 0.1
TARGETS = {
    "class": torch.tensor([0, 2, 1, 1, 0]),
    "classes": torch.tensor([[1, -1, -1], [0, 2, -1], [2, -1, -1], [0, 1, 2], [1, 2, -1]]),
    "values": torch.tensor([[1.0, 1.0, 1.0]]).repeat(5, 1),
}


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_every_loss_gives_a_finite_scalar_with_a_gradient(name: str) -> None:
    """With its defaults, on outputs between 0 and 1 and targets of its own kind."""
    outputs = OUTPUTS.clone().requires_grad_()
    loss = build(name, {})(outputs, batch_of(TARGETS[LOSSES[name].targets]))
    loss.backward()  # type: ignore[no-untyped-call]

    assert loss.dim() == 0
    assert bool(loss.isfinite())
    assert outputs.grad is not None
    assert bool(outputs.grad.isfinite().all())


@pytest.mark.parametrize("name", ["mse", "l1", "huber", "smooth_l1", "binary_cross_entropy_with_logits", "poisson_nll"])
@pytest.mark.parametrize(("outputs", "targets"), [((5, 1), (5,)), ((5,), (5, 1)), ((5, 1), (5, 1)), ((5,), (5,))])
def test_one_output_a_row_meets_one_target_a_row(name: str, outputs: tuple[int, ...], targets: tuple[int, ...]) -> None:
    """[N, 1] and [N] mean the same, and are never broadcast to [N, N]."""
    output = torch.linspace(-1, 1, 5)
    target = torch.tensor([0.0, 1.0, 1.0, 0.0, 1.0])
    loss = build(name, {})

    expected = loss(output, batch_of(target))
    assert loss(output.reshape(outputs), batch_of(target.reshape(targets))).item() == expected.item()


def test_shapes_that_would_broadcast_are_an_error() -> None:
    """Three outputs a row and one target a row: both shapes are named."""
    with pytest.raises(TrainingError, match=r"mse: outputs \[5, 3\] do not fit targets \[5\]") as caught:
        build("mse", {})(OUTPUTS, batch_of(torch.zeros(5)))
    assert caught.value.key == "train.loss"


@pytest.mark.parametrize(
    ("outputs", "targets", "message"),
    [
        (torch.zeros(5), torch.zeros(5), r"needs outputs \[rows, classes\]"),
        (torch.zeros(5, 1), torch.zeros(5), "needs an output for each class"),
        (torch.zeros(5, 3), torch.zeros(4), r"outputs \[5, 3\] do not fit targets \[4\]"),
        (torch.zeros(5, 3), torch.full((5,), 3), "Target 3 is out of bounds"),
        (torch.zeros(5, 3), None, "needs targets"),
        ({"logits": torch.zeros(5, 3)}, torch.zeros(5), "the model returns a dict"),
    ],
)
def test_cross_entropy_refuses_what_is_not_classes(outputs: Any, targets: Tensor | None, message: str) -> None:
    """Each mistake has its message."""
    with pytest.raises(TrainingError, match=message):
        build("cross_entropy", {})(outputs, batch_of(targets))


def test_cross_entropy_takes_any_integer_type_a_column_and_probabilities() -> None:
    """Class numbers as int32, as floats from a table, as a column; or a probability for each class."""
    loss = build("cross_entropy", {})
    classes = TARGETS["class"]
    expected = functional.cross_entropy(OUTPUTS, classes)

    assert loss(OUTPUTS, batch_of(classes.int())).item() == expected.item()
    assert loss(OUTPUTS, batch_of(classes.float())).item() == expected.item()
    assert loss(OUTPUTS, batch_of(classes.unsqueeze(1))).item() == expected.item()
    one_hot = functional.one_hot(classes, 3).float()
    assert loss(OUTPUTS, batch_of(one_hot)).item() == pytest.approx(expected.item(), rel=1e-6)


def test_cross_entropy_takes_a_class_for_every_token() -> None:
    """Outputs [N, C, L] and class numbers [N, L]."""
    outputs = torch.randn(2, 3, 4, generator=generator(1))
    targets = torch.tensor([[0, 1, 2, 0], [2, 2, 1, 0]])

    expected = functional.cross_entropy(outputs, targets)
    assert build("cross_entropy", {})(outputs, batch_of(targets, rows=2)).item() == expected.item()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_class_weights_follow_the_precision_of_the_outputs(dtype: torch.dtype) -> None:
    """A list in the spec becomes a tensor, rounded from the exact number each time."""
    loss = build("cross_entropy", {"weight": [0.3, 1.0, 5.0]})
    loss(OUTPUTS.bfloat16(), batch_of(TARGETS["class"]))
    value = loss(OUTPUTS.to(dtype), batch_of(TARGETS["class"]))

    weight = torch.tensor([0.3, 1.0, 5.0], dtype=torch.float64).to(dtype)
    assert value.item() == functional.cross_entropy(OUTPUTS.to(dtype), TARGETS["class"], weight).item()


def test_class_weights_of_another_length_are_an_error() -> None:
    """Two weights for three classes."""
    with pytest.raises(TrainingError, match="2 class weights for 3 outputs"):
        build("cross_entropy", {"weight": [1.0, 2.0]})(OUTPUTS, batch_of(TARGETS["class"]))


def test_double_precision_keeps_targets_in_double_precision() -> None:
    """A float64 comparison is not spoilt by a target rounded to float32."""
    target = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5], dtype=torch.float64)

    assert build("mse", {})(target.clone(), batch_of(target)).item() == 0.0


def test_the_denominator_is_what_torch_divides_by() -> None:
    """Rows; for class weights the sum of the weights of the targets that count."""
    classes = batch_of(torch.tensor([0, 2, -100, 1, 0]))

    assert denominator(build("mse", {}), classes) == 5
    assert denominator(lambda outputs, batch: outputs.mean(), classes) == 5
    assert float(denominator(build("cross_entropy", {}), classes)) == 4.0
    assert float(denominator(build("nll", {"weight": [1.0, 2.0, 4.0]}), classes)) == 8.0


@pytest.mark.parametrize(
    ("name", "arguments", "message", "advice"),
    [
        ("cross_entrpy", {}, "unknown loss 'cross_entrpy'", "did you mean 'cross_entropy'?"),
        ("huber", {"detla": 1.0}, "huber takes no argument 'detla'", "did you mean 'delta'?"),
        ("multi_margin", {"p": 3}, "multi_margin cannot be made", ""),
        ("cross_entropy", {"weight": "heavy"}, "cross_entropy cannot be made", ""),
    ],
)
def test_what_torch_does_not_take_is_refused(name: str, arguments: dict[str, Any], message: str, advice: str) -> None:
    """With the nearest name."""
    with pytest.raises(TrainingError, match=message) as caught:
        build(name, arguments)(OUTPUTS, batch_of(TARGETS["values"]))
    assert advice in caught.value.advice
