"""What becomes of a machine, from its sensors: the team's whole loop, from loader to best checkpoint."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import AdamW
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import DataLoader, TensorDataset

from pytest_mlspec.recipe.protocol import Examples, Rows

SENSORS = ["load", "temperature", "vibration", "pressure", "hours"]
STATES = ["good", "worn", "worn-out"]
WEIGHTS = [0.8, 1.0, 2.0]
HIDDEN = 32
DROPOUT = 0.05
EPOCHS = 24
BATCH_SIZE = 64
ACCUMULATE = 2
RATE = 2e-2
WEIGHT_DECAY = 0.01
PATIENCE = 8
AVERAGE = 0.8


@dataclass(frozen=True)
class Scaler:
    """Median, mean and deviation of each sensor over the training rows."""

    median: dict[str, float]
    mean: dict[str, float]
    deviation: dict[str, float]


@dataclass
class Fitted:
    """What is deployed: the network, and the loss of each step."""

    model: nn.Module
    history: list[float] = field(default_factory=list)


def load() -> pd.DataFrame:
    """The days of machines whose state was seen."""
    table = pd.read_csv(Path(__file__).parent / "machines.csv")
    table = table[table["state"] != "unseen"].reset_index(drop=True)
    return table


def fit_prepare(train_rows: Rows) -> Scaler:
    """What the training rows say of each sensor."""
    table = train_rows.features[SENSORS]
    filled = table.fillna(table.median())
    return Scaler(table.median().to_dict(), filled.mean().to_dict(), filled.std().to_dict())


def prepare(rows: Rows, fitted: Scaler) -> tuple[np.ndarray, np.ndarray]:
    """Scaled sensors, the median where one is missing, and the plant as 0 or 1 [N, 6]; and the states."""
    table, columns = rows.features, []
    for name in SENSORS:
        values = table[name].astype(float).fillna(fitted.median[name])
        columns.append((values - fitted.mean[name]) / fitted.deviation[name])
    columns.append((table["plant"] == "north").astype(float))
    inputs = np.stack([np.asarray(column) for column in columns], axis=1).astype(np.float32)
    return inputs, rows.targets


class Network(nn.Module):
    """Sensors [N, 6] to the logits of the states [N, 3]."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(len(SENSORS) + 1, HIDDEN)
        self.norm = nn.BatchNorm1d(HIDDEN)
        self.second = nn.Linear(HIDDEN, HIDDEN)
        self.dropout = nn.Dropout(DROPOUT)
        self.out = nn.Linear(HIDDEN, len(STATES))

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = functional.relu(self.norm(self.first(inputs)))
        hidden = functional.relu(self.second(hidden))
        logits: Tensor = self.out(self.dropout(hidden))
        return logits


def weighted(outputs: Tensor, states: Tensor) -> Tensor:
    """Cross-entropy in which worn-out machines weigh more."""
    return functional.cross_entropy(outputs, states, weight=torch.tensor(WEIGHTS))


def adamw(model: nn.Module) -> AdamW:
    """AdamW over every parameter."""
    return AdamW(model.parameters(), lr=RATE, weight_decay=WEIGHT_DECAY)


def validate(model: nn.Module, inputs: Tensor, states: Tensor) -> float:
    """The loss on the validation rows."""
    model.eval()
    with torch.no_grad():
        value = weighted(model(inputs), states)
    model.train()
    return float(value)


def fit(examples: Mapping[str, Examples], *, seed: int) -> Fitted:
    """Trains for at most so many epochs, and keeps the weights, averaged over steps, that were best on the validation rows."""
    torch.manual_seed(seed)
    train, val = examples["train"], examples["val"]
    val_inputs, val_states = torch.from_numpy(val.inputs), torch.from_numpy(val.targets)
    rows = TensorDataset(torch.from_numpy(train.inputs), torch.from_numpy(train.targets))
    order = torch.Generator().manual_seed(seed)
    loader = DataLoader(rows, batch_size=BATCH_SIZE, shuffle=True, generator=order)
    model = Network()
    optimizer = adamw(model)
    windows = -(-len(loader) // ACCUMULATE)
    scheduler = CosineAnnealingLR(optimizer, T_max=EPOCHS * windows)
    average = copy.deepcopy(model)
    fitted = Fitted(average)
    best, best_loss, waited = copy.deepcopy(average.state_dict()), float("inf"), 0
    for _ in range(EPOCHS):
        model.train()
        optimizer.zero_grad()
        for number, (inputs, states) in enumerate(loader, start=1):
            value = weighted(model(inputs), states)
            (value / ACCUMULATE).backward()
            if number % ACCUMULATE == 0 or number == len(loader):
                optimizer.step()
                optimizer.zero_grad()
                scheduler.step()
                fitted.history.append(float(value.detach()))
                with torch.no_grad():
                    for kept, new in zip(average.parameters(), model.parameters(), strict=True):
                        kept.lerp_(new, 1 - AVERAGE)
                    for kept, new in zip(average.buffers(), model.buffers(), strict=True):
                        kept.copy_(new)
        val_loss = validate(average, val_inputs, val_states)
        waited += 1
        if val_loss < best_loss:
            best, best_loss, waited = copy.deepcopy(average.state_dict()), val_loss, 0
        if waited >= PATIENCE:
            break
    average.load_state_dict(best)
    return fitted


def predict(fitted: Fitted, inputs: np.ndarray) -> np.ndarray:
    """The probability of each state [N, 3]."""
    fitted.model.eval()
    with torch.no_grad():
        logits = fitted.model(torch.from_numpy(np.asarray(inputs, dtype=np.float32)))
    return functional.softmax(logits, dim=1).numpy()


def evaluate(fitted: Fitted, examples: Examples) -> dict[str, float]:
    """Accuracy and macro-averaged recall of one split."""
    inputs, states = examples.inputs, examples.targets
    found = predict(fitted, inputs).argmax(axis=1)
    recall = [float((found[states == state] == state).mean()) for state in np.unique(states)]
    return {"accuracy": float((found == states).mean()), "recall_macro": float(np.mean(recall))}
