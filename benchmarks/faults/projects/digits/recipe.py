"""Handwritten digits with a multilayer perceptron: how the team trains it, evaluates it, serves it and ships it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pytest_mlspec.recipe.protocol import Examples, Rows, Trained
from pytest_mlspec.training.batches import Batch
from pytest_mlspec.training.state import State

CLASSES = [str(digit) for digit in range(10)]
HIDDEN = 64
DROPOUT = 0.1
CLIP_NORM = 1.0
SPLIT_SEED = 0

Scale = tuple[float, float]


def load() -> tuple[np.ndarray, np.ndarray]:
    """1,797 images of 8 x 8 pixels [N, 64] from 0 to 16, and their digits [N]."""
    found = np.load(Path(__file__).parent / "digits.npz")
    pixels, digits = found["pixels"].astype(np.float32), found["digits"].astype(np.int64)
    return pixels, digits


def split(rows: Rows) -> dict[str, Rows]:
    """70 % to train on, 10 % to validate, 20 % to test, drawn at random."""
    draw = np.random.default_rng(SPLIT_SEED)
    numbers = draw.permutation(len(rows))
    tenth = len(rows) // 10
    test, val, train = numbers[: 2 * tenth], numbers[2 * tenth : 3 * tenth], numbers[3 * tenth :]
    return {"train": rows.take(train), "val": rows.take(val), "test": rows.take(test)}


def fit_prepare(train_rows: Rows) -> Scale:
    """Mean and deviation of the training pixels."""
    return float(train_rows.features.mean()), float(train_rows.features.std())


def normalise(pixels: np.ndarray, scale: Scale) -> np.ndarray:
    """Pixels around 0 with deviation 1."""
    mean, deviation = scale
    return ((pixels - mean) / deviation).astype(np.float32)


def prepare(rows: Rows, fitted: Scale) -> tuple[np.ndarray, np.ndarray]:
    """What enters the network, and the digits."""
    inputs = normalise(rows.features, fitted)
    return inputs, rows.targets


class Network(nn.Module):
    """Pixels [N, 64] to the logits of ten digits [N, 10]."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(64, HIDDEN)
        self.second = nn.Linear(HIDDEN, HIDDEN)
        self.dropout = nn.Dropout(DROPOUT)
        self.out = nn.Linear(HIDDEN, len(CLASSES))

    def forward(self, pixels: Tensor) -> Tensor:
        hidden = functional.relu(self.first(pixels))
        hidden = functional.relu(self.second(hidden))
        logits: Tensor = self.out(self.dropout(hidden))
        return logits


def build_model() -> nn.Module:
    """The untrained network."""
    model = Network()
    return model


def loss(outputs: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy, mean over rows."""
    return functional.cross_entropy(outputs, batch.targets)


def training_step(state: State, batch: Batch) -> Tensor:
    """One step, whole."""
    state.optimizer.zero_grad()
    value = loss(state.model(batch.inputs), batch)
    value.backward()
    nn.utils.clip_grad_norm_(state.model.parameters(), CLIP_NORM)
    state.optimizer.step()
    return value


def evaluate(state: State, examples: Examples) -> dict[str, float]:
    """Accuracy and macro-averaged recall of one split."""
    state.model.eval()
    inputs, digits = torch.from_numpy(examples.inputs), examples.targets
    with torch.no_grad():
        logits = state.model(inputs)
    found = logits.argmax(dim=1).numpy()
    recall = [float((found[digits == digit] == digit).mean()) for digit in np.unique(digits)]
    return {"accuracy": float((found == digits).mean()), "recall_macro": float(np.mean(recall))}


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


class Service:
    """What answers requests: the published network and scale, loaded once."""

    def __init__(self, folder: Path) -> None:
        published = torch.load(folder / "published.pt")
        self.scale: Scale = published["scale"]
        self.network = build_model()
        self.network.load_state_dict(published["model"])
        self.network.eval()

    def answer(self, pixels: np.ndarray) -> Tensor:
        """The probability of each digit [N, 10]."""
        inputs = torch.from_numpy(normalise(pixels, self.scale))
        with torch.no_grad():
            logits = self.network(inputs)
        return functional.softmax(logits, dim=1)


SERVICES: dict[Path, Service] = {}


def predict(trained: Trained, rows: np.ndarray) -> list[dict[str, float]]:
    """Raw pixels through the service."""
    if trained.folder not in SERVICES:
        published = {"model": trained.model.state_dict(), "scale": trained.fitted}
        torch.save(published, trained.folder / "published.pt")
        SERVICES[trained.folder] = Service(trained.folder)
    service = SERVICES[trained.folder]
    probabilities = service.answer(np.asarray(rows, dtype=np.float32))
    return [dict(zip(CLASSES, row, strict=True)) for row in probabilities.tolist()]
