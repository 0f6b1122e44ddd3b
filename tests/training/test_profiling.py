"""A profile is a trace in a file and a few lines that say where the time went; the training is the same."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

from pytest_mlspec.errors import TrainingError
from pytest_mlspec.training.batches import Batch
from pytest_mlspec.training.loop import LoopSettings, fit
from pytest_mlspec.training.profiling import Profiler
from pytest_mlspec.training.rotation import RotatingCheckpoints, Rotation
from pytest_mlspec.training.state import State
from pytest_mlspec.training.step import TrainingStep
from pytest_mlspec.training.weights import weights_digest

from .trainings import CROSS_ENTROPY, classification, new_state, source_of, validation_loss


def profiled(folder: Path, steps: int, training_step: TrainingStep | None = None) -> State:
    """A training of `steps` steps whose profile is called `digits`."""
    state = new_state()
    source = source_of(*classification())
    profiler = Profiler(state, folder, "digits", title="digits: train (seed 0)", total_steps=steps)
    checkpoints = RotatingCheckpoints(Rotation(steps=10), folder.parent / "checkpoints")
    with profiler.watching():
        fit(
            state,
            profiler.source(source),
            settings=LoopSettings(batch_size=8, steps=steps),
            loss=CROSS_ENTROPY,
            training_step=training_step,
            evaluate=profiler.evaluate(validation_loss(source)),
            checkpoints=profiler.checkpoints(checkpoints),
            marks=profiler.begin_step,
        )
    return state


@pytest.mark.parametrize(("steps", "seen"), [(1, "1 step"), (4, "3 steps"), (40, "30 steps"), (70, "50 steps")])
def test_the_summary_tells_how_many_steps_it_saw(tmp_path: Path, steps: int, seen: str) -> None:
    """The first ones, up to a third of the training, warm up."""
    profiled(tmp_path / "profiles", steps)
    first = (tmp_path / "profiles" / "digits.txt").read_text().splitlines()[0]

    assert re.fullmatch(rf"digits: train \(seed 0\): {seen} in [\d.]+ ms, [\d.]+ ms a step", first)


def test_the_phases_are_shares_of_the_whole(tmp_path: Path) -> None:
    """Up to the rounding of each."""
    profiled(tmp_path / "profiles", 40)
    line = (tmp_path / "profiles" / "digits.txt").read_text().splitlines()[1]
    shares = {name.strip(): int(share) for name, share in re.findall(r"([a-z ]+) (\d+)%", line)}

    assert list(shares) == ["fetch", "forward", "loss and backward", "update", "evaluation", "checkpoints", "other"]
    assert sum(shares.values()) == pytest.approx(100, abs=4)
    assert shares["checkpoints"] > 0


def test_the_trace_is_one_that_chrome_reads(tmp_path: Path) -> None:
    """Events with names, operators and our phases among them."""
    profiled(tmp_path / "profiles", 4)
    trace = json.loads((tmp_path / "profiles" / "digits.json").read_text())
    names = {event.get("name") for event in trace["traceEvents"]}

    assert {"aten::addmm", "mlspec: forward", "mlspec: update", "mlspec: fetch"} <= names


def test_a_profile_changes_no_training(tmp_path: Path) -> None:
    """To the last bit; and the model keeps no hook."""
    plain = new_state()
    settings = LoopSettings(batch_size=8, steps=20)
    fit(plain, source_of(*classification()), settings=settings, loss=CROSS_ENTROPY)
    state = profiled(tmp_path / "profiles", 20)

    assert weights_digest(state.model) == weights_digest(plain.model)
    assert not state.model._forward_hooks
    assert not state.model._forward_pre_hooks


def test_a_step_that_the_team_owns_is_one_phase(tmp_path: Path) -> None:
    """What it does within it, nobody else can tell apart."""

    def owns(state: State, batch: Batch) -> Tensor:
        state.optimizer.zero_grad()
        loss = CROSS_ENTROPY(state.model(batch.inputs), batch)
        loss.backward()  # type: ignore[no-untyped-call]
        state.optimizer.step()
        return loss

    profiled(tmp_path / "profiles", 8, owns)
    text = (tmp_path / "profiles" / "digits.txt").read_text()

    assert "update 0%" in text
    assert "loss and backward 0%" not in text


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """With its path."""
    (tmp_path / "profiles").write_text("a file")

    with pytest.raises(TrainingError, match=r"the profile cannot be written to .*digits\.json"):
        profiled(tmp_path / "profiles", 4)
    assert not torch.autograd.profiler._is_profiler_enabled
