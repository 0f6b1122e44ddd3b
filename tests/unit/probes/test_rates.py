"""The replayed schedule beside the rates of real trainings: healthy ones pass, planted faults do not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from projects import DIGITS, Project

from pytest_mlspec.check import Status, Verdict
from pytest_mlspec.checks.schedule import ScheduleParams, schedule
from pytest_mlspec.engines import ENGINES
from pytest_mlspec.evidence import DeclaredRates, TrainingRun
from pytest_mlspec.jobs import ReplaySchedule, Train

TEAM = """
import math
import torch
import torch.nn.functional as F
from torch.optim.lr_scheduler import (
    ConstantLR, CosineAnnealingLR, CosineAnnealingWarmRestarts, CyclicLR, ExponentialLR, LambdaLR, LinearLR, OneCycleLR,
    PolynomialLR, SequentialLR, StepLR,
)

def line(total):
    warmup = max(1, round(0.1 * total))
    return lambda step: min((step + 1) / warmup, max(0.0, (total - step) / (total - warmup)))

def cosine(o, steps): return CosineAnnealingLR(o, steps)
def cosine_to_the_last(o, steps): return CosineAnnealingLR(o, steps - 1)
def one_cycle(o, steps): return OneCycleLR(o, 0.02, total_steps=steps)
def warm_line(o, steps): return LambdaLR(o, line(steps))
def inverse_root(o, steps): return LambdaLR(o, lambda s: min((s + 1) ** -0.5, (s + 1) * 5 ** -1.5))
def decay(o, steps): return ExponentialLR(o, 0.98)
def stairs(o, steps): return StepLR(o, steps // 3, 0.1)
def restarts(o, steps): return CosineAnnealingWarmRestarts(o, steps // 3)
def own_restarts(o, steps): return LambdaLR(o, lambda s: 0.5 * (1 + math.cos(math.pi * (s % 9) / 9)))
def cyclic(o, steps): return CyclicLR(o, 1e-4, 1e-2, step_size_up=steps // 6, cycle_momentum=False)
def stable_then_decay(o, steps): return LambdaLR(o, lambda s: min(1, (s + 1) / 5, max(0.0, (steps - s) / (0.2 * steps))))
def polynomial(o, steps): return PolynomialLR(o, steps, 2.0)
def nothing(o, steps): return LambdaLR(o, lambda s: 1.0)
def in_sequence(o, steps):
    return SequentialLR(o, [LinearLR(o, 0.1, 1.0, 3), CosineAnnealingLR(o, steps - 3)], [3])

def in_epochs(o, steps): return CosineAnnealingLR(o, 3)
def third(o, steps): return CosineAnnealingLR(o, steps // 3)
def in_micro_batches(o, steps): return CosineAnnealingLR(o, steps * 2)
def far_too_long(o, steps): return LambdaLR(o, line(steps * 20))
def too_short(o, steps): return LambdaLR(o, line(steps // 2))
def long_cycle(o, steps): return OneCycleLR(o, 0.02, total_steps=steps * 3)

class Steps:
    def training_step(self, state, batch):
        state.optimizer.zero_grad()
        loss = F.cross_entropy(state.model(batch.inputs), batch.targets)
        loss.backward()
        state.optimizer.step()
        return loss

class StepsTwice(Steps):
    def schedule(self, optimizer, steps):
        return CosineAnnealingLR(optimizer, steps)
    def training_step(self, state, batch):
        loss = super().training_step(state, batch)
        state.schedule.scheduler.step()
        return loss

class Never(Steps):
    def optimizer(self, model):
        found = torch.optim.SGD(model.parameters(), 0.01)
        self.scheduler = CosineAnnealingLR(found, 27)
        return found

class Always(Never):
    def training_step(self, state, batch):
        loss = super().training_step(state, batch)
        self.scheduler.step()
        return loss
"""

STEPS = 27  # of three epochs
DEFAULT = ScheduleParams()
HEALTHY = [
    "cosine",
    "cosine_to_the_last",
    "one_cycle",
    "warm_line",
    "inverse_root",
    "decay",
    "stairs",
    "restarts",
    "own_restarts",
    "cyclic",
    "stable_then_decay",
    "polynomial",
    "nothing",
    "in_sequence",
]


@pytest.fixture(autouse=True)
def _team(project: Project) -> None:
    project.write("team", TEAM)


def spec(use: Any = None, **train: Any) -> dict[str, Any]:
    given = {} if use is None else {"schedule": use}
    return {**DIGITS, "train": {"epochs": 3, **given, **train}}


def replayed(project: Project, of: Mapping[str, Any], params: ScheduleParams) -> tuple[TrainingRun, DeclaredRates]:
    needed = project.trained(of)
    run = needed[Train()].evidence
    job = ReplaySchedule(params.use, tuple(sorted(params.arguments.items())))
    rates = project.run(job, of, needed).evidence
    assert isinstance(run, TrainingRun)
    assert isinstance(rates, DeclaredRates)
    return run, rates


def judged(project: Project, of: Mapping[str, Any], params: ScheduleParams = DEFAULT) -> Verdict:
    return schedule(params, *replayed(project, of, params))


@pytest.mark.parametrize(
    "use",
    [
        None,
        "cosine",
        "constant",
        {"use": "linear", "warmup": 0.1},
        {"use": "one_cycle", "max_lr": 0.02},
        {"use": "cosine", "interval": "epoch"},
        {"use": "step", "step_size": 1},
        {"use": "multi_step", "milestones": [20, 30]},
        {"use": "reduce_on_plateau", "patience": 0},
        {"use": "cosine_warm_restarts", "T_0": 10, "interval": "step"},
        {"use": "cyclic", "base_lr": 1e-4, "max_lr": 1e-2, "step_size_up": 5, "cycle_momentum": False},
    ],
    ids=str,
)
def test_a_schedule_by_name_passes(project: Project, use: Any) -> None:
    """The loop sets its rates."""
    assert judged(project, spec(use)).status is Status.PASSED


@pytest.mark.parametrize("name", HEALTHY)
def test_a_schedule_of_the_team_passes(project: Project, name: str) -> None:
    """Whatever its form, as long as it has the length of the training."""
    verdict = judged(project, spec(f"team:{name}"))

    assert verdict.status is Status.PASSED
    assert verdict.n == STEPS


@pytest.mark.parametrize(
    "use",
    [
        {"use": "cosine", "T_max": 6},
        {"use": "cosine", "T_max": 100},
        {"use": "linear", "total_iters": 5},
        {"use": "linear", "total_iters": 500},
        *(
            f"team:{name}"
            for name in ["in_epochs", "third", "in_micro_batches", "far_too_long", "too_short", "long_cycle"]
        ),
    ],
    ids=str,
)
def test_a_schedule_of_another_length_is_red(project: Project, use: Any) -> None:
    """It reaches its end before the training or after it, or falls and rises again."""
    assert "schedule.length" in judged(project, spec(use)).findings


def test_a_schedule_that_two_step_is_red(project: Project) -> None:
    """The loop steps it already."""
    assert judged(project, {**spec(), "recipe": "team:StepsTwice"}).findings == ("schedule.trace",)


def test_a_schedule_that_the_check_declares_is_compared(project: Project) -> None:
    """A scheduler that the recipe keeps to itself: never stepped, it is red; stepped with the optimiser, it passes."""
    cosine = ScheduleParams(use="cosine")

    assert judged(project, {**spec(), "recipe": "team:Never"}, cosine).findings == ("schedule.constant",)
    assert judged(project, {**spec(), "recipe": "team:Always"}, cosine).status is Status.PASSED


def test_the_rule_of_an_early_stop_is_replayed(project: Project) -> None:
    """With the metrics of the epochs; the best weights are restored."""
    train = {"epochs": 12, "optimizer": {"use": "adamw", "lr": 0.05}, "early_stop": {"patience": 1}}
    run, rates = replayed(project, spec(**train), DEFAULT)

    assert run.steps < run.planned_steps
    assert (rates.stop and rates.stop.monitor, len(rates.rate_S)) == ("val.loss", run.planned_steps)
    assert schedule(DEFAULT, run, rates).status is Status.PASSED


@pytest.mark.parametrize("changes", [{"steps": 7}, {"steps": 1}, {"accumulate": 4}, {"ema": 0.9}], ids=str)
def test_trainings_of_another_length_pass(project: Project, changes: dict[str, Any]) -> None:
    """Of a few steps, with accumulation, and with averaged weights."""
    length = {} if "steps" in changes else {"epochs": 3}
    of = {**DIGITS, "train": {"schedule": "cosine", "early_stop": {}, **length, **changes}}

    assert judged(project, of).status is Status.PASSED


OWN_FIT = """
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR

EPOCHS, RATE = 4, 0.05

def fit(examples, *, seed, length=EPOCHS * 8, steps=1, first=False, sequence=False):
    train = examples["train"]
    inputs, targets = torch.from_numpy(train.inputs).float(), torch.from_numpy(train.targets)
    model = nn.Linear(inputs.shape[1], 10)
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    scheduler = CosineAnnealingLR(optimizer, length)
    if sequence:
        scheduler = SequentialLR(optimizer, [LinearLR(optimizer, 0.1, 1.0, 3), CosineAnnealingLR(optimizer, 29)], [3])
    for _ in range(EPOCHS):
        for rows in torch.arange(len(inputs)).chunk(8):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(inputs[rows]), targets[rows]).backward()
            if first:
                scheduler.step()
            optimizer.step()
            for _ in range(0 if first else steps):
                scheduler.step()
    return model

def predict(model, inputs):
    with torch.no_grad():
        return model(torch.from_numpy(inputs).float()).softmax(1).numpy()

class Recipe:
    def __init__(self, **arguments):
        self.arguments = arguments
    def fit(self, examples, *, seed):
        return fit(examples, seed=seed, **self.arguments)
    def predict(self, fitted, inputs):
        return predict(fitted, inputs)

class Without(Recipe):
    def fit(self, examples, *, seed):
        return nn.Linear(64, 10)
"""


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
@pytest.mark.filterwarnings("ignore:The epoch parameter in `scheduler.step")
@pytest.mark.parametrize(
    ("arguments", "findings"),
    [
        ({}, ()),
        ({"sequence": True}, ()),
        ({"steps": 0}, ("schedule.constant",)),
        ({"first": True}, ("schedule.order",)),
        ({"length": 8}, ("schedule.length",)),
    ],
    ids=str,
)
def test_a_scheduler_in_a_fit_of_the_team_is_seen(
    project: Project, arguments: dict[str, Any], findings: tuple[str, ...]
) -> None:
    """Never stepped, stepped before the optimiser, or told one epoch in the place of all."""
    project.write("own", OWN_FIT)
    of = {"data": DIGITS["data"], "recipe": {"use": "own:Recipe", "with": arguments}, "train": {"engine": "callable"}}
    verdict = judged(project, of)

    assert verdict.status is (Status.FAILED if findings else Status.PASSED)
    assert set(verdict.findings) == set(findings)


def test_a_fit_without_a_scheduler_is_not_applicable(project: Project) -> None:
    """Nothing tells its rates."""
    project.write("own", OWN_FIT)
    of = {"data": DIGITS["data"], "recipe": "own:Without", "train": {"engine": "callable"}}

    assert judged(project, of).status is Status.NOT_APPLICABLE


LIGHTNING = """
import lightning as L
import torch
from torch import nn

class Net(L.LightningModule):
    def __init__(self, length=0.0):
        super().__init__()
        self.layer, self.length = nn.Linear(64, 10), length

    def forward(self, x):
        return self.layer(x)

    def training_step(self, batch, batch_idx):
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=1e-2)
        if not self.length:
            return optimizer
        steps = max(1, round(self.length * self.trainer.estimated_stepping_batches))
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
"""


@pytest.mark.parametrize(("length", "red"), [(0.0, False), (1.0, False), (0.25, True)])
def test_the_rates_of_a_module_are_judged_by_their_form(project: Project, length: float, red: bool) -> None:
    """It makes its schedule itself, and nothing declares one."""
    pytest.importorskip("lightning")
    project.write("module", LIGHTNING)
    of = spec(engine="lightning") | {"model": {"use": "module:Net", "length": length}}
    verdict = judged(project, of)

    assert verdict.status is (Status.FAILED if red else Status.PASSED)
    assert ("the module makes its schedule, in configure_optimizers" in verdict.facts) is not red


@pytest.mark.parametrize("engine", ["sklearn", "trained"])
def test_an_engine_that_takes_no_steps_says_so(engine: str) -> None:
    """Not applicable, with the reason."""
    assert ENGINES.find(engine).cannot(ReplaySchedule())
