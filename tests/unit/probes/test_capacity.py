"""The probe of capacity: healthy models of many kinds are no alarm, and each planted fault is seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from projects import CANCER, DIABETES, DIGITS, Project

from pytest_mlspec.check import Status, Verdict
from pytest_mlspec.checks.capacity import CapacityParams, capacity
from pytest_mlspec.evidence import Capacity
from pytest_mlspec.jobs import ProbeCapacity

IMAGES: Mapping[str, Any] = {**DIGITS, "data": {**DIGITS["data"], "prepare": [{"use": "images", "shape": [8, 8]}]}}

NETS = """
import torch
import torch.nn.functional as F
from torch import nn


class Deep(nn.Sequential):
    def __init__(self, activation="GELU", width=24):
        make = getattr(nn, activation)
        super().__init__(nn.Linear(64, width), make(), nn.Linear(width, width), make(), nn.Linear(width, 10))


class Linear(nn.Sequential):
    def __init__(self, outputs=10, features=64):
        super().__init__(nn.Linear(features, outputs))


class BatchNormOfInputs(nn.Sequential):
    def __init__(self):
        super().__init__(nn.BatchNorm1d(64), nn.Linear(64, 10))


class Pixels(nn.Module):
    '''Rows as images.'''

    def forward(self, x):
        return self.layers(x.reshape(len(x), 1, 8, 8))


class Cnn(Pixels):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10),
        )


class ActivationBehindPooling(Pixels):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(128, 10)
        )


class OneChannel(Pixels):
    '''A map of attention, of one channel and many places.'''

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 1), nn.Tanh(), nn.Flatten(), nn.Linear(64, 10)
        )


class Separable(Pixels):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(),
            nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.BatchNorm2d(8), nn.Conv2d(8, 16, 1), nn.ReLU(),
            nn.Conv2d(16, 16, (1, 3)), nn.Conv2d(16, 16, (3, 1)), nn.ReLU(),
            nn.Flatten(), nn.Linear(16 * 36, 10),
        )


class InvertedResidual(Pixels):
    '''The projection of MobileNetV2 has no activation.'''

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU6(),
            nn.Conv2d(4, 24, 1), nn.BatchNorm2d(24), nn.ReLU6(),
            nn.Conv2d(24, 24, 3, padding=1, groups=24), nn.BatchNorm2d(24), nn.ReLU6(),
            nn.Conv2d(24, 4, 1), nn.BatchNorm2d(4),
            nn.Conv2d(4, 24, 1), nn.BatchNorm2d(24), nn.ReLU6(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 10),
        )


class LowRank(nn.Module):
    '''A layer and what adapts it.'''

    def __init__(self):
        super().__init__()
        self.whole = nn.Linear(64, 32)
        self.down, self.up = nn.Linear(64, 4, bias=False), nn.Linear(4, 32, bias=False)
        self.head = nn.Linear(32, 10)

    def forward(self, x):
        return self.head(torch.relu(self.whole(x) + self.up(self.down(x))))


class Factorised(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(64, 8, bias=False), nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 10))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(64, 24)
        self.norms = nn.ModuleList(nn.LayerNorm(24) for _ in range(2))
        self.ups = nn.ModuleList(nn.Linear(24, 48) for _ in range(2))
        self.downs = nn.ModuleList(nn.Linear(48, 24) for _ in range(2))
        self.head = nn.Linear(24, 10)

    def forward(self, x):
        x = self.first(x)
        for norm, up, down in zip(self.norms, self.ups, self.downs):
            x = x + down(F.silu(up(norm(x))))
        return self.head(x)


class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.value, self.gate, self.head = nn.Linear(64, 24), nn.Linear(64, 24), nn.Linear(24, 10)

    def forward(self, x):
        return self.head(self.value(x) * torch.sigmoid(self.gate(x)))


class Glu(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(64, 48), nn.GLU(), nn.Linear(24, 10))


class Attention(nn.Module):
    '''Eight rows of pixels attend to each other.'''

    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(8, 16)
        self.place = nn.Parameter(torch.randn(8, 16) * 0.1)
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.3, batch_first=True)
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        return self.head(self.layer(self.embed(x.reshape(-1, 8, 8)) + self.place).mean(dim=1))


class OwnAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(8, 16) for _ in range(3))
        self.out, self.head = nn.Linear(16, 16), nn.Linear(16, 10)

    def forward(self, x):
        x = x.reshape(-1, 8, 8)
        weights = (self.query(x) @ self.key(x).transpose(1, 2) / 4).softmax(dim=-1)
        return self.head(torch.relu(self.out(weights @ self.value(x)).mean(dim=1)))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.head = nn.GRU(8, 24, batch_first=True), nn.Linear(24, 10)

    def forward(self, x):
        return self.head(self.layer(x.reshape(-1, 8, 8))[0][:, -1])


class PixelIds(nn.Module):
    '''Sixteen shades, each with a vector; their mean is all that is looked at.'''

    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Embedding(200, 16), nn.Linear(16, 10)

    def forward(self, x):
        return self.head(self.embed((x * 4 + 100).long().clamp(0, 199)).mean(dim=1))


class ManyDropouts(nn.Sequential):
    def __init__(self, rate=0.5):
        blocks = [nn.Linear(64, 48), nn.ReLU(), nn.Dropout(rate)]
        super().__init__(nn.Dropout(0.2), *blocks, nn.Linear(48, 48), nn.ReLU(), nn.Dropout(rate), nn.Linear(48, 10))


class PositiveValues(nn.Sequential):
    '''Targets that are never negative may come from a softplus.'''

    def __init__(self):
        super().__init__(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 1), nn.Softplus())


class Probabilities(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(30, 8), nn.ReLU(), nn.Linear(8, 1), nn.Sigmoid(), nn.Flatten(0))


class LogProbabilities(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10), nn.LogSoftmax(dim=1))


class Frozen(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(64, 32), nn.ReLU()).requires_grad_(False)
        self.head = nn.Linear(32, 10)

    def forward(self, x):
        with torch.no_grad():
            x = self.body(x)
        return self.head(x)


class Single(nn.Module):
    '''Binary from one number.'''

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(30, 8), nn.Tanh(), nn.Linear(8, 1))

    def forward(self, x):
        return self.layers(x).squeeze(1)


class NoActivation(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(64, 32), nn.Linear(32, 10))


class OneOfThree(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 32), nn.Dropout(0.1), nn.Linear(32, 10))


class NormAlone(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(64, 32), nn.BatchNorm1d(32), nn.Linear(32, 10))


class CnnWithoutOne(Pixels):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 10),
        )


class FactorisedAlone(nn.Sequential):
    '''Narrow in the middle, and an affine function as a whole.'''

    def __init__(self):
        super().__init__(nn.Linear(64, 8), nn.Linear(8, 10))


class ReluOfLogits(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10), nn.ReLU())


class SigmoidOfLogits(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))

    def forward(self, x):
        return self.layers(x).sigmoid()


class SoftmaxOfLogits(SigmoidOfLogits):
    def forward(self, x):
        return F.softmax(self.layers(x), dim=1)


class SigmoidOfOneLogit(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(30, 8), nn.ReLU(), nn.Linear(8, 1), nn.Sigmoid())


class TanhOfValues(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 1), nn.Tanh())


class FunctionalDropout(SigmoidOfLogits):
    def forward(self, x):
        return self.layers(F.dropout(x, 0.9, self.training))


class Dead(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.head = nn.Linear(64, 32), nn.Linear(32, 32), nn.Linear(32, 10)
        nn.init.constant_(self.first.bias, -40.0)

    def forward(self, x):
        hidden = F.relu(self.first(x))
        return self.head(torch.cat([F.relu(self.second(hidden))], dim=1))


class Bottleneck(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1), nn.Tanh(), nn.Linear(1, 10))


class Collapsed(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10))

    def forward(self, x):
        return self.layers(x * 0)
"""

BCE = {"loss": "binary_cross_entropy_with_logits"}
HEALTHY: Mapping[str, Mapping[str, Any]] = {
    "mlp": DIGITS,
    "mlp binary": CANCER,
    "mlp regression": DIABETES,
    "mlp, strong dropout": {**DIGITS, "model": {"use": "mlp", "hidden": [16], "dropout": 0.5}},
    "mlp, much dropout": {**DIGITS, "model": "nets:ManyDropouts"},
    "cnn": {**IMAGES, "model": {"use": "cnn", "channels": [4, 8]}},
    "cnn without norm": {**IMAGES, "model": {"use": "cnn", "channels": [4], "norm": "none"}},
    **{
        f"deep {name}": {**DIGITS, "model": {"use": "nets:Deep", "activation": name}}
        for name in ("GELU", "SiLU", "Tanh", "LeakyReLU", "ELU", "Hardswish", "PReLU", "Sigmoid")
    },
    **{
        name: {**DIGITS, "model": f"nets:{name}"}
        for name in (
            *("Linear", "BatchNormOfInputs", "Cnn", "ActivationBehindPooling", "OneChannel", "Separable", "LowRank"),
            *("InvertedResidual", "Factorised", "Residual", "Gated", "Glu", "Attention", "OwnAttention", "Recurrent"),
            *("PixelIds", "Frozen"),
        )
    },
    "linear regression": {**DIABETES, "model": {"use": "nets:Linear", "outputs": 1, "features": 10}},
    "logistic regression": {**CANCER, "model": {"use": "nets:Linear", "outputs": 1, "features": 30}, "train": BCE},
    "softplus for positive values": {**DIABETES, "model": "nets:PositiveValues"},
    "sigmoid with its loss": {**CANCER, "model": "nets:Probabilities", "train": {"loss": "binary_cross_entropy"}},
    "log_softmax with its loss": {**DIGITS, "model": "nets:LogProbabilities", "train": {"loss": "nll"}},
    "log_softmax with cross-entropy": {**DIGITS, "model": "nets:LogProbabilities"},
    "one logit": {**CANCER, "model": "nets:Single", "train": BCE},
    "autoencoder": {**DIGITS, "task": "reconstruction", "model": {"use": "autoencoder", "hidden": [16], "code": 4}},
    "linear autoencoder": {
        **DIGITS,
        "task": "reconstruction",
        "model": {"use": "autoencoder", "hidden": [], "code": 4},
    },
}
FAULTS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "NoActivation": ("capacity.linear", DIGITS),
    "OneOfThree": ("capacity.linear", DIGITS),
    "NormAlone": ("capacity.linear", DIGITS),
    "CnnWithoutOne": ("capacity.linear", DIGITS),
    "FactorisedAlone": ("capacity.linear", DIGITS),
    "ReluOfLogits": ("capacity.range", DIGITS),
    "SigmoidOfLogits": ("capacity.range", DIGITS),
    "SoftmaxOfLogits": ("capacity.range", DIGITS),
    "SigmoidOfOneLogit": ("capacity.range", {**CANCER, "train": BCE}),
    "TanhOfValues": ("capacity.range", DIABETES),
    "Dead": ("capacity.dead", DIGITS),
    "Bottleneck": ("capacity.narrow", DIGITS),
    "Collapsed": ("capacity.collapsed", DIGITS),
}


def measured(project: Project, spec: Mapping[str, Any]) -> Capacity:
    project.write("nets", NETS)
    found = project.run(ProbeCapacity(), spec, project.trained(spec)).evidence
    assert isinstance(found, Capacity)
    return found


def judged(project: Project, spec: Mapping[str, Any]) -> Verdict:
    return capacity(CapacityParams(), measured(project, spec))


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_model_is_no_alarm(project: Project, name: str) -> None:
    """Linear by intent, factorised, gated, residual, recurrent, with and without a norm."""
    verdict = judged(project, HEALTHY[name])

    assert (verdict.status, verdict.findings) == (Status.PASSED, ())


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_seen(project: Project, name: str) -> None:
    """In a model of the team's own."""
    finding, spec = FAULTS[name]
    verdict = judged(project, {**spec, "model": f"nets:{name}"})

    assert verdict.status is Status.FAILED
    assert finding in verdict.findings


@pytest.mark.parametrize("hidden", [[16], [64], [128, 64]])
def test_dropout_that_keeps_what_it_should_drop_is_seen(project: Project, hidden: list[int]) -> None:
    """The rate is the share that is dropped."""
    verdict = judged(project, {**DIGITS, "model": {"use": "mlp", "hidden": hidden, "dropout": 0.9}})

    assert verdict.status is Status.FAILED
    assert "capacity.dropout" in verdict.findings


def test_dropout_of_a_function_is_seen_too(project: Project) -> None:
    """No module holds its rate."""
    verdict = judged(project, {**DIGITS, "model": "nets:FunctionalDropout"})

    assert verdict.findings == ("capacity.dropout",)
