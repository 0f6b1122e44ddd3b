"""Faults planted in a model of Keras: each turns the check red that is there for it, and the same model without is green."""

from __future__ import annotations

from typing import Any

import pytest
from projects import DIGITS, Project

from pytest_mlspec.check import Status

from .verdicts import judged

pytestmark = pytest.mark.slow

TEAM = """
import keras
import torch
from keras import layers

class Healthy(keras.Model):
    rate = 1e-2

    def __init__(self):
        super().__init__()
        self.hidden = layers.Dense(32, activation="relu")
        self.norm = layers.BatchNormalization()
        self.drop = layers.Dropout(0.1)
        self.head = layers.Dense(10, kernel_initializer=self.start)

    def start(self, shape, dtype):
        return keras.initializers.GlorotUniform()(shape, dtype)

    def call(self, x, training=False):
        return self.head(self.drop(self.norm(self.hidden(x), training=training), training=training))

class ShiftedLabels(Healthy):
    def compute_loss(self, x, y, y_pred, *arguments, **named):
        return super().compute_loss(x, (y + 1) % 10, y_pred, *arguments, **named)

class ShuffledLabels(Healthy):
    def compute_loss(self, x, y, y_pred, *arguments, **named):
        return super().compute_loss(x, y[torch.randperm(len(y))], y_pred, *arguments, **named)

class RateOfZero(Healthy):
    rate = 0.0

class DropoutInEvaluation(Healthy):
    def call(self, x, training=False):
        return super().call(x, training=True)

class BatchMean(Healthy):
    def call(self, x, training=False):
        return super().call(x - keras.ops.mean(x, axis=0), training=training)

class SeedIgnored(Healthy):
    def start(self, shape, dtype):
        torch.seed()
        return torch.randn(shape) * 0.1

class NoZeroGrad(Healthy):
    def zero_grad(self, *arguments):
        pass

class Detached(Healthy):
    def call(self, x, training=False):
        return self.head(keras.ops.stop_gradient(self.norm(self.hidden(x), training=training)))

class CountsUnsaved(Healthy):
    seen = 0

    def compute_loss(self, *arguments, **named):
        object.__setattr__(self, "seen", self.seen + 1)
        return super().compute_loss(*arguments, **named) * (1 + 0.1 * (self.seen % 7))

def build(of):
    model = globals()[of]()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.AdamW(model.rate), loss=loss)
    return model
"""

CHECKS = ["data", "gradients", "converges", "overfit", "independence", "reproducible", "resumes"]
FAULTS = [
    ("RateOfZero", "gradients", "a gradient but no change in 3 steps for 6 of 6 parameters"),
    ("RateOfZero", "converges", "no parameter moved"),
    ("RateOfZero", "overfit", "loss on one batch"),
    ("ShiftedLabels", "converges", "train loss"),
    ("ShuffledLabels", "converges", "train loss"),
    ("DropoutInEvaluation", "independence", "differ by"),
    ("BatchMean", "independence", "alone"),
    ("SeedIgnored", "reproducible", "from step 1"),
    ("NoZeroGrad", "gradients", "gradients left over from before the step change it by"),
    ("Detached", "gradients", "no gradient for 4 of 6 parameters"),
    ("CountsUnsaved", "resumes", "differs from the uninterrupted one from step"),
]


def spec(model: str) -> dict[str, Any]:
    return {
        **DIGITS,
        "model": {"use": "team:build", "of": model},
        "train": {"engine": "keras", "epochs": 4, "batch_size": 64},
    }


@pytest.fixture(autouse=True)
def _team(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    project.write("team", TEAM)


@pytest.mark.parametrize("check", CHECKS)
def test_a_healthy_model_is_green(project: Project, check: str) -> None:
    """So what a fault turns red is its own doing."""
    verdict = judged(project, spec("Healthy"), check)

    assert verdict.status is Status.PASSED, verdict


@pytest.mark.filterwarnings("ignore:Gradients do not exist for variables")  # Keras says so too
@pytest.mark.parametrize(("fault", "check", "told"), FAULTS)
def test_a_planted_fault_is_red(project: Project, fault: str, check: str, told: str) -> None:
    """And says what is wrong."""
    verdict = judged(project, spec(fault), check)

    assert verdict.status is Status.FAILED
    assert told in verdict.summary
