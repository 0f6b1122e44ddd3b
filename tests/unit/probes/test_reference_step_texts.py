"""`reference_step` on texts and language models: padding, and micro-batches of unequal length."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from projects import Project

from pytest_mlspec.check import Status

from .team_steps import judged, step, written

TEXTS = """
from pytest_mlspec.recipe.protocol import Examples

generator = np.random.default_rng(0)
ids = generator.integers(5, 40, (120, 8))
targets = generator.integers(0, 3, 120)
ids[np.arange(120), generator.integers(0, 3, 120)] = 2 + targets
ids[np.arange(8) >= generator.integers(4, 9, 120)[:, None]] = 0

def load():
    rows = np.arange(120, dtype=np.float32).reshape(-1, 1)
    return (rows, targets) if LABELS else rows

def prepare(rows, fitted):
    return Examples(ids[rows.index], rows.targets, rows.index)

def parts(state, inputs):
    return state.model(inputs)[:, :-1].flatten(0, 1), inputs[:, 1:].flatten().long()

def next_token(state, inputs, **given):
    return F.cross_entropy(*parts(state, inputs), **given)
"""
LABELLED = TEXTS.replace("LABELS", "True")
BARE = TEXTS.replace("LABELS", "False")

CLASSES: Mapping[str, Any] = {
    "task": "multiclass",
    "data": {"split": {"test": 0.3}},
    "train": {"batch_size": 16, "loss": "cross_entropy"},
}
SPEAKER: Mapping[str, Any] = {
    "task": "language_model",
    "data": {"split": {"test": 0.3}},
    "model": {"use": "causal_lm", "dim": 8, "heads": 2},
    "train": {"batch_size": 16},
}


@pytest.mark.parametrize(
    "model",
    [{"use": "mean_embedding"}, {"use": "text_cnn", "widths": [2, 3]}, {"use": "transformer", "heads": 2, "dim": 8}],
    ids=str,
)
def test_the_models_of_texts_are_no_alarm_and_hide_no_fault(project: Project, model: Mapping[str, Any]) -> None:
    """In float64, with dropout."""
    spec = {**CLASSES, "model": {**model, "dropout": 0.1}}
    softmax = step("F.cross_entropy(state.model(batch.inputs).softmax(1), batch.targets)")

    assert judged(project, LABELLED + step(), spec).summary.startswith("gradients, update as in the reference")
    assert judged(project, LABELLED + softmax, spec).findings == ("reference_step.softmax",)


def micro_batches(loss: str) -> str:
    return written(
        "state.optimizer.zero_grad()",
        "count = int((batch.inputs[:, 1:] != 0).sum())",
        "for inputs in batch.inputs.chunk(4):",
        f"    loss = {loss}",
        "    loss.backward()",
        "state.optimizer.step()",
        "return loss.detach()",
    )


@pytest.mark.parametrize(
    ("code", "findings"),
    [
        (step("next_token(state, batch.inputs, ignore_index=0)"), ()),
        (step("next_token(state, batch.inputs)"), ("reference_step.padding",)),
        (step("next_token(state, batch.inputs, ignore_index=0, reduction='sum')"), ("reference_step.scale",)),
        (
            step(
                "F.cross_entropy(state.model(batch.inputs).flatten(0, 1), batch.inputs.flatten().long(), ignore_index=0)"
            ),
            ("reference_step.targets",),
        ),
        (micro_batches("next_token(state, inputs, ignore_index=0, reduction='sum') / count"), ()),
        (micro_batches("next_token(state, inputs, ignore_index=0) / 4"), ("reference_step.accumulation",)),
    ],
    ids=["right", "padding", "sum", "not shifted", "micro-batches", "mean of means"],
)
def test_steps_of_a_language_model(project: Project, code: str, findings: tuple[str, ...]) -> None:
    """Texts differ in length, so that the mean of micro-batches is not that of the batch."""
    verdict = judged(project, BARE + code, SPEAKER)

    assert verdict.findings == findings
    assert verdict.status is (Status.FAILED if findings else Status.PASSED)


def test_micro_batches_of_the_loop_are_held_against_one_batch_of_the_teams_loss(project: Project) -> None:
    """The loop weighs micro-batches by their rows, and this loss is a mean over tokens."""
    code = BARE + (
        "def loss(outputs, batch):\n    ids = batch.targets[:, 1:].flatten().long()\n"
        "    return F.cross_entropy(outputs[:, :-1].flatten(0, 1), ids, ignore_index=0)"
    )
    accumulated = {**SPEAKER, "train": {"batch_size": 4, "accumulate": 4}}

    assert judged(project, code, SPEAKER).status is Status.PASSED
    assert judged(project, code, accumulated).findings == ("reference_step.accumulation",)
