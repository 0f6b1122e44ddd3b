"""Faults planted in a LightningModule: each turns the check red that is there for it, and the same module without is green."""

from __future__ import annotations

from typing import Any

import pytest
from projects import DIGITS, Project

from pytest_mlspec.check import Status
from pytest_mlspec.errors import TrainingError
from pytest_mlspec.jobs import Train

from .verdicts import judged

TEAM = """
import lightning as L
import torch
from torch import nn

class Healthy(L.LightningModule):
    rate = 1e-2

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 10))

    def forward(self, x):
        return self.layers(x)

    def training_step(self, batch, batch_idx):
        x, y = batch
        return nn.functional.cross_entropy(self(x), y)

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=self.rate)

class RateOfZero(Healthy):
    rate = 0.0

class OtherParameters(Healthy):
    def configure_optimizers(self):
        copied = nn.Linear(32, 10)
        return torch.optim.AdamW([*copied.parameters(), *self.layers[0].parameters()], lr=1e-2)

class ShiftedLabels(Healthy):
    def training_step(self, batch, batch_idx):
        x, y = batch
        return nn.functional.cross_entropy(self(x), (y + 1) % 10)

class RolledLabels(Healthy):
    def training_step(self, batch, batch_idx):
        x, y = batch
        return nn.functional.cross_entropy(self(x), y[torch.randperm(len(y))])

class DropoutInEvaluation(Healthy):
    def forward(self, x):
        return nn.functional.dropout(super().forward(x), 0.2)

class BatchMean(Healthy):
    def forward(self, x):
        return super().forward(x - x.mean(0))

class SeedIgnored(Healthy):
    def __init__(self):
        torch.seed()
        super().__init__()

class NoZeroGrad(Healthy):
    def optimizer_zero_grad(self, epoch, batch_idx, optimizer):
        pass

class Detached(Healthy):
    def forward(self, x):
        return self.layers[1:](self.layers[0](x).detach())

class CountsUnsaved(Healthy):
    def on_fit_start(self):
        self.seen = 0

    def training_step(self, batch, batch_idx):
        self.seen += 1
        return super().training_step(batch, batch_idx) * (1 + 0.1 * (self.seen % 7))

class NaNLoss(Healthy):
    def training_step(self, batch, batch_idx):
        return super().training_step(batch, batch_idx).log().sub(100).sqrt()
"""

CHECKS = ["data", "gradients", "converges", "overfit", "independence", "reproducible", "resumes"]
FAULTS = [
    ("RateOfZero", "gradients", "a gradient but no change in 3 steps for 4 of 4 parameters"),
    ("RateOfZero", "converges", "no parameter moved"),
    ("RateOfZero", "overfit", "loss on one batch"),
    ("OtherParameters", "gradients", "a gradient but no change in 3 steps for 2 of 4 parameters"),
    ("ShiftedLabels", "converges", "train loss"),
    ("ShiftedLabels", "overfit", "loss on one batch"),
    ("RolledLabels", "converges", "train loss"),
    ("DropoutInEvaluation", "independence", "two evaluations of the same batch differ"),
    ("BatchMean", "independence", "alone"),
    ("SeedIgnored", "reproducible", "from step 1"),
    ("NoZeroGrad", "gradients", "gradients left over from before the step change it by"),
    ("Detached", "gradients", "no gradient for 2 of 4 parameters"),
    ("CountsUnsaved", "resumes", "differs from the uninterrupted one from step"),
]


def spec(model: str) -> dict[str, Any]:
    train = {"engine": "lightning", "epochs": 4, "batch_size": 64}
    return {**DIGITS, "model": {"use": f"team:{model}"}, "train": train}


@pytest.fixture(autouse=True)
def _team(project: Project) -> None:
    project.write("team", TEAM)


@pytest.mark.parametrize("check", CHECKS)
def test_a_healthy_module_is_green(project: Project, check: str) -> None:
    """So what a fault turns red is its own doing."""
    verdict = judged(project, spec("Healthy"), check)

    assert verdict.status is Status.PASSED, verdict


@pytest.mark.parametrize(("fault", "check", "told"), FAULTS)
def test_a_planted_fault_is_red(project: Project, fault: str, check: str, told: str) -> None:
    """And says what is wrong."""
    verdict = judged(project, spec(fault), check)

    assert verdict.status is Status.FAILED
    assert told in verdict.summary


def test_a_loss_that_is_not_finite_ends_the_training(project: Project) -> None:
    """Before any weight has changed, with the step and its rows."""
    with pytest.raises(TrainingError, match=r"loss is nan at step 1 \(epoch 1\): .*; rows ") as caught:
        project.train(spec("NaNLoss"), Train())

    assert "lower the learning rate" in caught.value.advice
