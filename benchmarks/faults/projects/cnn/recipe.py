"""Handwritten digits as images, with a convolutional network and batch normalisation, ready for half precision."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from pytest_mlspec.recipe.protocol import Examples, Rows, Trained
from pytest_mlspec.training.batches import Batch
from pytest_mlspec.training.state import State

CLASSES = [str(digit) for digit in range(10)]
CHANNELS = 12
DROPOUT = 0.1
RATE = 5e-3
WEIGHT_DECAY = 0.01
WARMUP = 0.1
CLIP_NORM = 1.0
SPLIT_SEED = 1

# Losses are scaled for half precision; on a CPU that changes nothing.
SCALER = torch.amp.GradScaler("cpu", init_scale=256.0, growth_interval=1_000_000)


def load() -> tuple[np.ndarray, np.ndarray]:
    """1,797 images [N, 1, 8, 8] from 0 to 16, and their digits [N]."""
    found = np.load(Path(__file__).parent / "digits.npz")
    images, digits = found["pixels"].reshape(-1, 1, 8, 8).astype(np.float32), found["digits"].astype(np.int64)
    return images, digits


def split(rows: Rows) -> dict[str, Rows]:
    """70 % to train on, 10 % to validate, 20 % to test, drawn at random."""
    draw = np.random.default_rng(SPLIT_SEED)
    numbers = draw.permutation(len(rows))
    tenth = len(rows) // 10
    test, val, train = numbers[: 2 * tenth], numbers[2 * tenth : 3 * tenth], numbers[3 * tenth :]
    return {"train": rows.take(train), "val": rows.take(val), "test": rows.take(test)}


def as_input(images: np.ndarray) -> np.ndarray:
    """Pixels from -1 to 1."""
    return (images / 8.0 - 1.0).astype(np.float32)


def prepare(rows: Rows, fitted: None) -> tuple[np.ndarray, np.ndarray]:
    """What enters the network, and the digits."""
    inputs = as_input(rows.features)
    return inputs, rows.targets


class Standardise(nn.Module):
    """The contrast of the scanner, undone inside the network so that it is shipped with it."""

    def forward(self, images: Tensor) -> Tensor:
        return (images + 0.39) / 0.75


class Network(nn.Module):
    """Images [N, 1, 8, 8] to the logits of ten digits [N, 10]."""

    def __init__(self) -> None:
        super().__init__()
        self.standardise = Standardise()
        self.first = nn.Conv2d(1, CHANNELS, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(CHANNELS)
        self.second = nn.Conv2d(CHANNELS, 2 * CHANNELS, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(2 * CHANNELS)
        self.dropout = nn.Dropout(DROPOUT)
        self.out = nn.Linear(2 * CHANNELS * 4, len(CLASSES))

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.standardise(images)
        hidden = functional.relu(self.norm(self.first(hidden)))
        hidden = functional.max_pool2d(hidden, 2)
        hidden = functional.relu(self.second_norm(self.second(hidden)))
        hidden = functional.max_pool2d(hidden, 2).flatten(1)
        logits: Tensor = self.out(self.dropout(hidden))
        return logits


def build_model() -> nn.Module:
    """The untrained network."""
    model = Network()
    return model


def optimizer(model: nn.Module) -> Optimizer:
    """AdamW over every parameter."""
    return AdamW(model.parameters(), lr=RATE, weight_decay=WEIGHT_DECAY)


def schedule(optimizer: Optimizer, steps: int) -> LRScheduler:
    """The rate rises in the first tenth of the steps, then falls to 0 in a line."""
    total = steps
    warmup = max(1, round(WARMUP * total))
    return LambdaLR(optimizer, lambda step: min((step + 1) / warmup, max(0.0, (total - step) / (total - warmup))))


def loss(outputs: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy, mean over rows."""
    return functional.cross_entropy(outputs, batch.targets)


def training_step(state: State, batch: Batch) -> Tensor:
    """One step, whole, with a scaled loss; gradients are clipped at their true size."""
    state.optimizer.zero_grad()
    value = loss(state.model(batch.inputs), batch)
    SCALER.scale(value).backward()
    SCALER.unscale_(state.optimizer)
    nn.utils.clip_grad_norm_(state.model.parameters(), CLIP_NORM)
    SCALER.step(state.optimizer)
    SCALER.update()
    return value


def evaluate(state: State, examples: Examples) -> dict[str, float]:
    """Accuracy of one split."""
    state.model.eval()
    inputs, digits = torch.from_numpy(examples.inputs), examples.targets
    with torch.no_grad():
        logits = state.model(inputs)
    found = logits.argmax(dim=1).numpy()
    return {"accuracy": float((found == digits).mean())}


def save(state: State, directory: Path) -> None:
    """Writes the training to a file beside the old one, then puts it in its place."""
    parts = {
        "model": state.model.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "schedule": state.schedule.state_dict(),
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
    state.schedule.load_state_dict(parts["schedule"])
    state.step, state.epoch = parts["step"], parts["epoch"]


def predict(trained: Trained, rows: np.ndarray) -> list[dict[str, float]]:
    """Raw images through the network, as the service answers them."""
    images = np.asarray(rows, dtype=np.float32)
    inputs = torch.from_numpy(as_input(images))
    with torch.no_grad():
        logits = trained.model(inputs)
    probabilities = functional.softmax(logits, dim=1)
    return [dict(zip(CLASSES, row, strict=True)) for row in probabilities.tolist()]


def export(model: nn.Module, directory: Path) -> None:
    """Writes `model.pt2` for any number of rows."""
    shipped = model.eval()
    rows: Any = torch.export.Dim("rows", min=1, max=4096)
    program = torch.export.export(shipped, (torch.zeros(2, 1, 8, 8),), dynamic_shapes=({0: rows},))
    torch.export.save(program, directory / "model.pt2")
