"""The recipe: how the team trains, and in `predict` how it serves: it publishes, and asks the service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from torch import nn

from examples.serving.service import NUMBERS, ChurnService, features, new_network, publish
from pytest_mlspec.recipe.protocol import Rows, Trained

Numbers = dict[str, dict[str, float]]


def fit_prepare(train_rows: Rows) -> Numbers:
    """The median, mean and deviation of each number in the training rows."""
    table = train_rows.features[NUMBERS]
    filled = table.fillna(table.median())
    return {
        name: {
            "median": float(table[name].median()),
            "mean": float(filled[name].mean()),
            "std": float(filled[name].std()),
        }
        for name in NUMBERS
    }


def prepare(rows: Rows, fitted: Numbers) -> tuple[Any, Any]:
    """The features of the rows, and their targets as they stand."""
    return features(rows.features.to_dict("records"), fitted).numpy(), rows.targets


def build_model() -> nn.Module:
    """The network."""
    return new_network()


SERVICES: dict[Path, ChurnService] = {}


def predict(trained: Trained, rows: pd.DataFrame) -> list[dict[str, float]]:
    """What the service answers for raw customers: it is published and started once, as in production."""
    if trained.folder not in SERVICES:
        publish(trained.model, trained.fitted, trained.folder)
        SERVICES[trained.folder] = ChurnService(trained.folder)
    return SERVICES[trained.folder].answer(rows.to_dict("records"))
