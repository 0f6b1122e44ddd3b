"""The average of the weights is evaluated, judged and kept in place of the weights."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import Tensor, nn

from pytest_mlspec.errors import TrainingError
from pytest_mlspec.training.early_stop import EarlyStop
from pytest_mlspec.training.ema import Average
from pytest_mlspec.training.loop import LoopSettings, fit
from pytest_mlspec.training.state import State
from pytest_mlspec.training.weights import weights_digest

from .trainings import CROSS_ENTROPY, classification, network, new_state, scripted, source_of


def averaged(decay: float, model: nn.Module | None = None) -> State:
    """A state with an average of its weights."""
    state = new_state(model)
    state.average = Average(state.model, decay)
    return state


def test_the_average_is_that_of_torch() -> None:
    """After the first step it is the weights; then `decay` of itself and the rest of the new weights."""
    model = nn.Linear(1, 1, bias=False)
    average = Average(model, 0.75)
    seen = []
    for step, value in enumerate([4.0, 8.0, 0.0]):
        nn.init.constant_(model.weight, value)
        average.update(model, first=step == 0)
        seen.append(next(average.module.parameters()).item())
    reference = torch.optim.swa_utils.AveragedModel(
        model,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.75),  # type: ignore[no-untyped-call]
    )
    for value in [4.0, 8.0, 0.0]:
        nn.init.constant_(model.weight, value)
        reference.update_parameters(model)

    assert seen == [4.0, 5.0, 3.75]
    assert next(reference.module.parameters()).item() == 3.75


def test_running_statistics_are_averaged_and_counters_copied() -> None:
    """Those of the present weights would not fit the average."""
    model = nn.BatchNorm1d(1)
    average = Average(model, 0.5)
    for step, mean in enumerate([2.0, 4.0]):
        assert isinstance(model.running_mean, Tensor)
        model.running_mean.fill_(mean)
        model.num_batches_tracked.fill_(step + 1)  # type: ignore[union-attr]
        average.update(model, first=step == 0)

    assert average.module.running_mean.tolist() == [3.0]  # type: ignore[operator]
    assert int(average.module.num_batches_tracked) == 2  # type: ignore[arg-type]


def test_a_buffer_that_the_model_assigns_anew_is_followed() -> None:
    """Not the tensor that was there at the beginning."""
    model = nn.Module()
    model.register_buffer("mean", torch.zeros(1))
    average = Average(model, 0.5)
    model.mean = torch.tensor([1.0])
    average.update(model, first=True)

    assert average.module.mean.tolist() == [1.0]  # type: ignore[operator]


def test_a_training_evaluates_and_keeps_the_average() -> None:
    """The weights themselves are those of a training without an average; what is evaluated lies behind them."""
    settings = LoopSettings(batch_size=8, epochs=3)
    plain, state = new_state(), averaged(0.9)
    source = source_of(*classification())
    fit(plain, source, settings=settings, loss=CROSS_ENTROPY)
    fit(state, source, settings=settings, loss=CROSS_ENTROPY)

    assert weights_digest(state.model) == weights_digest(plain.model)
    assert state.average is not None
    assert state.evaluated is state.average.module
    assert weights_digest(state.evaluated) != weights_digest(state.model)


def test_the_best_weights_are_those_of_the_average() -> None:
    """The early stop restores the average as it was after the best epoch."""
    digests = []

    def note(state: State) -> dict[str, float]:
        digests.append(weights_digest(state.evaluated))
        return {"val.loss": [0.5, 0.1, 0.9][state.epoch]}

    state = averaged(0.9)
    settings = LoopSettings(batch_size=8, epochs=3, early_stop=EarlyStop(patience=5))
    fit(state, source_of(*classification()), settings=settings, loss=CROSS_ENTROPY, evaluate=note)

    assert weights_digest(state.evaluated) == digests[1]
    assert len(set(digests)) == 3


def test_a_model_that_cannot_be_copied_has_no_average() -> None:
    """The error names the key, and comes before training."""
    model = network()
    model.lock = threading.Lock()  # type: ignore[assignment]

    with pytest.raises(TrainingError, match="the model cannot be copied") as caught:
        Average(model, 0.9)
    assert caught.value.key == "train.ema"


@pytest.mark.parametrize(("steps", "share"), [(1, 1.0), (2, 0.5), (4, 0.125)])
def test_the_share_of_the_start_is_known(steps: int, share: float) -> None:
    """So that a reader can be told of an average over too few steps."""
    assert Average(network(), 0.5).share_of_start(steps) == share


def test_an_average_without_early_stop_sees_every_metric() -> None:
    """`evaluate` is called with the average at hand in every epoch."""
    state = averaged(0.9)
    history = fit(
        state,
        source_of(*classification()),
        settings=LoopSettings(batch_size=8, epochs=2),
        loss=CROSS_ENTROPY,
        evaluate=scripted(0.3, 0.2),
    )

    assert [epoch["val.loss"] for epoch in history.epochs_log] == [0.3, 0.2]
