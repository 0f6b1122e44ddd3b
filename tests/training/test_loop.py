"""The loop learns, keeps a history, stops where it should, and refuses what is no training."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pytest_mlspec.errors import TrainingError
from pytest_mlspec.training.batches import Batch
from pytest_mlspec.training.early_stop import EarlyStop
from pytest_mlspec.training.evaluation import mean_loss, model_outputs
from pytest_mlspec.training.loop import LoopSettings, fit
from pytest_mlspec.training.seeding import generator, seed_everything
from pytest_mlspec.training.state import State
from pytest_mlspec.training.weights import weights_digest

from .trainings import CROSS_ENTROPY, MSE, classification, network, new_state, scripted, source_of


def test_learns_xor() -> None:
    """A small network separates what no linear one can."""
    seed_everything(0)
    inputs = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    targets = torch.tensor([0, 1, 1, 0])
    model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
    state = new_state(model, ("adam", {"lr": 0.05}))
    fit(state, source_of(inputs, targets), settings=LoopSettings(batch_size=4, steps=200), loss=CROSS_ENTROPY)
    predicted = model_outputs(model, source_of(inputs, None), 4).argmax(1)

    assert predicted.tolist() == [0, 1, 1, 0]


def test_finds_the_coefficients_of_a_linear_regression() -> None:
    """Plain SGD ends at the coefficients that made the data; outputs [N, 1] meet targets [N]."""
    inputs = torch.randn(64, 3, generator=generator(1))
    targets = inputs @ torch.tensor([1.0, -2.0, 0.5]) + 3.0
    model = nn.Linear(3, 1)
    state = new_state(model, ("sgd", {"lr": 0.1}))
    fit(state, source_of(inputs, targets), settings=LoopSettings(batch_size=16, epochs=60), loss=MSE)

    assert model.weight.detach().numpy() == pytest.approx(np.array([[1.0, -2.0, 0.5]]), abs=1e-4)
    assert model.bias.item() == pytest.approx(3.0, abs=1e-4)


def test_the_history_has_one_entry_per_step() -> None:
    """37 rows in batches of 8 make five steps an epoch, the last of five rows."""
    state = new_state()
    history = fit(
        state,
        source_of(*classification()),
        settings=LoopSettings(batch_size=8, epochs=3),
        loss=CROSS_ENTROPY,
        evaluate=scripted(0.3, 0.2, 0.1),
    )

    assert len(history) == state.step == 15
    assert len(history.gradient_norm_S) == len(history.learning_rate_S) == 15
    assert history.rows_S.tolist() == [8, 8, 8, 8, 5] * 3
    assert [epoch["val.loss"] for epoch in history.epochs_log] == [0.3, 0.2, 0.1]
    assert len(history.seconds_E) == 3
    assert history.stopped == "finished 3 epochs"
    assert history.best_epoch is None


def test_the_training_loss_of_an_epoch_is_the_mean_over_its_rows() -> None:
    """A ragged last batch counts by its rows."""
    settings = LoopSettings(batch_size=8, epochs=1)
    history = fit(new_state(), source_of(*classification()), settings=settings, loss=CROSS_ENTROPY)

    expected = float(np.average(history.loss_S, weights=history.rows_S))
    assert history.epochs_log[0]["train.loss"] == pytest.approx(expected, rel=1e-12)


def test_steps_replace_epochs_and_end_within_one() -> None:
    """Seven steps over epochs of five end in the second epoch, which is evaluated too."""
    state = new_state()
    history = fit(
        state,
        source_of(*classification()),
        settings=LoopSettings(batch_size=8, epochs=100, steps=7),
        loss=CROSS_ENTROPY,
        evaluate=scripted(0.3, 0.2),
    )

    assert len(history) == 7
    assert (state.epoch, state.position) == (1, 2)
    assert [epoch["val.loss"] for epoch in history.epochs_log] == [0.3, 0.2]
    assert history.stopped == "finished 7 steps"


def test_the_gradient_norm_is_that_before_clipping() -> None:
    """With SGD at rate 1 and clip_norm 0.01 each step moves the weights by 0.01, whatever norm was recorded."""
    model = network()
    before = torch.cat([parameter.detach().flatten().clone() for parameter in model.parameters()])
    history = fit(
        new_state(model, ("sgd", {"lr": 1.0})),
        source_of(*classification()),
        settings=LoopSettings(batch_size=8, steps=1, clip_norm=0.01),
        loss=CROSS_ENTROPY,
    )
    after = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])

    assert history.gradient_norm_S[0] > 0.1
    assert (after - before).norm().item() == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("name", ["cross_entropy", "mse"])
@pytest.mark.parametrize("drop_last", [False, True])
def test_accumulated_micro_batches_equal_one_large_batch(name: str, drop_last: bool) -> None:
    """3 micro-batches of 5 rows are one batch of 15, also where the last step of an epoch holds 5 + 2 rows."""
    inputs, classes = classification()
    targets = {"cross_entropy": classes, "mse": torch.randn(len(classes), 3, generator=generator(2)).double()}[name]
    loss = {"cross_entropy": CROSS_ENTROPY, "mse": MSE}[name]
    large, small = network().double(), network().double()
    for model, batch_size, accumulate in ((large, 15, 1), (small, 5, 3)):
        fit(
            new_state(model, ("sgd", {"lr": 0.1, "momentum": 0.9})),
            source_of(inputs.double(), targets),
            settings=LoopSettings(batch_size=batch_size, accumulate=accumulate, epochs=4, drop_last=drop_last),
            loss=loss,
        )

    for one, other in zip(large.parameters(), small.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_early_stop_ends_the_training_and_restores_the_best_weights() -> None:
    """Epoch 1 is the best, epochs 2 and 3 are not: the model ends as it was after epoch 1."""
    inputs, targets = classification()
    digests: list[str] = []

    def note(state: State) -> Mapping[str, float]:
        digests.append(weights_digest(state.model))
        return {"val.loss": [0.5, 0.4, 0.6, 0.45, 0.1][state.epoch]}

    state = new_state()
    history = fit(
        state,
        source_of(inputs, targets),
        settings=LoopSettings(batch_size=8, epochs=5, early_stop=EarlyStop(patience=2)),
        loss=CROSS_ENTROPY,
        evaluate=note,
    )

    assert history.stopped == "stopped early at epoch 4: val.loss 0.45, best 0.4 at epoch 2, patience 2"
    assert history.best_epoch == 1
    assert len(history.epochs_log) == 4
    assert weights_digest(state.model) == digests[1]
    assert len(set(digests)) == 4


def test_the_best_weights_are_restored_at_the_normal_end_too() -> None:
    """The last epoch is worse than the first, and patience is not used up."""
    settings = LoopSettings(batch_size=8, epochs=2, early_stop=EarlyStop(patience=5))
    kept = new_state()
    fit(kept, source_of(*classification()), settings=settings, loss=CROSS_ENTROPY, evaluate=scripted(0.1, 0.2))
    one_epoch = new_state()
    fit(one_epoch, source_of(*classification()), settings=LoopSettings(batch_size=8, epochs=1), loss=CROSS_ENTROPY)

    assert weights_digest(kept.model) == weights_digest(one_epoch.model)


def test_early_stop_on_a_score_takes_the_largest() -> None:
    """With mode max a rising score goes on, and min_delta makes a small rise too small."""
    rule = EarlyStop(monitor="val.accuracy", mode="max", min_delta=0.05, patience=1)
    history = fit(
        new_state(),
        source_of(*classification()),
        settings=LoopSettings(batch_size=8, epochs=5, early_stop=rule),
        loss=CROSS_ENTROPY,
        evaluate=scripted(0.5, 0.7, 0.74, 0.9, 0.9, name="val.accuracy"),
    )

    assert history.best_epoch == 1
    assert len(history.epochs_log) == 3


@pytest.mark.parametrize(
    ("evaluate", "message"),
    [
        (None, "val.loss is monitored, but not measured"),
        (scripted(float("nan")), "val.loss is monitored, and is nan"),
    ],
)
def test_early_stop_without_a_number_is_an_error(evaluate: object, message: str) -> None:
    """A metric that is missing or NaN would never improve, and stop a training that was never judged."""
    with pytest.raises(TrainingError, match=message):
        fit(
            new_state(),
            source_of(*classification()),
            settings=LoopSettings(batch_size=8, epochs=2, early_stop=EarlyStop()),
            loss=CROSS_ENTROPY,
            evaluate=evaluate,  # type: ignore[arg-type]
        )


def test_a_loss_that_is_not_finite_names_its_step_and_rows() -> None:
    """A NaN in row 20 of the data reaches the loss in step 2 of an unshuffled epoch, and the message names its batch."""
    inputs, targets = classification()
    inputs[20, 0] = float("nan")

    with pytest.raises(TrainingError) as caught:
        fit(
            new_state(),
            source_of(inputs, targets),
            settings=LoopSettings(batch_size=8, epochs=2, shuffle=False),
            loss=CROSS_ENTROPY,
        )
    assert caught.value.message == (
        "loss is nan at step 3 (epoch 1): the inputs or targets are not finite themselves; rows 20"
    )


def test_a_gradient_that_is_not_finite_is_found_under_a_finite_loss() -> None:
    """The square root of zero is zero; its gradient is not finite."""

    def root_of_squares(outputs: Tensor, batch: Batch) -> Tensor:
        return (outputs * 0).square().sum().sqrt()

    with pytest.raises(TrainingError, match=r"gradient norm is nan, loss 0, at step 1 \(epoch 1\): .* 3\.bias; rows "):
        fit(
            new_state(),
            source_of(*classification()),
            settings=LoopSettings(batch_size=8, epochs=1),
            loss=root_of_squares,
        )


@pytest.mark.parametrize(
    "settings",
    [
        LoopSettings(batch_size=8, epochs=0),
        LoopSettings(batch_size=8, steps=0),
        LoopSettings(batch_size=64, epochs=3, drop_last=True),
        LoopSettings(batch_size=64, steps=3, drop_last=True),
    ],
)
def test_a_training_without_a_step_is_an_error(settings: LoopSettings) -> None:
    """Nothing to train on, or no time to do it in, is never a finished training."""
    with pytest.raises(TrainingError, match="the training has no step"):
        fit(new_state(), source_of(*classification()), settings=settings, loss=CROSS_ENTROPY)


def test_no_rows_are_no_training() -> None:
    """An empty split has no step."""
    with pytest.raises(TrainingError, match="the training has no step: 0 rows"):
        fit(
            new_state(),
            source_of(torch.zeros(0, 6), torch.zeros(0)),
            settings=LoopSettings(batch_size=8, epochs=1),
            loss=CROSS_ENTROPY,
        )


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"batch_size": 0, "epochs": 1}, "train.batch_size"),
        ({"batch_size": 1, "epochs": 1, "accumulate": 0}, "train.accumulate"),
        ({"batch_size": 1}, "train.epochs"),
        ({"batch_size": 1, "epochs": 1, "clip_norm": 0.0}, "train.clip_norm"),
        ({"batch_size": 1, "epochs": 1, "clip_norm": float("nan")}, "train.clip_norm"),
        ({"batch_size": 1, "epochs": 1, "precision": "fp8"}, "train.precision"),
    ],
)
def test_settings_that_contradict_themselves_are_refused(fields: dict[str, float], key: str) -> None:
    """The key of the error is that of the spec."""
    with pytest.raises(TrainingError) as caught:
        LoopSettings(**fields)  # type: ignore[arg-type]
    assert caught.value.key == key


def test_bf16_trains_with_parameters_in_single_precision() -> None:
    """Autocast changes the arithmetic of the forward pass, not the parameters."""
    state = new_state()
    source = source_of(*classification())
    before = mean_loss(state.model, source, CROSS_ENTROPY, 64)
    fit(state, source, settings=LoopSettings(batch_size=8, epochs=5, precision="bf16"), loss=CROSS_ENTROPY)
    single = new_state()
    fit(single, source, settings=LoopSettings(batch_size=8, epochs=5), loss=CROSS_ENTROPY)

    assert mean_loss(state.model, source, CROSS_ENTROPY, 64) < before
    assert {parameter.dtype for parameter in state.model.parameters()} == {torch.float32}
    assert weights_digest(state.model) != weights_digest(single.model)


def test_every_epoch_is_told() -> None:
    """`on_epoch` gets the number of the epoch and all its metrics."""
    told: list[tuple[int, Mapping[str, float]]] = []
    history = fit(
        new_state(),
        source_of(*classification()),
        settings=LoopSettings(batch_size=8, epochs=2),
        loss=CROSS_ENTROPY,
        evaluate=scripted(0.3, 0.2),
        on_epoch=lambda epoch, metrics: told.append((epoch, metrics)),
    )

    assert told == list(enumerate(history.epochs_log))


def test_metrics_that_change_between_epochs_are_an_error() -> None:
    """A metric that is missing in one epoch has no curve."""
    with pytest.raises(TrainingError, match="other metrics than in the epoch before: 0, 1"):
        fit(
            new_state(),
            source_of(*classification()),
            settings=LoopSettings(batch_size=8, epochs=2),
            loss=CROSS_ENTROPY,
            evaluate=lambda state: {str(state.epoch): 1.0},
        )
