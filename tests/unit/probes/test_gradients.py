"""The probe of gradients, on healthy trainings and on planted faults."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
from projects import DIGITS, Project

from pytest_mlspec.errors import MeasurementError
from pytest_mlspec.evidence import Gradients, ParameterGradient
from pytest_mlspec.jobs import GradientFlow

MLP = {name: DIGITS[name] for name in ("data", "model", "train")}


def measured(project: Project, spec: Mapping[str, Any]) -> Gradients:
    evidence = project.run(GradientFlow(), spec).evidence
    assert isinstance(evidence, Gradients)
    return evidence


def named(gradients: Gradients) -> dict[str, ParameterGradient]:
    return {parameter.name: parameter for parameter in gradients.parameters}


def test_every_parameter_of_a_healthy_model_learns(project: Project) -> None:
    """A finite gradient and a change for each, and leftovers change nothing."""
    gradients = measured(project, DIGITS)

    assert [parameter.elements for parameter in gradients.parameters] == [1024, 16, 160, 10]
    assert all(parameter.trainable and parameter.change > 0 for parameter in gradients.parameters)
    assert all(parameter.gradient_norm and math.isfinite(parameter.gradient_norm) for parameter in gradients.parameters)
    assert (gradients.poisoned, gradients.poisoned_parameter) == (0.0, "")
    assert (gradients.rows, gradients.steps, gradients.device) == (192, 3, "cpu")


def test_a_rate_of_zero_moves_nothing(project: Project) -> None:
    """There are gradients, and no change."""
    gradients = measured(project, {**MLP, "train": {"optimizer": {"use": "sgd", "lr": 0.0}}})

    assert [parameter.change for parameter in gradients.parameters] == [0.0] * 4
    assert all(parameter.gradient_norm for parameter in gradients.parameters)


def test_a_schedule_shorter_than_the_probe_is_stretched(project: Project) -> None:
    """A training of one step is looked at for three, and its schedule has as many."""
    train = {"steps": 1, "schedule": {"use": "one_cycle", "max_lr": 1e-2}}

    assert measured(project, {**MLP, "train": train}).steps == 3


NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(64, 16)
        self.side = nn.Linear(64, 16)
        self.idle = nn.Linear(3, 3)
        self.fixed = nn.Linear(64, 16).requires_grad_(False)
        self.head = nn.Linear(16, 10)

    def forward(self, inputs):
        return self.head(self.body(inputs) + self.side(inputs).detach() + self.fixed(inputs))

def optimizer_of_head(model):
    return torch.optim.SGD(model.head.parameters(), lr=0.1)
"""


def test_a_detached_branch_gets_no_gradient(project: Project) -> None:
    """Nor does a layer that is never called; one that is frozen is told apart."""
    project.write("net", NET)
    parameters = named(measured(project, {**MLP, "model": "net:Net"}))

    assert parameters["side.weight"].gradient_norm is None
    assert parameters["idle.weight"].gradient_norm is None
    assert parameters["body.weight"].gradient_norm is not None
    assert not parameters["fixed.weight"].trainable
    assert parameters["side.weight"].trainable


def test_a_layer_left_out_of_the_optimizer_stays(project: Project) -> None:
    """It has a gradient and no change."""
    project.write("net", NET)
    spec = {**MLP, "model": "net:Net", "train": {"optimizer": "net:optimizer_of_head"}}
    parameters = named(measured(project, spec))

    assert parameters["body.weight"].gradient_norm
    assert parameters["body.weight"].change == 0
    assert parameters["head.weight"].change > 0


STEPS = """
import numpy as np
import torch
import torch.nn.functional as F

def _loss(state, batch, inputs=None):
    return F.cross_entropy(state.model(batch.inputs if inputs is None else inputs), batch.targets)

class ClearsFirst:
    def training_step(self, state, batch):
        state.optimizer.zero_grad()
        loss = _loss(state, batch)
        loss.backward()
        state.optimizer.step()
        return loss

class ClearsLast:
    def training_step(self, state, batch):
        loss = _loss(state, batch)
        loss.backward()
        state.optimizer.step()
        state.optimizer.zero_grad()
        return loss

class NeverClears:
    def training_step(self, state, batch):
        loss = _loss(state, batch)
        loss.backward()
        state.optimizer.step()
        return loss

class ClearsEachSecond:
    def training_step(self, state, batch):
        if state.step % 2 == 1:
            state.optimizer.zero_grad()
        loss = _loss(state, batch)
        loss.backward()
        state.optimizer.step()
        return loss

class ReturnsLoss:
    def training_step(self, state, batch):
        return _loss(state, batch)

class AugmentsWithoutSeed:
    def training_step(self, state, batch):
        noise = np.random.default_rng().normal(size=tuple(batch.inputs.shape)).astype("float32")
        return _loss(state, batch, batch.inputs + torch.from_numpy(noise))
"""


@pytest.mark.parametrize("recipe", ["ClearsFirst", "ClearsLast", "ReturnsLoss"])
def test_a_step_that_clears_is_not_misled(project: Project, recipe: str) -> None:
    """Whether it clears first or last, or leaves that to the loop; its gradients are seen in each case."""
    project.write("steps", STEPS)
    gradients = measured(project, {**DIGITS, "recipe": {"use": f"steps:{recipe}"}})

    assert gradients.poisoned == 0
    assert all(parameter.gradient_norm for parameter in gradients.parameters)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("recipe", ["NeverClears", "ClearsEachSecond"])
def test_zero_grad_left_out_is_misled(project: Project, optimizer: str, recipe: str) -> None:
    """What the step before left over moves a parameter, which is named."""
    project.write("steps", STEPS)
    train = {"optimizer": {"use": optimizer, "lr": 1e-2}}
    gradients = measured(project, {**DIGITS, "recipe": {"use": f"steps:{recipe}"}, "train": train})

    assert gradients.poisoned > 1e-3
    assert gradients.poisoned_parameter in named(gradients)


def test_steps_that_are_never_equal_cannot_be_compared(project: Project) -> None:
    """Noise without the seed is an error of the measurement that names what to look for."""
    project.write("steps", STEPS)
    with pytest.raises(MeasurementError, match=r"two equal steps .* differ by") as raised:
        measured(project, {**DIGITS, "recipe": {"use": "steps:AugmentsWithoutSeed"}})

    assert "without the seed" in raised.value.advice


STEEP = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 10)

    def forward(self, x):
        return self.layer(x * 300)
"""


def test_the_first_scales_of_fp16_say_nothing_against_gradients(project: Project) -> None:
    """They overflow at 65,536, where a training leaves its first steps out; the probe looks at steps that are taken."""
    project.write("steep", STEEP)
    spec = {**DIGITS, "model": "steep:Net", "train": {"precision": "fp16", "optimizer": {"use": "sgd", "lr": 1e-6}}}
    gradients = measured(project, spec)

    assert project.train(spec).skipped_steps > 0
    assert all(parameter.gradient_norm and math.isfinite(parameter.gradient_norm) for parameter in gradients.parameters)
    assert all(parameter.change > 0 for parameter in gradients.parameters)
