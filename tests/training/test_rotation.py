"""Checkpoints while a training runs: when they are written, which stay, and that one is always whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_mlspec.errors import TrainingError
from pytest_mlspec.training import checkpoint
from pytest_mlspec.training.early_stop import EarlyStop
from pytest_mlspec.training.loop import Evaluate, LoopSettings, fit
from pytest_mlspec.training.rotation import BEST, RotatingCheckpoints, Rotation
from pytest_mlspec.training.state import State
from pytest_mlspec.training.weights import weights_digest

from .trainings import CROSS_ENTROPY, classification, new_state, scripted, source_of

SETTINGS = LoopSettings(batch_size=8, epochs=4)


def train(
    folder: Path, rule: Rotation, evaluate: Evaluate | None = None, state: State | None = None, **arguments: Any
) -> State:
    """20 steps, 5 an epoch, with checkpoints in `folder`."""
    state = state or new_state()
    fit(
        state,
        source_of(*classification()),
        settings=SETTINGS,
        loss=CROSS_ENTROPY,
        evaluate=evaluate,
        checkpoints=RotatingCheckpoints(rule, folder, **arguments),
    )
    return state


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def steps_of(folder: Path) -> dict[str, int]:
    """The step at which each checkpoint was written."""
    found = {}
    for path in folder.iterdir():
        state = new_state()
        checkpoint.restore(state, path)
        found[path.name] = state.step
    return found


def test_the_last_few_and_the_best_stay(tmp_path: Path) -> None:
    """Every 3 of 20 steps, at most 2 at a time; the best is the second epoch, after step 10."""
    train(tmp_path, Rotation(steps=3, keep=2), scripted(0.5, 0.2, 0.3, 0.4))

    assert steps_of(tmp_path) == {"best": 10, "step-00000015": 15, "step-00000018": 18}


def test_without_validation_the_training_loss_says_which_is_best(tmp_path: Path) -> None:
    """Never the loss of the test split, which must not choose a model."""

    def falling_test_loss(state: State) -> Mapping[str, float]:
        return {"test.loss": [0.1, 0.2, 0.3, 0.4][state.epoch]}

    state = train(tmp_path, Rotation(steps=100), falling_test_loss)

    assert steps_of(tmp_path) == {"best": 20}
    assert state.record.epochs_log[-1]["train.loss"] == min(epoch["train.loss"] for epoch in state.record.epochs_log)


def test_the_best_is_that_of_the_early_stop(tmp_path: Path) -> None:
    """A score is better when it is higher."""
    rule = EarlyStop(monitor="val.accuracy", mode="max")
    train(tmp_path, Rotation(steps=100), scripted(0.5, 0.7, 0.9, 0.6, name="val.accuracy"), best_by=rule)

    assert steps_of(tmp_path) == {"best": 15}


def test_by_time_a_checkpoint_is_written_when_it_has_passed(tmp_path: Path) -> None:
    """Each look at the clock is a second here, and one is taken after each step and each checkpoint."""
    seconds: Iterator[float] = iter(range(1000))
    train(tmp_path, Rotation(seconds=4, keep=100), clock=lambda: float(next(seconds)))

    assert [name for name in names(tmp_path) if name != BEST] == [f"step-{step:08d}" for step in (4, 8, 12, 16, 20)]


@pytest.mark.parametrize("at", ["step-00000003", "step-00000005", "step-00000013", "step-00000020", "best"])
def test_a_training_goes_on_from_any_of_them(tmp_path: Path, at: str) -> None:
    """Within an epoch and at its end, to the last bit."""
    evaluate = scripted(0.5, 0.2, 0.3, 0.4)
    whole = train(tmp_path, Rotation(steps=1, keep=100), evaluate)
    resumed = new_state()
    checkpoint.restore(resumed, tmp_path / at)
    history = fit(resumed, source_of(*classification()), settings=SETTINGS, loss=CROSS_ENTROPY, evaluate=evaluate)

    assert weights_digest(resumed.model) == weights_digest(whole.model)
    assert history.loss_S.tolist() == whole.record.losses
    assert list(history.epochs_log) == whole.record.epochs_log


def test_writing_them_changes_no_training(tmp_path: Path) -> None:
    """They are read from, and not taken part in."""
    plain = new_state()
    fit(plain, source_of(*classification()), settings=SETTINGS, loss=CROSS_ENTROPY)

    assert weights_digest(train(tmp_path, Rotation(steps=1)).model) == weights_digest(plain.model)


def test_an_older_one_stays_until_the_newer_is_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that loses what it was given costs the new checkpoint only."""
    state = train(tmp_path, Rotation(steps=20, keep=1))
    rotating = RotatingCheckpoints(Rotation(steps=1, keep=1), tmp_path)
    state.step = 21
    save = checkpoint.save

    def save_and_lose(state: State, directory: Path) -> None:
        save(state, directory)
        (directory / checkpoint.STATE).write_bytes(b"")

    monkeypatch.setattr(checkpoint, "save", save_and_lose)

    with pytest.raises(TrainingError, match="the checkpoint step-00000021 cannot be read"):
        rotating.save(state)
    assert "step-00000020" in names(tmp_path)


@pytest.mark.parametrize("rule", [{}, {"steps": 1, "seconds": 1.0}, {"steps": 0}, {"steps": 1, "keep": 0}])
def test_a_rule_that_says_nothing_is_refused(rule: dict[str, Any]) -> None:
    """Or two things at once."""
    with pytest.raises(TrainingError) as caught:
        Rotation(**rule)
    assert caught.value.key == "train.checkpoint"
