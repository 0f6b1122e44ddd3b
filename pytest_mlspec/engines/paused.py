"""A training put into a folder and taken up again: by the core's checkpoint, or by the team's own `save` and `restore`.

With a recipe's own points, what belongs to the team is theirs to keep (`checkpoint.parts`); what the loop keeps for itself
(its place within the epoch, its history, its early stop, the global generators) is written beside.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from pytest_mlspec.errors import RecipeError
from pytest_mlspec.recipe.protocol import Recipe
from pytest_mlspec.training import checkpoint
from pytest_mlspec.training.state import State

_OURS, _TEAM = "checkpoint", "team"
STATE = f"{_OURS}/{checkpoint.STATE}"
"""The file that every paused training has, below its folder."""


def has_own(recipe: Recipe) -> bool:
    """Whether the recipe saves and restores a training itself."""
    return recipe.save is not None and recipe.restore is not None


def pause(state: State, recipe: Recipe, folder: Path) -> None:
    """Writes `state` below `folder`. Raises RecipeError where the team's `save` writes nothing there."""
    if not has_own(recipe):
        checkpoint.save(state, folder / _OURS)
        return
    (folder / _TEAM).mkdir()
    own_save(state, recipe, folder / _TEAM)
    checkpoint.save_loop(state, folder / _OURS)


def take_up(state: State, recipe: Recipe, folder: Path) -> None:
    """Puts what `pause` wrote below `folder` into `state`, which is new. The folder stays as it is."""
    if not has_own(recipe):
        checkpoint.restore(state, folder / _OURS)
        return
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / _TEAM
        shutil.copytree(folder / _TEAM, copy)
        own_restore(state, recipe, copy)
    checkpoint.restore_loop(state, folder / _OURS)


def own_save(state: State, recipe: Recipe, directory: Path) -> None:
    """Calls the team's `save`; raises RecipeError where it leaves `directory` empty."""
    assert recipe.save is not None, "it was asked for"
    recipe.save(state, directory)
    if not any(directory.iterdir()):
        raise RecipeError(
            "save wrote nothing to the directory that it was given",
            key="recipe.save",
            advice="write what restore needs below `directory`: another process restores it",
        )


def own_restore(state: State, recipe: Recipe, directory: Path) -> None:
    """Calls the team's `restore`."""
    assert recipe.restore is not None, "it was asked for"
    recipe.restore(state, directory)
