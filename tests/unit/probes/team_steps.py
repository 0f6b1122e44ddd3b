"""Steps as teams write them, and what `reference_step` says of one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from projects import DIGITS, Project

from pytest_mlspec.check import Verdict
from pytest_mlspec.checks.reference_step import ReferenceStepParams, reference_step
from pytest_mlspec.evidence import StepComparison
from pytest_mlspec.jobs import ReferenceStep

HEAD = """
import numpy as np
import torch
from torch import nn
import torch.nn.functional as F

def ce(state, batch, **given):
    return F.cross_entropy(state.model(batch.inputs), batch.targets, **given)
"""

ADAMW: Mapping[str, Any] = {"use": "adamw", "lr": 1e-2, "weight_decay": 1e-2}
SGD: Mapping[str, Any] = {"use": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 1e-3}
MLP: Mapping[str, Any] = {name: DIGITS[name] for name in ("data", "model")}
WRITTEN: Mapping[str, Any] = {**MLP, "train": {"loss": "cross_entropy", "optimizer": ADAMW}}
IMPLIED: Mapping[str, Any] = {**MLP, "train": {"epochs": 2}}
OWN_OPTIMIZER = "def optimizer(model):\n    return torch.optim.{}\n"


def step(loss: str = "ce(state, batch)", *, first: str = "pass", between: str = "pass", last: str = "pass") -> str:
    """A step that clears, goes backward and steps, with lines of its own at three places."""
    lines = [
        first,
        "state.optimizer.zero_grad()",
        f"loss = {loss}",
        "loss.backward()",
        between,
        "state.optimizer.step()",
        last,
        "return loss.detach()",
    ]
    return written(*lines)


def written(*lines: str) -> str:
    """A step of these lines."""
    return "\n    ".join(["def training_step(state, batch):", *lines]) + "\n"


def measured(project: Project, code: str, spec: Mapping[str, Any], job: ReferenceStep | None = None) -> StepComparison:
    """What the probe finds, with `code` as the team's recipe; the spec calls its module `team`."""
    module = f"team{len(list(project.root.glob('team*.py')))}"  # a module is imported once
    project.write(module, HEAD + code)
    named = json.loads(json.dumps(spec).replace('"team:', f'"{module}:'))
    evidence = project.run(job or ReferenceStep(), {**named, "recipe": {"use": module}}).evidence
    assert isinstance(evidence, StepComparison)
    return evidence


def judged(project: Project, code: str, spec: Mapping[str, Any], **params: Any) -> Verdict:
    """The verdict on it."""
    given = ReferenceStepParams.model_validate(params)
    job = ReferenceStep(given.loss, given.optimizer, given.clip_norm, given.steps)
    return reference_step(given, measured(project, code, spec, job))
