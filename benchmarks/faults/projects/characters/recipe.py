"""A small causal language model of characters: one layer of attention that sees no later position, and a feed-forward layer."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from pytest_mlspec.recipe.protocol import Rows
from pytest_mlspec.training.batches import Batch
from pytest_mlspec.training.state import State

ALPHABET = " abcdefghijklmnopqrstuvwxyz0123456789.,"
LENGTH = 40
DIM = 32
DROPOUT = 0.05
RATE = 1e-2
WEIGHT_DECAY = 0.01
WARMUP = 0.1
CLIP_NORM = 1.0
MICRO_BATCH = 8
SPLIT_SEED = 5
PADDING = 0


def load() -> np.ndarray:
    """Lines of text as ids of their characters [N, L], padded behind."""
    lines = (Path(__file__).parent / "lines.txt").read_text(encoding="utf-8").splitlines()
    ids = np.full((len(lines), LENGTH), PADDING, dtype=np.int64)
    for row, line in enumerate(lines):
        ids[row, : len(line)] = [ALPHABET.index(character) + 1 for character in line]
    return ids


def split(rows: Rows) -> dict[str, Rows]:
    """75 % to train on, 25 % to test, drawn at random."""
    draw = np.random.default_rng(SPLIT_SEED)
    numbers = draw.permutation(len(rows))
    quarter = len(rows) // 4
    test, train = numbers[:quarter], numbers[quarter:]
    return {"train": rows.take(train), "test": rows.take(test)}


def prepare(rows: Rows, fitted: None) -> tuple[np.ndarray, np.ndarray]:
    """What enters the network: the ids as they are."""
    return rows.features, rows.targets


class Attention(nn.Module):
    """Each position [N, L, D] looks at itself and those before it."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Linear(DIM, DIM)
        self.key = nn.Linear(DIM, DIM)
        self.value = nn.Linear(DIM, DIM)

    def forward(self, states: Tensor) -> Tensor:
        scores = self.query(states) @ self.key(states).transpose(1, 2) / DIM**0.5
        later = torch.triu(torch.ones(states.shape[1], states.shape[1], dtype=torch.bool), diagonal=1)
        scores = scores.masked_fill(later, float("-inf"))
        weights = functional.softmax(scores, dim=2)
        mixed: Tensor = weights @ self.value(states)
        return mixed


class Network(nn.Module):
    """Ids [N, L] to the logits of the next character at each position [N, L, V]."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(len(ALPHABET) + 1, DIM)
        self.position = nn.Embedding(LENGTH, DIM)
        self.attention = Attention()
        self.norm = nn.LayerNorm(DIM)
        self.wide = nn.Linear(DIM, 2 * DIM)
        self.narrow = nn.Linear(2 * DIM, DIM)
        self.dropout = nn.Dropout(DROPOUT)
        self.out = nn.Linear(DIM, len(ALPHABET) + 1)

    def forward(self, ids: Tensor) -> Tensor:
        states = self.embed(ids) + self.position(torch.arange(ids.shape[1]))
        states = states + self.attention(states)
        hidden = functional.relu(self.wide(self.norm(states)))
        states = states + self.dropout(self.narrow(hidden))
        logits: Tensor = self.out(states)
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
    """Cross-entropy of each character given those before it, mean over characters; padding is none."""
    logits, following = outputs[:, :-1].flatten(0, 1), batch.targets[:, 1:].flatten()
    return functional.cross_entropy(logits, following, ignore_index=PADDING)


def training_step(state: State, batch: Batch) -> Tensor:
    """One step, whole: micro-batches go through the network one after the other, each weighed by its characters."""
    state.optimizer.zero_grad()
    characters = (batch.targets[:, 1:] != PADDING).sum()
    total = torch.zeros(())
    for begin in range(0, len(batch), MICRO_BATCH):
        rows = slice(begin, begin + MICRO_BATCH)
        part = Batch(batch.inputs[rows], batch.targets[rows], batch.index[rows])
        share = (part.targets[:, 1:] != PADDING).sum() / characters
        value = loss(state.model(part.inputs), part) * share
        value.backward()
        total = total + value.detach()
    nn.utils.clip_grad_norm_(state.model.parameters(), CLIP_NORM)
    state.optimizer.step()
    return total


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
