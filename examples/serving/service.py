"""The team's service, as production runs it: it loads what was published, and answers requests of customers as JSON brings them.

Nothing here knows of pytest-mlspec.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

NUMBERS = ["tenure_months", "monthly_fee", "support_calls"]
CATEGORIES = {"plan": ["basic", "plus", "premium"], "region": ["east", "north", "south", "west"]}
Customer = Mapping[str, Any]


def new_network() -> nn.Module:
    """The untrained network: from the features of a customer [N, 10] to two logits [N, 2]."""
    features = len(NUMBERS) + sum(map(len, CATEGORIES.values()))
    return nn.Sequential(nn.Linear(features, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 2))


def features(customers: Sequence[Customer], numbers: Mapping[str, Mapping[str, float]]) -> Tensor:
    """What the network sees of each customer [N, 10]: scaled numbers, the median for a missing one, and categories as 0 and 1."""
    rows = []
    for customer in customers:
        row = []
        for name in NUMBERS:
            value, known = customer[name], numbers[name]
            value = known["median"] if value is None or math.isnan(value) else value
            row.append((value - known["mean"]) / known["std"])
        for name, values in CATEGORIES.items():
            row += [float(customer[name] == value) for value in values]
        rows.append(row)
    return torch.tensor(rows, dtype=torch.float32)


def publish(network: nn.Module, numbers: Mapping[str, Mapping[str, float]], folder: Path) -> None:
    """Writes what the service needs into `folder`."""
    torch.save(network.state_dict(), folder / "network.pt")
    (folder / "numbers.json").write_text(json.dumps(numbers), encoding="utf-8")


class ChurnService:
    """The service with what was published in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._network = new_network().eval()
        self._network.load_state_dict(torch.load(folder / "network.pt", weights_only=True))
        self._numbers = json.loads((folder / "numbers.json").read_text(encoding="utf-8"))

    @torch.inference_mode()
    def answer(self, customers: Sequence[Customer]) -> list[dict[str, float]]:
        """The probability that each customer leaves (`yes`) or stays (`no`)."""
        probabilities = torch.softmax(self._network(features(customers, self._numbers)), dim=1)
        return [{"no": stays, "yes": leaves} for stays, leaves in probabilities.tolist()]
