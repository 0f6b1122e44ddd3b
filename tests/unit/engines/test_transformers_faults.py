"""Faults planted in a training of transformers: each turns the check red that is there for it; without, all are green."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from projects import Project

from pytest_mlspec.check import Status
from pytest_mlspec.errors import RecipeError
from pytest_mlspec.jobs import MetricRequest, Scores, Train

from .small_texts import spec, write_team
from .verdicts import judged

MODELS = """
import torch
from torch import nn
from transformers import BertForSequenceClassification
from team import config

class NoMask(BertForSequenceClassification):
    def forward(self, input_ids=None, attention_mask=None, labels=None, **named):
        return super().forward(input_ids, torch.ones_like(input_ids), labels=labels, **named)

class DropoutInEvaluation(BertForSequenceClassification):
    def forward(self, input_ids=None, attention_mask=None, labels=None, **named):
        found = super().forward(input_ids, attention_mask, labels=labels, **named)
        found["logits"] = nn.functional.dropout(found.logits, 0.2)
        return found

class BatchMean(BertForSequenceClassification):
    def forward(self, input_ids=None, attention_mask=None, labels=None, **named):
        found = super().forward(input_ids, attention_mask, labels=labels, **named)
        found["logits"] = found.logits - found.logits.mean(0)
        return found

class Detached(BertForSequenceClassification):
    def forward(self, input_ids=None, attention_mask=None, labels=None, **named):
        with torch.no_grad():
            pooled = self.bert(input_ids, attention_mask).pooler_output
        logits = self.classifier(pooled)
        loss = None if labels is None else nn.functional.cross_entropy(logits, labels)
        return {"loss": loss, "logits": logits} if loss is not None else Answer(logits)

class Answer:
    def __init__(self, logits):
        self.logits = logits

class Counting(BertForSequenceClassification):
    seen = 0

    def forward(self, input_ids=None, attention_mask=None, labels=None, **named):
        found = super().forward(input_ids, attention_mask, labels=labels, **named)
        if self.training:
            self.seen += 1
            found["loss"] = found.loss * (1 + 0.1 * (self.seen % 7))
        return found

class OtherLoss(BertForSequenceClassification):
    def forward(self, input_ids=None, attention_mask=None, labels=None, **named):
        found = super().forward(input_ids, attention_mask, labels=labels, **named)
        if labels is not None:
            found["loss"] = -found.loss
        return found

def healthy():
    return BertForSequenceClassification(config())

def no_mask():
    return NoMask(config())

def dropout_in_evaluation():
    return DropoutInEvaluation(config())

def batch_mean():
    return BatchMean(config())

def detached():
    return Detached(config())

def counting():
    return Counting(config())

def loss_of_wrong_sign():
    return OtherLoss(config())

def seed_ignored():
    torch.seed()
    return BertForSequenceClassification(config())

def frozen():
    model = BertForSequenceClassification(config())
    model.bert.requires_grad_(False)
    return model
"""

POINTS = """
import torch
from torch import nn
from team import build as build_model

def _inputs(examples):
    return {name: torch.from_numpy(values) for name, values in examples.inputs.items()}
"""
COLLATES = {
    "labels_swapped": "def collate(examples):\n    return _inputs(examples), 1 - torch.from_numpy(examples.targets)\n",
    "labels_rolled": "def collate(examples):\n"
    "    return _inputs(examples), torch.from_numpy(examples.targets)[torch.randperm(len(examples))]\n",
    "rows_mixed": "def collate(examples):\n    inputs = _inputs(examples)\n"
    "    inputs['input_ids'] = inputs['input_ids'].roll(1, 0)\n    return inputs, torch.from_numpy(examples.targets)\n",
    "summed": "def loss(outputs, batch):\n"
    "    return nn.functional.cross_entropy(outputs, batch.targets, reduction='sum')\n",
}

# Each trains several times, ten epochs and more.
pytestmark = pytest.mark.slow

CHECKS = ["gradients", "converges", "overfit", "independence", "reproducible", "resumes"]
LONG: dict[str, Any] = {"epochs": 10}


@pytest.fixture(autouse=True)
def _team(project: Project) -> None:
    write_team(project)
    project.write("models", MODELS)
    for name, point in COLLATES.items():
        project.write(name, POINTS + point)


@pytest.mark.parametrize("check", CHECKS)
def test_a_healthy_training_is_green(project: Project, check: str) -> None:
    """Every check of the standard list that looks at a training."""
    verdict = judged(project, spec("models:healthy", **LONG), check)

    assert verdict.status is Status.PASSED, verdict.summary


@pytest.mark.parametrize(
    ("model", "check", "told"),
    [
        ("no_mask", "independence", "alone differs"),
        ("dropout_in_evaluation", "independence", ""),
        ("batch_mean", "independence", ""),
        ("detached", "gradients", "model.bert"),
        ("frozen", "gradients", "model.bert"),
        ("loss_of_wrong_sign", "overfit", ""),
        ("loss_of_wrong_sign", "converges", ""),
        ("seed_ignored", "reproducible", ""),
        ("counting", "resumes", ""),
    ],
)
def test_a_fault_of_the_model_is_red(project: Project, model: str, check: str, told: str) -> None:
    """The check that is there for it finds it."""
    verdict = judged(project, spec(f"models:{model}", **LONG), check)

    assert verdict.status.red, verdict.summary
    assert told in "\n".join([verdict.summary, *verdict.facts])


@pytest.mark.parametrize(
    ("train", "check"),
    [
        ({"optimizer": {"use": "adamw", "lr": 0.0}}, "gradients"),
        ({"optimizer": {"use": "adamw", "lr": 0.0}}, "overfit"),
        ({"optimizer": {"use": "adamw", "lr": 0.0}}, "converges"),
        ({"optimizer": {"use": "adamw", "lr": 3.0}}, "overfit"),
        ({"engine": {"use": "transformers", "ignore_data_skip": True}, "epochs": 9}, "resumes"),
    ],
)
def test_a_fault_of_the_settings_is_red(project: Project, train: dict[str, Any], check: str) -> None:
    """A rate of zero, one that is too high, a resume that begins its epoch again."""
    verdict = judged(project, spec("models:healthy", **{**LONG, **train}), check)

    assert verdict.status.red, verdict.summary


@pytest.mark.parametrize(
    ("recipe", "check"),
    [
        ("labels_rolled", "converges"),
        ("rows_mixed", "converges"),
        ("rows_mixed", "independence"),
    ],
)
def test_a_fault_of_the_recipe_is_red(project: Project, recipe: str, check: str) -> None:
    """Labels in another order than their rows, rows that see each other, a loss that is no mean."""
    verdict = judged(project, spec("", recipe=recipe, **LONG), check)

    assert verdict.status.red, verdict.summary


def test_a_loss_that_sums_over_the_rows_is_an_error(project: Project) -> None:
    """It would make the rate depend on the size of the batch, and every loss that is compared mean something else."""
    with pytest.raises(RecipeError, match="sums over the rows: that of the same rows twice is") as caught:
        project.train(spec("", recipe="summed"))

    assert caught.value.advice == "return the mean over the rows"


def test_swapped_labels_are_seen_by_the_metric(project: Project) -> None:
    """The model learns them well, and is wrong about the rows as they were prepared."""
    declared = spec("", recipe="labels_swapped", **LONG)
    request = MetricRequest("accuracy", "test")
    table: Any = project.run(Scores((request,)), declared, project.trained(declared)).evidence
    run = project.train(declared, Train())

    assert run.losses["test"] < np.log(2) / 2
    assert table.scores[request.key].value < 0.2
