"""A trained model as its serving path gets it, and the raw rows that it is tried on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from pytest_mlspec.engines import ENGINES, Predictor
from pytest_mlspec.errors import MeasurementError, StoreError
from pytest_mlspec.jobs import Prepare, Train
from pytest_mlspec.recipe.preparation import load_rows
from pytest_mlspec.recipe.prepare.stored import FOLDER, load_fitted
from pytest_mlspec.recipe.protocol import Rows, Trained
from pytest_mlspec.recipe.transform import Fitted
from pytest_mlspec.recipe.work import Work


@dataclass(frozen=True)
class RawRows:
    """The raw rows of the `split` that a trained model is tried on, and those for training."""

    split: str
    rows: Rows
    train: Rows


def raw_rows(training: Train, work: Work) -> RawRows:
    """The raw rows of the test split (else validation, else training); raises MeasurementError where they are not the same."""
    found = load_rows(work.recipe, fold=training.fold)
    split = next(name for name in ("test", "val", "train") if name in found)
    if not np.array_equal(found[split].index, work.prepared.splits[split].index):
        raise MeasurementError(
            f"the rows of split {split} were others when they were loaded again",
            advice="make load and split give the same rows in the same order each time: seed what they draw",
        )
    return RawRows(split, found[split], found["train"])


def restored(training: Train, work: Work) -> Predictor:
    """The model that `training` gave, with the way of prepared inputs into it."""
    return ENGINES.find(work.spec.train.engine.use).restore(training, work)


@contextmanager
def served_model(predictor: Predictor, work: Work, *, fitted: Any) -> Iterator[Trained]:
    """What the team's `predict` is given; its folder is gone at the end of the block."""
    with TemporaryDirectory() as folder:
        yield Trained(predictor.model, fitted, work.prepared.classes, Path(folder))


def fitted_preparation(training: Train, work: Work, train: Rows) -> Any:
    """The preparation as production reads it from disk; where it is not stored, fitted on the training rows again."""
    found = stored_preparation(training, work)
    return work.recipe.fit_prepare(train) if found is None else found


def stored_preparation(training: Train, work: Work) -> Fitted | None:
    """The preparation that is stored with the prepared rows; None where it is the team's own, or cannot be stored."""
    prepared = work.needed.get(Prepare(training.fold))
    try:
        return None if prepared is None else load_fitted(prepared.file(f"{FOLDER}/preparation.json").parent)
    except StoreError:
        return None
