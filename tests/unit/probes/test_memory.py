"""The probe of memory, on healthy trainings of many kinds and on what grows with each step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from projects import DIGITS, Project

from pytest_mlspec.check import Status, Verdict
from pytest_mlspec.checks.memory import MemoryParams, memory
from pytest_mlspec.evidence import MemoryTrace
from pytest_mlspec.jobs import TraceMemory

NETS = """
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

class Deep(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(64, 32), nn.Linear(32, 10)
        self.body = nn.Sequential(nn.Linear(32, 32), nn.BatchNorm1d(32), nn.GELU(), nn.Dropout(0.1))

    def forward(self, x):
        return self.last(self.body(self.first(x)))

class Checkpointed(Deep):
    def forward(self, x):
        return self.last(checkpoint(self.body, self.first(x), use_reentrant=False))

class Conv(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10))

    def forward(self, x):
        return self.layers(x.view(-1, 1, 8, 8))

class Attending(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.last = nn.Linear(64, 10)

    def forward(self, x):
        return self.last(self.block(x.view(-1, 8, 8)).flatten(1))

class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell, self.last = nn.LSTM(8, 16, batch_first=True), nn.Linear(16, 10)

    def forward(self, x):
        return self.last(self.cell(x.view(-1, 8, 8))[0][:, -1])

class Remembering(Deep):
    def forward(self, x):
        self.seen = super().forward(x)
        return self.seen

class Normed(Deep):
    def __init__(self):
        super().__init__()
        nn.utils.parametrizations.weight_norm(self.first)

class CachesItsMask(Deep):
    def __init__(self):
        super().__init__()
        self.masks = {}

    def forward(self, x):
        mask = self.masks.setdefault(x.shape, torch.ones(x.shape[1]))
        return super().forward(x * mask)

class KeepsOutputs(Deep):
    def __init__(self):
        super().__init__()
        self.outputs = []

    def forward(self, x):
        self.outputs.append(super().forward(x))
        return self.outputs[-1]

class LengthensACache(Deep):
    def __init__(self):
        super().__init__()
        self.cache = torch.zeros(0, 32)

    def forward(self, x):
        hidden = self.first(x)
        self.cache = torch.cat([self.cache, hidden.detach()])
        return self.last(self.body(hidden))

class HooksInEveryStep(Deep):
    def forward(self, x):
        self.body.register_forward_hook(lambda module, inputs, outputs: None)
        return super().forward(x)

class KeepsArrays(Deep):
    arrays = []

    def forward(self, x):
        self.arrays.append(x.detach().numpy().copy())
        return super().forward(x)

class KeepsEachTenth(Deep):
    def __init__(self):
        super().__init__()
        self.count, self.kept = 0, []

    def forward(self, x):
        self.count += 1
        if self.count % 10 == 0:
            self.kept.append(x.mean(0))
        return super().forward(x)
"""

STEPS = """
import torch
import torch.nn.functional as F

def _loss(state, batch):
    return F.cross_entropy(state.model(batch.inputs), batch.targets)

class Plain:
    def training_step(self, state, batch):
        return _loss(state, batch)

class Owning:
    def training_step(self, state, batch):
        state.optimizer.zero_grad()
        loss = _loss(state, batch)
        loss.backward()
        state.optimizer.step()
        return loss

class Logging:
    def __init__(self):
        self.losses, self.log = [], []

    def training_step(self, state, batch):
        loss = _loss(state, batch)
        self.losses.append(loss.item())
        self.log.append({"step": state.step, "loss": loss.item()})
        return loss

class Penalised:
    def training_step(self, state, batch):
        inputs = batch.inputs.clone().requires_grad_()
        loss = F.cross_entropy(state.model(inputs), batch.targets)
        (slope,) = torch.autograd.grad(loss, inputs, create_graph=True)
        return loss + slope.square().mean()

class KeepsLosses:
    def __init__(self):
        self.losses = []

    def training_step(self, state, batch):
        loss = _loss(state, batch)
        self.losses.append(loss)
        return loss

class SumsLosses:
    total = 0.0

    def training_step(self, state, batch):
        loss = _loss(state, batch)
        self.total = self.total + loss
        return loss
"""

HEALTHY: Mapping[str, Mapping[str, Any]] = {
    "an MLP": {},
    "with a schedule": {"train": {"schedule": "cosine"}},
    "with an average": {"train": {"ema": 0.99}},
    "accumulating": {"train": {"accumulate": 4, "batch_size": 16}},
    "clipped": {"train": {"clip_norm": 1.0}},
    "in bf16": {"train": {"precision": "bf16"}},
    "in fp16": {"train": {"precision": "fp16"}},
    "with momentum": {"train": {"optimizer": {"use": "sgd", "lr": 0.1, "momentum": 0.9}}},
    "with adagrad": {"train": {"optimizer": {"use": "adagrad", "lr": 0.1}}},
    "on one cycle": {"train": {"schedule": {"use": "one_cycle", "max_lr": 0.01}}},
    "a deep one": {"model": "nets:Deep"},
    "with checkpointing": {"model": "nets:Checkpointed"},
    "a CNN": {"model": "nets:Conv"},
    "a transformer": {"model": "nets:Attending"},
    "an LSTM": {"model": "nets:Recurrent"},
    "that keeps its last outputs": {"model": "nets:Remembering"},
    "with weight norm": {"model": "nets:Normed"},
    "with a cache of one entry": {"model": "nets:CachesItsMask"},
    "with a step of the team": {"recipe": {"use": "steps:Plain"}},
    "with a step that owns it all": {"recipe": {"use": "steps:Owning"}},
    "with numbers in a log": {"recipe": {"use": "steps:Logging"}},
    "with a gradient penalty": {"recipe": {"use": "steps:Penalised"}},
    "frozen in part": {"model": "nets:Deep", "train": {"freeze": ["first"]}},
}

GROWING: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "losses with their graphs": ({"recipe": {"use": "steps:KeepsLosses"}}, "float32 [] with its graph: 1 a step"),
    "outputs in a list": ({"model": "nets:KeepsOutputs"}, "float32 [64, 10] with its graph: 1 a step"),
    "a sum of losses": ({"recipe": {"use": "steps:SumsLosses"}}, "graphs that are held grow with each step by"),
    "a cache that is lengthened": ({"model": "nets:LengthensACache"}, "32]: new at the end"),
    "hooks in every step": ({"model": "nets:HooksInEveryStep"}, "nets.py:"),
    "arrays of NumPy": ({"model": "nets:KeepsArrays"}, "nets.py:"),
    "a tensor of each tenth step": ({"model": "nets:KeepsEachTenth"}, "float32 [64]: 0.1"),
}


def traced(project: Project, changes: Mapping[str, Any]) -> MemoryTrace:
    project.write("nets", NETS)
    project.write("steps", STEPS)
    train = {**DIGITS["train"], **changes.get("train", {})}
    evidence = project.run(TraceMemory(), {**DIGITS, **changes, "train": train}).evidence
    assert isinstance(evidence, MemoryTrace)
    return evidence


def judged(project: Project, changes: Mapping[str, Any]) -> Verdict:
    return memory(MemoryParams(), traced(project, changes))


@pytest.mark.parametrize("changes", HEALTHY.values(), ids=HEALTHY)
def test_a_healthy_training_holds_no_more(project: Project, changes: Mapping[str, Any]) -> None:
    """Neither tensors nor objects, whatever it does in a step."""
    verdict = judged(project, changes)

    assert verdict.status is Status.PASSED, (verdict.summary, verdict.facts)
    assert verdict.n == 60


@pytest.mark.parametrize(("changes", "named"), GROWING.values(), ids=GROWING)
def test_what_grows_with_each_step_is_red(project: Project, changes: Mapping[str, Any], named: str) -> None:
    """And is named: the tensor, or the line of code."""
    verdict = judged(project, changes)

    assert verdict.status is Status.FAILED, verdict.facts
    assert any(named in line for line in (verdict.summary, *verdict.facts)), (verdict.summary, verdict.facts)
