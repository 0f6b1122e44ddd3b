"""Tickets of customers sorted by topic: words are embedded, averaged over the text and not its padding, and classified."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import AdamW, Optimizer

from pytest_mlspec.recipe.protocol import Examples, Rows, Trained
from pytest_mlspec.training.batches import Batch
from pytest_mlspec.training.state import State

TOPICS = ["billing", "delivery", "login", "warranty"]
WEIGHTS = [0.8, 0.8, 1.0, 1.6]
LENGTH = 20
WORDS = 200
DIM = 32
DROPOUT = 0.2
RATE = 1e-2
WEIGHT_DECAY = 0.01
SPLIT_SEED = 2
PADDING, UNKNOWN = 0, 1

Vocabulary = dict[str, int]


def load() -> pd.DataFrame:
    """The tickets that have a topic: text, channel, topic."""
    table = pd.read_csv(Path(__file__).parent / "tickets.csv")
    table = table[table["topic"].notna()]
    return table[["channel", "text", "topic"]].reset_index(drop=True)


def split(rows: Rows) -> dict[str, Rows]:
    """65 % to train on, 10 % to validate, 25 % to test, drawn at random."""
    draw = np.random.default_rng(SPLIT_SEED)
    numbers = draw.permutation(len(rows))
    quarter, tenth = len(rows) // 4, len(rows) // 10
    test, val, train = numbers[:quarter], numbers[quarter : quarter + tenth], numbers[quarter + tenth :]
    return {"train": rows.take(train), "val": rows.take(val), "test": rows.take(test)}


def fit_prepare(train_rows: Rows) -> Vocabulary:
    """The commonest words of the training texts, numbered from 2."""
    counts = Counter(word for text in train_rows.features["text"] for word in text.split())
    commonest = sorted(counts, key=lambda word: (-counts[word], word))[:WORDS]
    return {word: number for number, word in enumerate(commonest, start=2)}


def ids_of(texts: list[str], vocabulary: Vocabulary, length: int = LENGTH) -> np.ndarray:
    """The numbers of the first words of each text [N, L], padded behind."""
    ids = np.full((len(texts), length), PADDING, dtype=np.int64)
    for row, text in enumerate(texts):
        known = [vocabulary.get(word, UNKNOWN) for word in text.split()[:length]]
        ids[row, : len(known)] = known
    return ids


def prepare(rows: Rows, fitted: Vocabulary) -> tuple[np.ndarray, np.ndarray]:
    """What enters the network, and the topics."""
    texts = list(rows.features["text"])
    ids = ids_of(texts, fitted)
    return ids, rows.targets


class Network(nn.Module):
    """Ids of words [N, L] to the logits of the topics [N, 4]."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(WORDS + 2, DIM)
        self.hidden = nn.Linear(DIM, DIM)
        self.dropout = nn.Dropout(DROPOUT)
        self.out = nn.Linear(DIM, len(TOPICS))

    def forward(self, ids: Tensor) -> Tensor:
        there = (ids != PADDING).unsqueeze(2).to(self.embed.weight.dtype)
        words = self.embed(ids)
        pooled = (words * there).sum(dim=1) / there.sum(dim=1).clamp(min=1)
        hidden = functional.relu(self.hidden(pooled))
        logits: Tensor = self.out(self.dropout(hidden))
        return logits


def build_model() -> nn.Module:
    """The untrained network."""
    model = Network()
    return model


def optimizer(model: nn.Module) -> Optimizer:
    """AdamW over every parameter."""
    return AdamW(model.parameters(), lr=RATE, weight_decay=WEIGHT_DECAY)


def loss(outputs: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy in which rare topics weigh more."""
    weight = torch.tensor(WEIGHTS, dtype=outputs.dtype)
    return functional.cross_entropy(outputs, batch.targets, weight=weight)


def training_step(state: State, batch: Batch) -> Tensor:
    """One step, whole."""
    state.optimizer.zero_grad()
    value = loss(state.model(batch.inputs), batch)
    value.backward()
    state.optimizer.step()
    return value


def evaluate(state: State, examples: Examples) -> dict[str, float]:
    """Accuracy and macro-averaged recall of one split."""
    state.model.eval()
    ids, topics = torch.from_numpy(examples.inputs), examples.targets
    with torch.no_grad():
        logits = state.model(ids)
    found = logits.argmax(dim=1).numpy()
    recall = [float((found[topics == topic] == topic).mean()) for topic in np.unique(topics)]
    return {"accuracy": float((found == topics).mean()), "recall_macro": float(np.mean(recall))}


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
    """What answers requests: the published network and vocabulary, loaded once."""

    def __init__(self, folder: Path) -> None:
        published = torch.load(folder / "published.pt")
        self.vocabulary: Vocabulary = published["vocabulary"]
        self.network = build_model()
        self.network.load_state_dict(published["model"])
        self.network.eval()

    def answer(self, texts: list[str]) -> Tensor:
        """The probability of each topic [N, 4]."""
        ids = ids_of(texts, self.vocabulary)
        with torch.no_grad():
            logits = self.network(torch.from_numpy(ids))
        return functional.softmax(logits, dim=1)


SERVICES: dict[Path, Service] = {}


def predict(trained: Trained, rows: pd.DataFrame) -> list[dict[str, float]]:
    """Raw tickets through the service."""
    if trained.folder not in SERVICES:
        published = {"model": trained.model.state_dict(), "vocabulary": trained.fitted}
        torch.save(published, trained.folder / "published.pt")
        SERVICES[trained.folder] = Service(trained.folder)
    service = SERVICES[trained.folder]
    probabilities = service.answer([str(text) for text in rows["text"]])
    return [dict(zip(TOPICS, row, strict=True)) for row in probabilities.tolist()]


def export(model: nn.Module, directory: Path) -> None:
    """Writes `model.pt2` for any number of rows of any length."""
    shipped = model.eval()
    rows: Any = torch.export.Dim("rows", min=1, max=4096)
    words: Any = torch.export.Dim("words", min=1, max=512)
    example = torch.ones(2, LENGTH, dtype=torch.int64)
    program = torch.export.export(shipped, (example,), dynamic_shapes=({0: rows, 1: words},))
    torch.export.save(program, directory / "model.pt2")
