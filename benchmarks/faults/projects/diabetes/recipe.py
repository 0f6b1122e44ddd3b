"""How far diabetes has gone a year later, from what was measured of a patient: a small network over a table with gaps."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import AdamW, Optimizer

from pytest_mlspec.recipe.protocol import Examples, Rows, Trained
from pytest_mlspec.training.batches import Batch
from pytest_mlspec.training.state import State

COLUMNS = ["age", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"]
HIDDEN = 24
RATE = 3e-3
WEIGHT_DECAY = 0.05
SPLIT_SEED = 3
# The progression of the disease lies around this, and differs from it by that.
CENTRE, SPREAD = 150.0, 75.0


@dataclass(frozen=True)
class Scaler:
    """Median, mean and deviation of each column of the training rows."""

    median: dict[str, float]
    mean: dict[str, float]
    deviation: dict[str, float]


def load() -> pd.DataFrame:
    """442 patients with their progression."""
    table = pd.read_csv(Path(__file__).parent / "patients.csv")
    return table


def split(rows: Rows) -> dict[str, Rows]:
    """65 % to train on, 10 % to validate, 25 % to test, drawn at random."""
    draw = np.random.default_rng(SPLIT_SEED)
    numbers = draw.permutation(len(rows))
    quarter, tenth = len(rows) // 4, len(rows) // 10
    test, val, train = numbers[:quarter], numbers[quarter : quarter + tenth], numbers[quarter + tenth :]
    return {"train": rows.take(train), "val": rows.take(val), "test": rows.take(test)}


def fit_prepare(train_rows: Rows) -> Scaler:
    """What the training rows say of each column."""
    table = train_rows.features[COLUMNS]
    filled = table.fillna(table.median())
    return Scaler(table.median().to_dict(), filled.mean().to_dict(), filled.std().to_dict())


def features_of(table: pd.DataFrame, scaler: Scaler) -> np.ndarray:
    """Scaled measurements, the median where one is missing, and the sex as 0 or 1 [N, 10]."""
    columns = []
    for name in COLUMNS:
        values = table[name].astype(float).fillna(scaler.median[name])
        columns.append((values - scaler.mean[name]) / scaler.deviation[name])
    columns.append((table["sex"] == "male").astype(float))
    return np.stack([np.asarray(column) for column in columns], axis=1).astype(np.float32)


def prepare(rows: Rows, fitted: Scaler) -> tuple[np.ndarray, np.ndarray]:
    """What enters the network, and the progression."""
    inputs = features_of(rows.features, fitted)
    return inputs, rows.targets


class Network(nn.Module):
    """Measurements [N, 10] to the progression [N]."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(len(COLUMNS) + 1, HIDDEN)
        self.second = nn.Linear(HIDDEN, HIDDEN)
        self.out = nn.Linear(HIDDEN, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = functional.relu(self.first(inputs))
        hidden = functional.relu(self.second(hidden))
        values: Tensor = self.out(hidden).squeeze(1)
        return CENTRE + SPREAD * values


def build_model() -> nn.Module:
    """The untrained network."""
    model = Network()
    return model


def optimizer(model: nn.Module) -> Optimizer:
    """AdamW over every parameter."""
    return AdamW(model.parameters(), lr=RATE, weight_decay=WEIGHT_DECAY)


def loss(outputs: Tensor, batch: Batch) -> Tensor:
    """The mean squared error, mean over rows."""
    return functional.mse_loss(outputs, batch.targets)


def training_step(state: State, batch: Batch) -> Tensor:
    """One step, whole."""
    state.optimizer.zero_grad()
    value = loss(state.model(batch.inputs), batch)
    value.backward()
    state.optimizer.step()
    return value


def evaluate(state: State, examples: Examples) -> dict[str, float]:
    """The mean absolute error of one split."""
    state.model.eval()
    inputs, targets = torch.from_numpy(examples.inputs), examples.targets
    with torch.no_grad():
        values = state.model(inputs)
    return {"mean_absolute_error": float(np.abs(values.numpy() - targets).mean())}


def save(state: State, directory: Path) -> None:
    """Writes the training to a file beside the old one, then puts it in its place."""
    parts = {
        "model": state.model.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "step": state.step,
        "epoch": state.epoch,
    }
    torch.save(parts, directory / "training.new")
    os.replace(directory / "training.new", directory / "training.pt")


def restore(state: State, directory: Path) -> None:
    """Puts the saved training back."""
    parts = torch.load(directory / "training.pt")
    state.model.load_state_dict(parts["model"])
    state.optimizer.load_state_dict(parts["optimizer"])
    state.step, state.epoch = parts["step"], parts["epoch"]


def predict(trained: Trained, rows: pd.DataFrame) -> np.ndarray:
    """The progression of raw patients, as the clinic asks for it."""
    inputs = torch.from_numpy(features_of(rows, trained.fitted))
    with torch.no_grad():
        values = trained.model(inputs)
    return values.numpy()
