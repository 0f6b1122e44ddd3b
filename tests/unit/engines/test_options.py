"""Every key of `train` does what it says: none is accepted and then left out of the training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from projects import DIGITS, Project
from torch.optim import lr_scheduler

from pytest_mlspec.evidence import TrainingRun
from pytest_mlspec.jobs import Train, TrainSeeds
from pytest_mlspec.language.names import SCHEDULES
from pytest_mlspec.language.spec import Training

CHANGES_WEIGHTS: dict[str, Any] = {
    "loss": {"use": "focal", "gamma": 2},
    "optimizer": {"use": "adamw", "lr": 2e-2},
    "schedule": "cosine",
    "epochs": 3,
    "steps": 7,
    "batch_size": 32,
    "accumulate": 2,
    "clip_norm": 0.1,
    "shuffle": False,
    "sampler": "balanced",
    "drop_last": True,
    "early_stop": {"monitor": "train.loss", "patience": 1, "min_delta": 100.0},
    "ema": 0.5,
    "freeze": ["layers.1"],
    "precision": "bf16",
    "seed": 1,
}
# What these do is tested where they work: the numbers of a training stay as they are, or other engines and jobs look at them.
LEAVES_WEIGHTS = {"engine", "deterministic", "compile", "channels_last", "workers", "timeout", "checkpoint", "device"}
OF_SEVERAL_TRAININGS = {"seeds"}

# The arguments of each schedule with which it changes the rate in the 27 steps of three epochs.
RATES: dict[str, dict[str, Any]] = {
    "constant": {"factor": 0.5, "total_iters": 4, "interval": "step"},
    "cosine": {},
    "cosine_warm_restarts": {"T_0": 5, "interval": "step"},
    "cyclic": {"base_lr": 1e-4, "max_lr": 1e-2, "step_size_up": 3, "cycle_momentum": False},
    "exponential": {"gamma": 0.5},
    "linear": {},
    "multi_step": {"milestones": [1]},
    "one_cycle": {"max_lr": 1e-2},
    "polynomial": {},
    "reduce_on_plateau": {"monitor": "train.loss", "patience": 0, "threshold": 1e6, "threshold_mode": "abs"},
    "step": {"step_size": 1},
}


def trained(project: Project, **train: Any) -> TrainingRun:
    """The training of two epochs on digits with these keys."""
    length = {} if "steps" in train else {"epochs": 2}
    return project.train({**DIGITS, "train": {"optimizer": {"use": "adamw", "lr": 1e-2}, **length, **train}})


def test_every_key_stands_in_a_table() -> None:
    """A new key of `train` is put into one of them, with what shows that it is not ignored."""
    tables = [set(CHANGES_WEIGHTS), LEAVES_WEIGHTS, OF_SEVERAL_TRAININGS]

    assert set().union(*tables) == set(Training.model_fields)
    assert sum(map(len, tables)) == len(Training.model_fields)


@pytest.mark.parametrize("name", CHANGES_WEIGHTS)
def test_a_key_that_changes_a_training_changes_its_weights(project: Project, name: str) -> None:
    """Against the same training without it."""
    changed, plain = trained(project, **{name: CHANGES_WEIGHTS[name]}), trained(project)

    assert changed.weights_digest != plain.weights_digest


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_changes_the_rate(project: Project, name: str) -> None:
    """Within three epochs: a plateau is one epoch without a better loss after a first one."""
    rates = trained(project, epochs=3, schedule={"use": name, **RATES[name]}).learning_rate_S.values

    assert len(set(rates.tolist())) > 1


def test_the_rates_are_those_of_torch(project: Project) -> None:
    """A linear warm-up of two steps, and torch's own scheduler over the 16 steps that are left."""
    run = trained(project, schedule={"use": "cosine", "warmup": 2})
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1e-2)
    reference = lr_scheduler.CosineAnnealingLR(optimizer, T_max=16)
    rates = [1e-2 / 3, 2e-2 / 3]
    for _ in range(16):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        reference.step()

    assert run.learning_rate_S.values.tolist() == pytest.approx(rates, rel=1e-6)


def test_a_schedule_by_epochs_changes_the_rate_between_them(project: Project) -> None:
    """The first one goes at the whole rate, the second at a tenth."""
    rates = trained(project, schedule={"use": "step", "step_size": 1}).learning_rate_S.values

    assert rates.tolist() == pytest.approx([1e-2] * 9 + [1e-3] * 9, rel=1e-6)


def test_seeds_at_once_follow_the_schedule(project: Project) -> None:
    """Each has the rates of the training alone."""
    spec = {**DIGITS, "train": {**DIGITS["train"], "schedule": {"use": "cosine", "warmup": 2}}}
    seeds = TrainSeeds(first=0, count=2)
    together = project.run(Train(seed=1, among=seeds), spec, project.done(spec, seeds)).evidence
    alone = project.train(spec, Train(seed=1))

    assert isinstance(together, TrainingRun)
    assert "2 seeds at once" in together.notes
    assert together.learning_rate_S.values.tolist() == alone.learning_rate_S.values.tolist()
    assert together.loss_S.values == pytest.approx(alone.loss_S.values, rel=1e-3)
