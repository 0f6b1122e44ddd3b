"""The fitted preparation is kept beside the examples that it made, once it has been read back and gives the same."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pytest_mlspec.recipe.packing import by_name
from pytest_mlspec.recipe.preparation import Loaded
from pytest_mlspec.recipe.prepare.stored import FOLDER, load_fitted, save_fitted
from pytest_mlspec.recipe.prepare.values import UnstorableError
from pytest_mlspec.recipe.protocol import Prepared, Rows
from pytest_mlspec.recipe.transform import Fitted

# Enough to see a step that was read back as another; all would double the time of the job.
_ROWS_COMPARED = 16


def keep_preparation(loaded: Loaded, folder: Path) -> Prepared:
    """Writes the fitted preparation below `folder`; where it cannot be stored, the notes of the examples say why.

    What the team's own code has fitted is not stored: it could be read back by unpickling alone.
    """
    fitted = loaded.fitted
    if not isinstance(fitted, Fitted):
        return loaded.prepared
    place = folder / FOLDER
    try:
        save_fitted(fitted, place)
        if not _gives_the_same(load_fitted(place), fitted, loaded.rows):
            shutil.rmtree(place)
            raise UnstorableError("read back, the preparation gives other values", key="data.prepare")
    except UnstorableError as error:
        note = f"the preparation is not stored with the model, and is fitted anew where it is needed: {error.message}"
        return replace(loaded.prepared, notes=(*loaded.prepared.notes, note))
    return loaded.prepared


def _gives_the_same(one: Fitted, other: Fitted, splits: Mapping[str, Rows]) -> bool:
    """Whether both make the same of the first rows of every split, to the bit."""
    for rows in splits.values():
        features = rows.features[:_ROWS_COMPARED]
        made, expected = by_name(one.inputs(features)), by_name(other.inputs(features))
        if made.keys() != expected.keys() or any(made[name].tobytes() != expected[name].tobytes() for name in made):
            return False
    return True
