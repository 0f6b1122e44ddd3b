"""One step: who owns backward and the optimiser's step is seen from what the user's code does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pytest_mlspec.errors import TrainingError
from pytest_mlspec.training.batches import Batch
from pytest_mlspec.training.loop import LoopSettings, fit
from pytest_mlspec.training.losses import build
from pytest_mlspec.training.state import State
from pytest_mlspec.training.step import compute_gradients, take_step
from pytest_mlspec.training.weights import weights_digest

from .trainings import CROSS_ENTROPY, classification, network, new_state, source_of

Step = Callable[[State, Batch], Any]
FIRST_ROWS = torch.arange(8)


def loss_of(state: State, batch: Batch) -> Tensor:
    return nn.functional.cross_entropy(state.model(batch.inputs), batch.targets)  # type: ignore[arg-type]


def returns_the_loss(state: State, batch: Batch) -> Tensor:
    return loss_of(state, batch)


def owns_the_step(state: State, batch: Batch) -> Tensor:
    state.optimizer.zero_grad()
    loss = loss_of(state, batch)
    loss.backward()  # type: ignore[no-untyped-call]
    state.optimizer.step()
    return loss


def owns_the_step_and_clears_after_it(state: State, batch: Batch) -> float:
    loss = loss_of(state, batch)
    loss.backward()  # type: ignore[no-untyped-call]
    state.optimizer.step()
    state.optimizer.zero_grad()
    return loss.item()


def forgets_to_step(state: State, batch: Batch) -> Tensor:
    loss = loss_of(state, batch)
    loss.backward()  # type: ignore[no-untyped-call]
    return loss


def clears_and_forgets_to_step(state: State, batch: Batch) -> Tensor:
    state.optimizer.zero_grad()
    return forgets_to_step(state, batch)


def returns_nothing(state: State, batch: Batch) -> None:
    owns_the_step(state, batch)


def returns_a_loss_per_row(state: State, batch: Batch) -> Tensor:
    return nn.functional.cross_entropy(state.model(batch.inputs), batch.targets, reduction="none")  # type: ignore[arg-type]


def returns_a_number(state: State, batch: Batch) -> float:
    return loss_of(state, batch).item()


def returns_a_detached_loss(state: State, batch: Batch) -> Tensor:
    return loss_of(state, batch).detach()


def steps_without_gradients(state: State, batch: Batch) -> Tensor:
    state.optimizer.step()
    return loss_of(state, batch)


@pytest.mark.parametrize(
    ("training_step", "owned"),
    [(returns_the_loss, False), (owns_the_step, True), (owns_the_step_and_clears_after_it, True)],
)
def test_every_way_to_write_a_step_takes_the_same_step(training_step: Step, owned: bool) -> None:
    """Whoever calls backward, weights, loss and gradient norm are those of the loop's own step."""
    source = source_of(*classification())
    reference, state = new_state(), new_state()
    expected = take_step(reference, [source.fetch(FIRST_ROWS)], loss=CROSS_ENTROPY)
    result = take_step(state, [source.fetch(FIRST_ROWS)], loss=CROSS_ENTROPY, training_step=training_step)

    assert result.owned is owned
    assert weights_digest(state.model) == weights_digest(reference.model)
    assert result.loss.item() == expected.loss.item()
    assert result.gradient_norm.item() == expected.gradient_norm.item()


@pytest.mark.parametrize("training_step", [returns_the_loss, owns_the_step, owns_the_step_and_clears_after_it])
def test_a_whole_training_with_the_users_step_equals_the_loops(training_step: Step) -> None:
    """Also over several epochs, where gradients are left over from the step before."""
    settings = LoopSettings(batch_size=8, epochs=3)
    reference, state = new_state(), new_state()
    source = source_of(*classification())
    expected = fit(reference, source, settings=settings, loss=CROSS_ENTROPY)
    history = fit(state, source, settings=settings, loss=CROSS_ENTROPY, training_step=training_step)

    assert weights_digest(state.model) == weights_digest(reference.model)
    assert history.loss_S.tolist() == expected.loss_S.tolist()
    assert history.gradient_norm_S.tolist() == expected.gradient_norm_S.tolist()


@pytest.mark.parametrize(
    ("training_step", "message"),
    [
        (forgets_to_step, r"called backward\(\), but state.optimizer did not step"),
        (clears_and_forgets_to_step, r"called backward\(\), but state.optimizer did not step"),
        (returns_nothing, "training_step returned nothing"),
        (returns_a_loss_per_row, r"returned a tensor of shape \[8\], not one number"),
        (returns_a_number, "returned a float, not a tensor"),
        (returns_a_detached_loss, "does not depend on the model's parameters"),
        (steps_without_gradients, "no parameter of the optimizer has a gradient"),
    ],
)
def test_half_a_step_is_an_error(training_step: Step, message: str) -> None:
    """Each way to write half a training step has a message of its own."""
    batch = source_of(*classification()).fetch(FIRST_ROWS)

    with pytest.raises(TrainingError, match=message):
        take_step(new_state(), [batch], loss=CROSS_ENTROPY, training_step=training_step)


def test_half_a_step_is_found_with_gradients_left_over() -> None:
    """Gradients that another step has left do not hide that this one called backward alone."""
    batch = source_of(*classification()).fetch(FIRST_ROWS)
    state = new_state()
    take_step(state, [batch], loss=CROSS_ENTROPY)

    with pytest.raises(TrainingError, match="did not step"):
        take_step(state, [batch], loss=CROSS_ENTROPY, training_step=clears_and_forgets_to_step)


def test_a_step_that_is_owned_cannot_be_clipped() -> None:
    """The declared clip_norm would otherwise be ignored in silence."""
    batch = source_of(*classification()).fetch(FIRST_ROWS)

    with pytest.raises(TrainingError) as caught:
        take_step(new_state(), [batch], loss=CROSS_ENTROPY, training_step=owns_the_step, clip_norm=1.0)
    assert caught.value.key == "train.clip_norm"


def test_a_step_that_is_owned_cannot_accumulate() -> None:
    """A step per micro-batch is not the declared step."""
    batch = source_of(*classification()).fetch(FIRST_ROWS)

    with pytest.raises(TrainingError) as caught:
        take_step(new_state(), [batch, batch], loss=CROSS_ENTROPY, training_step=owns_the_step)
    assert caught.value.key == "train.accumulate"


def test_the_users_loss_can_be_accumulated() -> None:
    """A step that returns the loss alone is weighted by rows, like the loop's own."""
    source = source_of(*classification())
    micro_batches = [source.fetch(index) for index in torch.arange(11).split(4)]  # type: ignore[no-untyped-call]
    reference, state = new_state(network()), new_state(network())
    take_step(reference, micro_batches, loss=CROSS_ENTROPY)
    take_step(state, micro_batches, loss=CROSS_ENTROPY, training_step=returns_the_loss)

    assert weights_digest(state.model) == weights_digest(reference.model)


@pytest.mark.parametrize(
    "arguments",
    [{"weight": [0.2, 1.0, 5.0]}, {"ignore_index": 1}, {"weight": [0.2, 1.0, 5.0], "ignore_index": 0}],
)
def test_class_weights_do_not_break_accumulation(arguments: dict[str, Any]) -> None:
    """Torch divides by the weights of the classes in a batch, so a micro-batch counts by those and not by its rows."""
    inputs, targets = classification()
    source = source_of(inputs.double(), targets)
    loss = build("cross_entropy", arguments)
    whole, parts = new_state(network().double()), new_state(network().double())
    mean = compute_gradients(whole, [source.fetch(torch.arange(11))], loss=loss)
    micro_batches = [source.fetch(index) for index in torch.arange(11).split(4)]  # type: ignore[no-untyped-call]
    mean_of_parts = compute_gradients(parts, micro_batches, loss=loss)

    torch.testing.assert_close(mean_of_parts, mean, rtol=0, atol=1e-12)
    for one, other in zip(whole.model.parameters(), parts.model.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=0, atol=1e-12)


def test_gradients_left_over_change_nothing() -> None:
    """The loop's own step replaces them."""
    batch = source_of(*classification()).fetch(FIRST_ROWS)
    clean, poisoned = new_state(), new_state()
    for parameter in poisoned.model.parameters():
        parameter.grad = torch.full_like(parameter, 1e3)
    take_step(clean, [batch], loss=CROSS_ENTROPY)
    take_step(poisoned, [batch], loss=CROSS_ENTROPY)

    assert weights_digest(poisoned.model) == weights_digest(clean.model)


def test_sparse_gradients_are_measured_and_clipped() -> None:
    """Those of an embedding: the norm is that of the same gradients written out, and clipping scales them to it."""
    norms = []
    for sparse in (False, True):
        torch.manual_seed(0)
        bag = nn.EmbeddingBag(8, 4, mode="sum", sparse=sparse)
        model = nn.Sequential(bag, nn.Linear(4, 3))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        state = State(model, optimizer, None, 0, torch.device("cpu"))
        rows = Batch(torch.tensor([[1, 1], [2, 5]]), torch.tensor([0, 2]), torch.arange(2))
        result = take_step(state, [rows], loss=CROSS_ENTROPY, clip_norm=0.01)
        norms.append((float(result.gradient_norm), bag.weight.detach().clone()))

    assert norms[0][0] == pytest.approx(norms[1][0], rel=1e-5)
    torch.testing.assert_close(norms[0][1], norms[1][1])


def test_a_loss_function_that_forgets_the_mean_is_an_error() -> None:
    """A loss per row is not a scalar."""
    batch = source_of(*classification()).fetch(FIRST_ROWS)

    with pytest.raises(TrainingError, match=r"the loss function returned a tensor of shape \[8\]"):
        take_step(new_state(), [batch], loss=lambda outputs, batch: outputs.sum(1))
