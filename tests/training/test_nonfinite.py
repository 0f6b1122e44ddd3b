"""A loss or gradient that is not finite stops the training at once, with the step, the rows and the layer."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from pytest_mlspec.training.batches import Batch
from pytest_mlspec.training.loop import LoopSettings, fit
from pytest_mlspec.training.nonfinite import NonFiniteError
from pytest_mlspec.training.state import State
from pytest_mlspec.training.weights import weights_digest

from .trainings import CROSS_ENTROPY, FEATURES, classification, network, new_state, source_of

SETTINGS = LoopSettings(batch_size=8, epochs=3, shuffle=False)


class Broken(nn.Module):
    """The network with a step between its layers that goes wrong from the `nth` call in training on."""

    def __init__(self, go_wrong: Callable[[Tensor], Tensor], nth: int = 3) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(FEATURES, 8), nn.Linear(8, 8), nn.Linear(8, 3)
        self.between = Wrong(go_wrong, nth)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.last(self.second(self.between(self.first(inputs))))
        return outputs


class Wrong(nn.Module):
    def __init__(self, go_wrong: Callable[[Tensor], Tensor], nth: int) -> None:
        super().__init__()
        self.go_wrong, self.nth, self.calls = go_wrong, nth, 0

    def forward(self, inputs: Tensor) -> Tensor:
        self.calls += 1
        return self.go_wrong(inputs) if self.calls >= self.nth else inputs


def divides_by_zero(inputs: Tensor) -> Tensor:
    return inputs / 0


def root_of_zero(inputs: Tensor) -> Tensor:
    """Zero, with a gradient that is not a number."""
    return (inputs * 0).abs().sqrt()


def training_error(state: State, **arguments: object) -> NonFiniteError:
    """The error that a training of `state` ends with."""
    inputs, targets = classification()
    with pytest.raises(NonFiniteError) as caught:
        fit(state, source_of(inputs, targets), settings=SETTINGS, **{"loss": CROSS_ENTROPY, **arguments})  # type: ignore[arg-type]
    return caught.value


def test_the_layer_whose_output_is_first_not_finite_is_named() -> None:
    """Not those behind it, nor the model around it."""
    state = new_state(Broken(divides_by_zero))
    error = training_error(state)

    assert error.message == (
        "loss is nan at step 3 (epoch 1): first in the output of between (Wrong); rows 16, 17, 18, 19, 20, 21, 22, 23"
    )
    assert error.rows == tuple(range(16, 24))
    assert state.step == 2


def test_the_parameter_whose_gradient_is_first_not_finite_is_named() -> None:
    """Backward meets it before those of the layers in front of it."""
    error = training_error(new_state(Broken(root_of_zero, nth=1)))

    assert error.layer == "first in the gradient of first.bias"
    assert error.message.startswith("gradient norm is nan, loss ")


def test_a_loss_that_breaks_by_itself_is_told_apart() -> None:
    """All layers are finite there."""
    error = training_error(new_state(), loss=lambda outputs, batch: CROSS_ENTROPY(outputs, batch) * float("inf"))

    assert error.layer == "the outputs of every layer are finite, the loss of them is not"


def test_the_weights_are_those_before_the_step() -> None:
    """So the step can be taken again, and the model be looked at in a debugger."""
    good, bad = new_state(Broken(divides_by_zero, nth=1000)), new_state(Broken(divides_by_zero))
    bad.model.load_state_dict(good.model.state_dict())
    fit(good, source_of(*classification()), settings=SETTINGS, loss=CROSS_ENTROPY, until=2)
    training_error(bad)

    assert weights_digest(bad.model) == weights_digest(good.model)


def test_weights_that_are_not_finite_from_the_start_are_named() -> None:
    """Such as those of a file, or of an initialisation that divides by zero."""
    model = network()
    nn.init.constant_(model[3].bias, float("inf"))  # type: ignore[arg-type]

    assert training_error(new_state(model)).layer == "the weights 3.bias are not finite before the step"


def test_rows_whose_inputs_are_not_finite_are_named_alone() -> None:
    """Of all the rows of the step."""
    inputs, targets = classification()
    inputs[20, 0], inputs[22, 3] = float("nan"), float("inf")
    with pytest.raises(NonFiniteError) as caught:
        fit(new_state(), source_of(inputs, targets), settings=SETTINGS, loss=CROSS_ENTROPY)

    assert caught.value.rows == (20, 22)
    assert caught.value.layer == "the inputs or targets are not finite themselves"


def test_what_a_step_draws_at_random_is_said_to_matter() -> None:
    """A step that is finite when it is taken again names no layer."""
    broken = Broken(divides_by_zero)
    original = broken.between.forward
    broken.between.forward = lambda inputs: original(inputs) if broken.between.calls < 3 else inputs  # type: ignore[method-assign]

    assert "finite when it was taken again" in training_error(new_state(broken)).message


def test_a_step_that_the_team_owns_is_looked_at_too() -> None:
    """Its weights are overwritten by then, which the message says."""

    def owns(state: State, batch: Batch) -> Tensor:
        state.optimizer.zero_grad()
        loss = CROSS_ENTROPY(state.model(batch.inputs), batch)
        loss.backward()  # type: ignore[no-untyped-call]
        state.optimizer.step()
        return loss

    error = training_error(new_state(Broken(divides_by_zero)), training_step=owns)

    assert "at step 3 (epoch 1): the weights first.weight are not finite" in error.message


def test_micro_batches_are_taken_again_together() -> None:
    """The rows are those of the whole step."""
    settings = LoopSettings(batch_size=4, accumulate=2, epochs=1, shuffle=False)
    with pytest.raises(NonFiniteError) as caught:
        fit(new_state(Broken(divides_by_zero)), source_of(*classification()), settings=settings, loss=CROSS_ENTROPY)

    assert caught.value.rows == tuple(range(8, 16))
    assert caught.value.layer == "first in the output of between (Wrong)"


def test_a_model_that_returns_several_tensors_is_looked_into() -> None:
    """In tuples, lists and dicts."""

    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(FEATURES, 3)

        def forward(self, inputs: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
            outputs = self.head(inputs)
            return {"out": (outputs, outputs / 0)}

    def loss(outputs: dict[str, tuple[Tensor, Tensor]], batch: Batch) -> Tensor:
        return outputs["out"][1].mean()

    assert training_error(new_state(Pair()), loss=loss).layer == "first in the output of the model (Pair)"


def test_hooks_are_gone_afterwards() -> None:
    """The model is left as it was."""
    model = Broken(divides_by_zero)
    training_error(new_state(model))

    assert all(not module._forward_hooks for module in model.modules())
    assert torch.tensor([not parameter._backward_hooks for parameter in model.parameters()]).all()
