"""The probe of a team's own checkpoints: sound ones, planted faults, and the core's own held to the same."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from projects import DIGITS, Project

from pytest_mlspec.check import Status, Verdict
from pytest_mlspec.checks.resuming import ResumesParams, resumes
from pytest_mlspec.errors import RecipeError
from pytest_mlspec.evidence import RoundTripped, TrainingRun
from pytest_mlspec.jobs import Interrupt, Resume, RoundTrip, Train
from pytest_mlspec.probes.checkpoints import Trip, cut_off, differing, limits, sizes, taken_apart
from pytest_mlspec.training import checkpoint

SPEC: Mapping[str, Any] = {
    "data": {"source": "sklearn.digits", "split": {"test": 0.8, "val": 0.1}},
    "model": {"use": "mlp", "hidden": [16], "dropout": 0.2},
    "train": {
        "epochs": 2,
        "optimizer": {"use": "adamw", "lr": 1e-2},
        "schedule": {"use": "cosine", "warmup": "20%"},
    },
    "recipe": {"use": "team"},
}

TEAM = """
import os
from collections import OrderedDict
import torch

KEPT = {}

def parts(state):
    return {
        "model": state.model.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "schedule": state.schedule.state_dict(),
        "step": state.step,
        "epoch": state.epoch,
    }

def put_back(state, found):
    state.model.load_state_dict(found["model"], strict=False)
    state.optimizer.load_state_dict(found["optimizer"])
    if "schedule" in found:
        state.schedule.load_state_dict(found["schedule"])
    state.step, state.epoch = found.get("step", state.step), found.get("epoch", state.epoch)

def at_once(found, path):
    torch.save(found, path.with_suffix(".new"))
    os.replace(path.with_suffix(".new"), path)

def restore(state, directory):
    put_back(state, torch.load(directory / "state.pt", weights_only=False))
"""

SAVES = {
    "sound": """
def save(state, directory):
    at_once(parts(state), directory / "state.pt")
""",
    "no schedule": """
def save(state, directory):
    found = parts(state)
    del found["schedule"]
    at_once(found, directory / "state.pt")
""",
    "no epoch": """
def save(state, directory):
    found = parts(state)
    del found["epoch"], found["step"]
    at_once(found, directory / "state.pt")
""",
    "no last layer": """
def save(state, directory):
    found = parts(state)
    found["model"] = OrderedDict(list(found["model"].items())[:-2])
    at_once(found, directory / "state.pt")
""",
    "no moments": """
def save(state, directory):
    found = parts(state)
    found["optimizer"]["state"] = {}
    at_once(found, directory / "state.pt")
""",
    "an alias": """
def save(state, directory):
    KEPT["model"] = state.model.state_dict()
    at_once(parts(state), directory / "state.pt")

def restore(state, directory):
    put_back(state, {**torch.load(directory / "state.pt", weights_only=False), **KEPT})
""",
    "straight to the path": """
def save(state, directory):
    torch.save(parts(state), directory / "state.pt")
""",
    "two files": """
def save(state, directory):
    found = parts(state)
    at_once(found.pop("model"), directory / "model.pt")
    at_once(found, directory / "state.pt")

def restore(state, directory):
    found = torch.load(directory / "state.pt", weights_only=False)
    put_back(state, {**found, "model": torch.load(directory / "model.pt")})
""",
    "nothing": """
def save(state, directory):
    KEPT.update(parts(state))
""",
    "a restore that fails": """
def save(state, directory):
    at_once(parts(state), directory / "state.pt")

def restore(state, directory):
    raise KeyError("step")
""",
}


def tried(project: Project, name: str) -> RoundTripped:
    """What the probe finds in the save of this name."""
    project.write("team", TEAM + SAVES[name])
    evidence = project.run(RoundTrip(), SPEC).evidence
    assert isinstance(evidence, RoundTripped)
    return evidence


def judged(found: RoundTripped, run: TrainingRun, resumed: TrainingRun) -> Verdict:
    return resumes(ResumesParams(), run, resumed, found)


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a save is cut off on Linux alone")


@linux
def test_a_sound_checkpoint_brings_everything_back(project: Project) -> None:
    """In a new state, a step later, and wherever a save is cut off."""
    found = tried(project, "sound")

    assert (found.lost, found.moved, found.outputs, found.failed, found.not_torn) == ((), (), 0.0, "", "")
    assert found.compared > 20
    assert len(found.torn) >= 3
    assert set(found.torn.values()) == {""}
    assert set(found.whole.values()) == {"the first"}


@pytest.mark.parametrize(
    ("name", "lost"),
    [
        ("no schedule", "schedule."),
        ("no epoch", "step"),
        ("no last layer", "model."),
        ("no moments", "optimizer.state."),
    ],
)
def test_what_is_left_out_is_named(project: Project, name: str, lost: str) -> None:
    """By its path within the state."""
    found = tried(project, name)

    assert found.lost
    assert all(path.startswith(lost) or lost == "step" for path in found.lost)
    assert found.torn == {}


def test_outputs_tell_that_a_layer_is_lost(project: Project) -> None:
    """They are those of the new state there."""
    assert tried(project, "no last layer").outputs > 0


def test_an_alias_of_live_weights_moves(project: Project) -> None:
    """Equal right after the save, and no longer one step later."""
    found = tried(project, "an alias")

    assert found.lost == ()
    assert found.moved
    assert all(path.startswith("model.") for path in found.moved)


@linux
def test_a_save_straight_to_the_path_tears_the_only_checkpoint(project: Project) -> None:
    """What is left cannot be read."""
    found = tried(project, "straight to the path")

    assert found.lost == ()
    assert any(found.torn.values())


@linux
def test_two_files_of_two_checkpoints_are_a_mixture(project: Project) -> None:
    """Each is whole, and the training is neither."""
    found = tried(project, "two files")

    assert any("a mixture of both" in what for what in found.torn.values())


def test_a_save_that_writes_nothing_is_an_error(project: Project) -> None:
    """Another process could not restore it."""
    with pytest.raises(RecipeError, match="save wrote nothing"):
        tried(project, "nothing")


def test_a_restore_that_fails_is_told(project: Project) -> None:
    """With what it raised."""
    assert "KeyError" in tried(project, "a restore that fails").failed


@pytest.mark.parametrize("spec", [DIGITS, {**DIGITS, "train": {"engine": "sklearn"}, "model": "LogisticRegression"}])
def test_without_points_of_its_own_nothing_is_tried(project: Project, spec: Mapping[str, Any]) -> None:
    """And it is said so."""
    evidence = project.run(RoundTrip(), spec).evidence

    assert isinstance(evidence, RoundTripped)
    assert "no save and restore" in evidence.unasked


def test_a_training_goes_on_from_the_teams_own_checkpoint(project: Project) -> None:
    """To the last bit; the loop keeps its place, its history and the generators beside it."""
    project.write("team", TEAM + SAVES["sound"])
    run, resumed = project.train(SPEC), project.train(SPEC, Resume(at=0.4))

    assert resumed.weights_digest == run.weights_digest
    assert judged(tried(project, "sound"), run, resumed).status is Status.PASSED


@pytest.mark.parametrize("name", ["no schedule", "no moments", "no last layer"])
def test_a_training_that_lost_something_ends_otherwise(project: Project, name: str) -> None:
    """The resumed training tells it too."""
    project.write("team", TEAM + SAVES[name])
    run, resumed = project.train(SPEC), project.train(SPEC, Resume(at=0.4))
    unasked = RoundTripped(unasked="left out here")

    assert judged(unasked, run, resumed).status is Status.FAILED


def test_the_files_of_the_team_stand_beside_those_of_the_loop(project: Project) -> None:
    """Each in a folder of its own."""
    project.write("team", TEAM + SAVES["sound"])
    work = project.work(SPEC)
    project.run(Interrupt(), SPEC, work=work)

    assert (work.folder / "team" / "state.pt").is_file()
    assert (work.folder / "checkpoint" / checkpoint.STATE).is_file()


@pytest.mark.parametrize(("one", "other"), [("save", "restore"), ("restore", "save")])
def test_one_without_the_other_is_refused(project: Project, one: str, other: str) -> None:
    """Before anything runs."""
    project.write("half", f"def {one}(state, directory):\n    pass\n")

    with pytest.raises(RecipeError, match=f"half gives {one} without {other}") as raised:
        project.run(Train(), {**SPEC, "recipe": {"use": "half"}})
    assert f"define {other}(state, directory) too" in raised.value.advice


@linux
def test_the_core_checkpoint_is_there_whole_or_not_at_all(project: Project, tmp_path: Path) -> None:
    """Wherever it is cut off: the first stays what it was, and the second has no name yet."""
    asked = Trip(project.work(DIGITS), 2)
    state = asked.assembly.new_state(0)
    asked.trained(state, 2)
    folder = tmp_path / "saved"
    checkpoint.save(state, folder / "first")
    saved = taken_apart(state)
    asked.trained(state, 3)
    places = limits(sizes(folder / "first"))
    ended = [cut_off(lambda: checkpoint.save(state, folder / "second"), after=place) for place in places]
    found = asked.assembly.new_state(0)
    checkpoint.restore(found, folder / "first")

    assert places
    assert not any(ended)
    assert not (folder / "second").exists()
    assert differing(saved, taken_apart(found)) == ()


def test_tensors_are_compared_to_the_last_bit() -> None:
    """Their types and shapes too; a number that is not one equals itself."""
    values = torch.tensor([1.0, float("nan")])
    one: dict[str, Any] = {"a": values, "b": 1, "c": float("nan"), "d": None}

    assert differing(one, {**one, "a": values.clone()}) == ()
    assert differing(one, {**one, "a": values.double()}) == ("a",)
    assert differing(one, {**one, "a": torch.tensor([1.0, 2.0]), "b": 2}) == ("a", "b")
    assert differing(one, {"a": values, "b": 1, "c": float("nan")}) == ()
    assert differing({"b": 1}, one) == ("a", "c")
