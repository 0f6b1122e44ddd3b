"""Questions of customers to answers of the help pages: one encoder embeds both, and the nearest answer wins.

Trained with the other answers of a batch as negatives. Words are embedded, averaged over the text and not its padding, and
brought to length 1.
"""

from __future__ import annotations

import os
from pathlib import Path
from zlib import crc32

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import AdamW, Optimizer

from pytest_mlspec.recipe.protocol import Examples, Rows, Trained
from pytest_mlspec.training.batches import Batch
from pytest_mlspec.training.state import State

ANSWERS = sorted((Path(__file__).parent / "answers.txt").read_text(encoding="utf-8").splitlines())
LENGTH = 20
WORDS = 600
DIM = 32
TEMPERATURE = 0.1
RATE = 1e-2
WEIGHT_DECAY = 0.01
SPLIT_SEED = 4
PADDING, QUERY, PASSAGE = 0, 1, 2


def load() -> pd.DataFrame:
    """Questions with the answer that each is about."""
    table = pd.read_csv(Path(__file__).parent / "questions.csv")
    return table


def split(rows: Rows) -> dict[str, Rows]:
    """65 % to train on, 10 % to validate, 25 % to test, drawn at random."""
    draw = np.random.default_rng(SPLIT_SEED)
    numbers = draw.permutation(len(rows))
    quarter, tenth = len(rows) // 4, len(rows) // 10
    test, val, train = numbers[:quarter], numbers[quarter : quarter + tenth], numbers[quarter + tenth :]
    return {"train": rows.take(train), "val": rows.take(val), "test": rows.take(test)}


def number(word: str) -> int:
    """The id of a word: a hash, so that every text has one, and the same one everywhere."""
    return 3 + crc32(word.encode()) % WORDS


def ids_of(texts: list[str], mark: int, length: int = LENGTH) -> np.ndarray:
    """A mark for what the text is, then the ids of its first words [N, L], padded behind."""
    ids = np.full((len(texts), length), PADDING, dtype=np.int64)
    for row, text in enumerate(texts):
        known = [mark, *(number(word) for word in text.split())][:length]
        ids[row, : len(known)] = known
    return ids


def prepare(rows: Rows, fitted: None) -> tuple[np.ndarray, np.ndarray]:
    """What enters the network, and the answers."""
    texts = list(rows.features["question"])
    questions = ids_of(texts, QUERY)
    return questions, rows.targets


class Encoder(nn.Module):
    """Ids of words [N, L] to embeddings of length 1 [N, D]."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(WORDS + 3, DIM)
        self.hidden = nn.Linear(DIM, 2 * DIM)
        self.project = nn.Linear(2 * DIM, DIM)

    def forward(self, ids: Tensor) -> Tensor:
        there = (ids != PADDING).unsqueeze(2).to(self.embed.weight.dtype)
        words = self.embed(ids)
        pooled = (words * there).sum(dim=1) / there.sum(dim=1).clamp(min=1)
        hidden = functional.gelu(self.hidden(pooled))
        embeddings: Tensor = self.project(hidden)
        return functional.normalize(embeddings, dim=1)


class Matcher(nn.Module):
    """Ids of questions [N, L] to how near each answer is [N, A]: the dot product, over the temperature."""

    answers: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.register_buffer("answers", torch.from_numpy(ids_of(ANSWERS, PASSAGE)))

    def forward(self, ids: Tensor) -> Tensor:
        questions = self.encoder(ids)
        answers = self.encoder(self.answers)
        nearness: Tensor = questions @ answers.T / TEMPERATURE
        return nearness


def build_model() -> nn.Module:
    """The untrained network."""
    model = Matcher()
    return model


def optimizer(model: nn.Module) -> Optimizer:
    """AdamW over every parameter."""
    return AdamW(model.parameters(), lr=RATE, weight_decay=WEIGHT_DECAY)


def loss(outputs: Tensor, batch: Batch) -> Tensor:
    """Each question against the answers of its batch, of which the others are negatives; the same answer again is none."""
    answers = batch.targets
    nearness = outputs[:, answers]
    same = answers.unsqueeze(0) == answers.unsqueeze(1)
    itself = torch.eye(len(answers), dtype=torch.bool)
    nearness = nearness.masked_fill(same & ~itself, float("-inf"))
    return functional.cross_entropy(nearness, torch.arange(len(answers)))


def training_step(state: State, batch: Batch) -> Tensor:
    """One step, whole."""
    state.optimizer.zero_grad()
    value = loss(state.model(batch.inputs), batch)
    value.backward()
    state.optimizer.step()
    return value


def evaluate(state: State, examples: Examples) -> dict[str, float]:
    """How often the nearest answer is the right one."""
    state.model.eval()
    ids, answers = torch.from_numpy(examples.inputs), examples.targets
    with torch.no_grad():
        nearness = state.model(ids)
    found = nearness.argmax(dim=1).numpy()
    return {"accuracy": float((found == answers).mean())}


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
    """What answers requests: the encoder, and the index of the answers, built once."""

    def __init__(self, encoder: nn.Module) -> None:
        self.encoder = encoder
        with torch.no_grad():
            self.index = functional.normalize(encoder(torch.from_numpy(ids_of(ANSWERS, PASSAGE))), dim=1)

    def answer(self, texts: list[str]) -> Tensor:
        """How likely each answer is [N, A], by cosine."""
        ids = torch.from_numpy(ids_of(texts, QUERY))
        with torch.no_grad():
            questions = functional.normalize(self.encoder(ids), dim=1)
        return functional.softmax(questions @ self.index.T / TEMPERATURE, dim=1)


SERVICES: dict[Path, Service] = {}


def predict(trained: Trained, rows: pd.DataFrame) -> list[dict[str, float]]:
    """Raw questions through the service."""
    if trained.folder not in SERVICES:
        SERVICES[trained.folder] = Service(trained.model.encoder)
    service = SERVICES[trained.folder]
    probabilities = service.answer([str(text) for text in rows["question"]])
    return [dict(zip(ANSWERS, row, strict=True)) for row in probabilities.tolist()]
