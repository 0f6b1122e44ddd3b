"""A compiled training is that of the eager model as far as rounding goes, and the model itself stays eager."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from pytest_mlspec.errors import TrainingError
from pytest_mlspec.training.compilation import compiled, compiler_errors
from pytest_mlspec.training.loop import LoopSettings, fit
from pytest_mlspec.training.nonfinite import NonFiniteError
from pytest_mlspec.training.weights import weights_of

from .trainings import CROSS_ENTROPY, FEATURES, classification, network, new_state, source_of, validation_loss

SETTINGS = LoopSettings(batch_size=8, epochs=2)


class Traced(nn.Module):
    """In the place of torch's compiler, which takes seconds to load: calls the model and counts."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model, self.calls = model, 0

    def forward(self, inputs: Tensor) -> Tensor:
        self.calls += 1
        outputs: Tensor = self.model.forward(inputs)  # without the hooks of the model, as a compiled graph
        return outputs


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", Traced)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit.script_method.*:DeprecationWarning")
def test_a_compiled_training_learns_the_same() -> None:
    """Ragged last batches included; the names of the weights are those of the model, which can be copied and probed."""
    source = source_of(*classification())
    eager, state = new_state(), new_state()
    state.compiled = compiled(state.model)
    expected = fit(eager, source, settings=SETTINGS, loss=CROSS_ENTROPY)
    history = fit(state, source, settings=SETTINGS, loss=CROSS_ENTROPY)
    double = copy.deepcopy(state.model).double()

    assert history.loss_S == pytest.approx(expected.loss_S, rel=1e-4)
    assert list(weights_of(state.model)) == ["0.weight", "0.bias", "3.weight", "3.bias"]
    assert double(torch.zeros(1, FEATURES, dtype=torch.float64)).dtype == torch.float64


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit.script_method.*:DeprecationWarning")
def test_a_compiler_that_does_not_work_is_an_error_of_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as one that cannot be started."""
    import torch._inductor.config

    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", (None, "/nowhere"))
    model = nn.Sequential(nn.Linear(FEATURES, 5), nn.Tanh(), nn.Linear(5, 3))
    state = new_state(model)
    state.compiled = compiled(model)

    with (
        pytest.raises(TrainingError, match=r"torch\.compile failed: .*InvalidCxxCompiler") as caught,
        compiler_errors(),
    ):
        fit(state, source_of(*classification()), settings=SETTINGS, loss=CROSS_ENTROPY)
    assert caught.value.key == "train.compile"


@pytest.mark.usefixtures("traced")
def test_a_step_calls_what_is_compiled_and_an_evaluation_does_not() -> None:
    """What is evaluated is what is stored and probed."""
    state = new_state()
    state.compiled = compiled(state.model)
    source = source_of(*classification())
    fit(state, source, settings=SETTINGS, loss=CROSS_ENTROPY, evaluate=validation_loss(source))

    assert isinstance(state.compiled, Traced)
    assert state.compiled.calls == state.step == 10


@pytest.mark.usefixtures("traced")
def test_the_layer_of_a_compiled_step_is_found() -> None:
    """It is taken again by the eager model, whose modules can be watched."""
    model = network()
    nn.init.constant_(model[3].weight, 3e38)  # type: ignore[arg-type]
    state = new_state(model)
    state.compiled = compiled(state.model)
    with pytest.raises(NonFiniteError) as caught:
        fit(state, source_of(*classification()), settings=SETTINGS, loss=CROSS_ENTROPY)

    assert caught.value.layer == "first in the output of 3 (Linear)"


def test_any_other_error_passes() -> None:
    """It is the model's own."""
    with pytest.raises(KeyError), compiler_errors():
        raise KeyError("features")
