"""The probe and the check of the loop, of the engine torch and of trainers: healthy trainings, and planted faults."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import pytest
from projects import CANCER, DIABETES, Project

from pytest_mlspec.check import Status, Verdict
from pytest_mlspec.checks.loop import LoopParams, loop
from pytest_mlspec.evidence import LoopTrace
from pytest_mlspec.jobs import WatchLoop

DATA = {"source": "sklearn.digits", "split": {"test": 0.6, "val": 0.15}}
MODEL = {"use": "mlp", "hidden": [16], "dropout": 0.1}
TRAIN = {"epochs": 5, "optimizer": {"use": "adamw", "lr": 1e-2}}
SMALL: dict[str, Any] = {"data": DATA, "model": MODEL, "train": TRAIN}


def with_train(**changes: Any) -> dict[str, Any]:
    return {**SMALL, "train": {**TRAIN, **changes}}


def traced(project: Project, spec: Mapping[str, Any]) -> LoopTrace:
    evidence = project.run(WatchLoop(), spec).evidence
    assert isinstance(evidence, LoopTrace)
    return evidence


def judged(project: Project, spec: Mapping[str, Any]) -> Verdict:
    return loop(LoopParams(), traced(project, spec))


@pytest.mark.parametrize(
    "spec",
    [
        SMALL,
        CANCER,
        DIABETES,
        with_train(accumulate=4),
        with_train(sampler="balanced"),
        with_train(shuffle=False),
        with_train(drop_last=True, batch_size=100),
        with_train(precision="fp16"),
        with_train(precision="bf16"),
        with_train(ema={"decay": 0.99}),
        with_train(schedule={"use": "cosine", "warmup": "10%"}, clip_norm=1.0),
        with_train(early_stop={"monitor": "val.loss", "patience": 1}),
        with_train(batch_size=1000),
        with_train(compile=True),
        with_train(optimizer={"use": "sgd", "lr": 0.1, "momentum": 0.9}),
        with_train(seed=7, batch_size=16),
        {**SMALL, "train": {"steps": 7}},
        {**SMALL, "data": {**DATA, "oversample": True}},
        {**SMALL, "model": {"use": "mlp", "hidden": [32, 32]}, "train": {"epochs": 1}},
    ],
)
def test_a_training_of_the_core_gives_no_alarm(project: Project, spec: Mapping[str, Any]) -> None:
    """Whatever the spec declares."""
    verdict = judged(project, spec)

    assert verdict.status is Status.PASSED, (verdict.summary, verdict.facts)


def test_three_epochs_are_watched(project: Project) -> None:
    """Of a longer training; every row is seen in each, and the order changes."""
    trace = traced(project, SMALL)

    assert (trace.engine, trace.steps, trace.expected, trace.whole, trace.declared_batch) == (
        "torch",
        21,
        21,
        False,
        64,
    )
    assert (trace.rows.rows, trace.rows.draws, trace.rows.given, trace.rows.unused) == (448, 1344, 1344, 0)
    assert (trace.rows.passes, trace.rows.repeated, trace.rows.batch_size) == (3, 0, 64)
    assert abs(trace.rows.same_class or 0) < 0.1


STEPS = """
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

def loss_of(state, inputs, targets):
    return F.cross_entropy(state.model(inputs), targets)

def scores(model, examples):
    with torch.no_grad():
        outputs = model(torch.from_numpy(np.asarray(examples.inputs)))
    return {"hits": float((outputs.argmax(1).numpy() == examples.targets).mean())}

class OwnsStep:
    def training_step(self, state, batch):
        state.optimizer.zero_grad()
        loss = loss_of(state, batch.inputs, batch.targets)
        loss.backward()
        state.optimizer.step()
        return loss

class ReturnsLoss:
    def training_step(self, state, batch):
        return loss_of(state, batch.inputs, batch.targets)

class Scales:
    def training_step(self, state, batch):
        return loss_of(state, batch.inputs / 2, batch.targets)

class Augments:
    def training_step(self, state, batch):
        return loss_of(state, batch.inputs + 0.1 * torch.randn_like(batch.inputs), batch.targets)

class SeesTwice:
    def training_step(self, state, batch):
        first, second = (state.model(batch.inputs) for _ in range(2))
        return F.cross_entropy(first, batch.targets) + 0.1 * F.mse_loss(first, second)

class Evaluates(ReturnsLoss):
    def evaluate(self, state, examples):
        state.model.eval()
        return scores(state.model, examples)

class EvaluatesInTraining(ReturnsLoss):
    def evaluate(self, state, examples):
        state.model.train()
        return scores(state.model, examples)

class StepsForEachRow:
    def training_step(self, state, batch):
        for inputs, target in zip(batch.inputs[:8], batch.targets):
            state.optimizer.zero_grad()
            loss = loss_of(state, inputs[None], target[None])
            loss.backward()
            state.optimizer.step()
        return loss

class DropsRows:
    def training_step(self, state, batch):
        kept = batch.index % 10 != 3
        return loss_of(state, batch.inputs[kept], batch.targets[kept])

class DropsClass:
    def training_step(self, state, batch):
        kept = batch.targets != 3
        return loss_of(state, batch.inputs[kept], batch.targets[kept])

class FirstRows:
    def training_step(self, state, batch):
        return loss_of(state, batch.inputs[:16], batch.targets[:16])

class NeverClears:
    def training_step(self, state, batch):
        loss = loss_of(state, batch.inputs, batch.targets)
        loss.backward()
        state.optimizer.step()
        return loss

class ForgetsEachEpoch:
    def training_step(self, state, batch):
        if state.position == 0:
            state.optimizer.state.clear()
        return loss_of(state, batch.inputs, batch.targets)

class LeavesHeadOut:
    def optimizer(self, model):
        return torch.optim.Adam(list(model.parameters())[:2], lr=1e-2)

class Half(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(64, 16), nn.Linear(16, 10)
        self.bfloat16()

    def forward(self, x):
        return self.last(self.first(x.bfloat16()).relu()).float()

class Norm(nn.Module):
    def __init__(self):
        super().__init__()
        self.image, self.norm, self.last = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Linear(144, 10)

    def forward(self, x):
        return self.last(self.norm(self.image(x.view(-1, 1, 8, 8))).relu().flatten(1))

class Running(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(64))
        self.last = nn.Linear(64, 10)

    def forward(self, x):
        self.mean.mul_(0.9).add_(x.mean(0).detach(), alpha=0.1)
        return self.last(x - self.mean)
"""


@pytest.mark.parametrize("recipe", ["OwnsStep", "ReturnsLoss", "Scales", "Augments", "SeesTwice", "Evaluates"])
def test_a_step_of_the_teams_own_gives_no_alarm(project: Project, recipe: str) -> None:
    """Whether it owns the step or not."""
    project.write("steps", STEPS)
    verdict = judged(project, {**SMALL, "recipe": {"use": f"steps:{recipe}"}})

    assert verdict.status is Status.PASSED, (verdict.summary, verdict.facts)


@pytest.mark.parametrize(
    ("recipe", "finding"),
    [
        ("EvaluatesInTraining", "loop.evaluation"),
        ("DropsRows", "loop.rows_unseen"),
        ("DropsClass", "loop.class_unseen"),
        ("FirstRows", "loop.rows_unseen"),
        ("NeverClears", "loop.leftover"),
        ("ForgetsEachEpoch", "loop.rebuilt"),
    ],
)
def test_a_fault_of_the_teams_own_step_is_red(project: Project, recipe: str, finding: str) -> None:
    """Its finding comes first."""
    project.write("steps", STEPS)
    verdict = judged(project, {**SMALL, "recipe": {"use": f"steps:{recipe}"}})

    assert verdict.status is Status.FAILED
    assert verdict.findings[0] == finding, (verdict.findings, verdict.summary)


def test_more_steps_than_batches_are_red(project: Project) -> None:
    """Each row of a batch has a step."""
    project.write("steps", STEPS)
    verdict = judged(project, {**SMALL, "recipe": {"use": "steps:StepsForEachRow"}})

    assert set(verdict.findings) >= {"loop.batch_size", "loop.steps"}
    assert "optimizer steps: 168, between 21 and 21" in verdict.facts


def test_a_layer_left_out_of_the_optimizer_is_red(project: Project) -> None:
    """With its name."""
    project.write("steps", STEPS)
    verdict = judged(project, {**SMALL, "recipe": {"use": "steps:LeavesHeadOut"}, "train": {"epochs": 2}})

    assert verdict.findings == ("loop.not_in_optimizer",)
    assert "layers.4.weight" in verdict.summary


@pytest.mark.parametrize(
    ("model", "train", "finding"),
    [
        ("Half", {"optimizer": {"use": "adamw", "lr": 1e-4}}, "loop.dtype"),
        ("Norm", {"batch_size": 149}, "loop.batch_of_one"),
        ("Norm", {"batch_size": 1, "epochs": 1}, "loop.batch_of_one"),
        ("Running", {}, "loop.evaluation"),
    ],
)
def test_a_model_that_does_not_fit_its_batches_is_red(
    project: Project, model: str, train: Mapping[str, Any], finding: str
) -> None:
    """Weights in half precision, a batch norm over one row, a buffer that evaluation changes."""
    project.write("steps", STEPS)
    verdict = judged(project, {**with_train(**train), "model": f"steps:{model}"})

    assert verdict.findings == (finding,)


def test_a_norm_over_whole_batches_passes(project: Project) -> None:
    """The same model, and batches that leave no single row."""
    project.write("steps", STEPS)

    assert judged(project, {**SMALL, "model": "steps:Norm"}).status is Status.PASSED


SORTED = """
import numpy as np
from sklearn.datasets import load_digits

def load():
    inputs, targets = load_digits(return_X_y=True)
    order = np.argsort(targets, kind="stable")
    return {"train": (inputs[order][::3], targets[order][::3]), "val": (inputs[1::9], targets[1::9])}
"""


def test_rows_sorted_by_class_are_red_where_they_keep_their_order(project: Project) -> None:
    """With drop_last, the last class is lost."""
    project.write("team", SORTED)
    spec = {"task": "multiclass", "recipe": "team", "model": MODEL}
    shuffled = judged(project, {**spec, "train": {"epochs": 3}})
    kept = judged(project, {**spec, "train": {"epochs": 3, "shuffle": False}})
    dropped = judged(project, {**spec, "train": {"epochs": 3, "shuffle": False, "drop_last": True, "batch_size": 200}})

    assert shuffled.status is Status.PASSED, (shuffled.summary, shuffled.facts)
    assert kept.findings == ("loop.sorted",)
    assert dropped.findings[0] == "loop.class_unseen"


def test_the_watched_training_is_the_one_that_the_spec_declares(project: Project) -> None:
    """Being watched changes no bit of it."""
    import torch

    from pytest_mlspec.engines.assembly import assemble
    from pytest_mlspec.engines.fitting import fitted
    from pytest_mlspec.engines.splits import Splits
    from pytest_mlspec.probes.loop_runs import _finder_of
    from pytest_mlspec.training.watch import Watch

    def trained(watched: bool) -> dict[str, torch.Tensor]:
        work = project.work(SMALL)
        assembly = assemble(work)
        state = assembly.new_state(0)
        splits = Splits(assembly, assembly.prepared.splits)
        if not watched:
            fitted(state, assembly, splits, work)
        else:
            with Watch(_finder_of(assembly, work)):
                fitted(state, assembly, splits, work)
        return dict(state.model.state_dict())

    plain, seen = trained(False), trained(True)

    assert all(torch.equal(plain[name], seen[name]) for name in plain)


LIGHTNING = """
import lightning as L
import torch
from torch import nn

class Net(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 10))

    def forward(self, x):
        return self.layers(x)

    def training_step(self, batch, batch_idx):
        x, y = batch
        return nn.functional.cross_entropy(self(x), y)

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=1e-2)

class HeadAlone(Net):
    def configure_optimizers(self):
        return torch.optim.AdamW(self.layers[3].parameters(), lr=1e-2)

class FirstRows(Net):
    def training_step(self, batch, batch_idx):
        return super().training_step([part[:20] for part in batch], batch_idx)

class NeverClears(Net):
    def optimizer_zero_grad(self, *arguments):
        pass
"""


@pytest.mark.parametrize(
    ("model", "findings"),
    [
        ("Net", ()),
        ("HeadAlone", ("loop.not_in_optimizer",)),
        ("FirstRows", ("loop.rows_unseen",)),
        ("NeverClears", ("loop.leftover",)),
    ],
)
def test_the_steps_of_lightning_are_watched(project: Project, model: str, findings: tuple[str, ...]) -> None:
    """Its module owns loss, optimiser and clearing."""
    pytest.importorskip("lightning")
    project.write("lit", LIGHTNING)
    train = {"engine": "lightning", "loss": "cross_entropy", "epochs": 4}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        verdict = judged(project, {"data": DATA, "model": f"lit:{model}", "train": train})

    assert verdict.findings == findings, (verdict.summary, verdict.facts)
