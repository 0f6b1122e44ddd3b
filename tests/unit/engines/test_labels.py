"""Targets that the team's code makes of a batch are refused where the loss would misread them, with the row, before training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from projects import Project

from pytest_mlspec.engines.labels import Labels
from pytest_mlspec.errors import DataError


def judge(targets: list[Any], *, loss: str = "cross_entropy", classes: int = 3, ignored: int | None = None) -> None:
    """What is said of `targets` of the rows 7, 8 and 9."""
    Labels(loss, classes, ignored=ignored, column="y")(torch.tensor(targets), [7, 8, 9])


@pytest.mark.parametrize(
    ("targets", "value"),
    [
        ([0, 5, 1], "row 8 reaches the loss with the target 5 of the column 'y': allowed are 0 … 2"),
        ([0, 1, -1], "row 9 reaches the loss with the target -1"),
        ([-100, 1, 2], "row 7 reaches the loss with the target -100"),
        ([0.0, 0.7, 1.0], "row 8 reaches the loss with the target 0.7"),
        ([0.0, float("nan"), 1.0], "row 8 reaches the loss with the target nan"),
        ([[0, 1], [1, 3], [0, 0]], "row 8 reaches the loss with the target 3"),
    ],
)
def test_what_is_no_class_is_refused_with_its_row(targets: list[Any], value: str) -> None:
    """The first one, as the source counts."""
    with pytest.raises(DataError, match=value) as caught:
        judge(targets)

    assert caught.value.key == "data.target"


def test_torchs_mark_of_an_ignored_row_must_be_declared() -> None:
    """Else rows would be left out in silence; the advice is the line to write."""
    with pytest.raises(DataError) as caught:
        judge([0, -100, 1])

    assert "loss: {use: cross_entropy, ignore_index: -100}" in caught.value.advice
    judge([0, -100, 1], ignored=-100)


@pytest.mark.parametrize("targets", [[0, 1, 2], [2.0, 0.0, 1.0], [[0.2, 0.3, 0.5]] * 3])
def test_classes_in_every_form_that_torch_takes_pass(targets: list[Any]) -> None:
    """Whole numbers as integers or floats, or a probability for each class."""
    judge(targets)


def test_a_loss_of_shares_takes_what_lies_between_0_and_1() -> None:
    """A target of 5 would count five times over."""
    loss = "binary_cross_entropy_with_logits"
    with pytest.raises(DataError, match="row 9 reaches the loss with the target 5"):
        judge([0, 1, 5], loss=loss, classes=2)

    judge([0.0, 0.5, 1.0], loss=loss, classes=2)


COLLATE = """
import numpy as np
import torch
from pytest_mlspec.recipe.protocol import Examples
from torch.utils.data import DataLoader, Dataset, default_collate

class Recipe:
    def __init__(self, label):
        self.label = label

    def load(self):
        return np.arange(60, dtype=np.float32).reshape(-1, 1), np.arange(60) % 3

    def collate(self, examples):
        targets = torch.from_numpy(examples.targets).clone()
        targets[torch.from_numpy(examples.index == 17)] = self.label
        return torch.from_numpy(examples.inputs), targets

class OfDataLoader:
    def __init__(self, label):
        self.label = label

    def load(self):
        items = [(torch.full((1,), float(row)), row % 3) for row in range(60)]
        def collate(items):
            inputs, targets = default_collate(items)
            targets[inputs[:, 0] == 17] = self.label
            return inputs, targets
        return DataLoader(items_of(items), batch_size=64, shuffle=True, collate_fn=collate)

class items_of(Dataset):
    def __init__(self, items):
        self.items = items
    def __len__(self):
        return len(self.items)
    def __getitem__(self, row):
        return self.items[row]

class Net(torch.nn.Linear):
    def __init__(self):
        super().__init__(1, 3)
"""


@pytest.mark.parametrize("label", [3, -1, -100])
@pytest.mark.parametrize("point", ["Recipe", "OfDataLoader"])
def test_a_training_on_such_a_row_ends_before_its_first_step(project: Project, label: int, point: str) -> None:
    """Nothing was reported of an epoch yet."""
    project.write("rows", COLLATE)
    spec = {"task": "multiclass", "recipe": {"use": f"rows:{point}", "with": {"label": label}}, "model": "rows:Net"}
    with pytest.raises(DataError, match=f"row 17 reaches the loss with the target {label}: allowed are 0 … 2"):
        project.train(spec)

    assert project.news == []
