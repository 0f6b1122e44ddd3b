"""Transfer learning from a spec: frozen parts, rates by layer, and checks that know of both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from projects import DIGITS, Project
from safetensors.torch import load_file

from pytest_mlspec.check import Status
from pytest_mlspec.checks.gradients import GradientsParams, gradients
from pytest_mlspec.engines.assembly import assemble
from pytest_mlspec.errors import TrainingError
from pytest_mlspec.evidence import Gradients
from pytest_mlspec.jobs import GradientFlow, Resume, Train
from pytest_mlspec.training.loop import fit

NET = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(64, 24), nn.BatchNorm1d(24), nn.ReLU())
        self.head = nn.Linear(24, 10)

    def forward(self, inputs):
        return self.head(self.backbone(inputs))

class FrozenByHand(Net):
    def __init__(self):
        super().__init__()
        self.backbone.requires_grad_(False)
"""


GROUPED = {"use": "adamw", "lr": 1e-2, "groups": {"head.bias": {"weight_decay": 0.0}}}


def spec_of(train: Mapping[str, Any], model: str = "Net") -> dict[str, Any]:
    return {"data": DIGITS["data"], "model": f"net:{model}", "train": {**DIGITS["train"], **train}}


def flow(project: Project, spec: Mapping[str, Any]) -> Gradients:
    evidence = project.run(GradientFlow(), spec).evidence
    assert isinstance(evidence, Gradients)
    return evidence


def test_a_frozen_backbone_does_not_move(project: Project) -> None:
    """Through a whole training: weights, biases, batch statistics."""
    project.write("net", NET)
    assembly = assemble(project.work(spec_of({"freeze": ["backbone"]})))
    state = assembly.new_state(0)
    before = {name: tensor.clone() for name, tensor in state.model.state_dict().items()}
    fit(state, assembly.source(assembly.examples), settings=assembly.settings, loss=assembly.loss)

    after = state.model.state_dict()
    assert {name for name in after if not after[name].equal(before[name])} == {"head.weight", "head.bias"}


def test_a_training_with_a_frozen_part_learns_and_resumes(project: Project) -> None:
    """The frozen part is made anew from the seed, and frozen again."""
    project.write("net", NET)
    spec = spec_of({"freeze": ["backbone"], "epochs": 12})
    whole, resumed = project.train(spec), project.train(spec, Resume())

    assert whole.losses["test"] < 0.5 * whole.losses_before["test"]
    assert whole.parameters == 24 * 10 + 10
    assert resumed.weights_digest == whole.weights_digest


@pytest.mark.parametrize(
    "train", [{"ema": 0.9}, {"accumulate": 2, "clip_norm": 0.5}, {"precision": "bf16"}], ids=["ema", "clip", "bf16"]
)
def test_freezing_goes_with_the_other_ways_of_training(project: Project, train: dict[str, Any]) -> None:
    """The frozen part is the same whatever is done to the rest."""
    project.write("net", NET)
    spec = spec_of({"freeze": ["backbone"], "optimizer": GROUPED, "epochs": 1, **train})
    project.run(Train(), spec)
    frozen = assemble(project.work(spec)).new_model(0).state_dict()
    kept = load_file(project.root / "job0" / "weights.safetensors")

    assert {name for name, tensor in kept.items() if not tensor.equal(frozen[name])} == {"head.weight", "head.bias"}


def test_what_the_spec_freezes_is_healthy(project: Project) -> None:
    """It needs no second declaration at the check."""
    project.write("net", NET)
    verdict = gradients(GradientsParams(), flow(project, spec_of({"freeze": ["backbone"]})))

    assert verdict.status is Status.PASSED
    assert verdict.facts[0].startswith("declared frozen and unmoved: backbone.0.weight")


def test_what_the_code_freezes_by_itself_is_not(project: Project) -> None:
    """The spec does not say so."""
    project.write("net", NET)
    verdict = gradients(GradientsParams(), flow(project, spec_of({}, "FrozenByHand")))

    assert verdict.status is Status.FAILED
    assert verdict.summary.startswith(
        "requires_grad false, not declared frozen, for 4 of 6 parameters: backbone.0.weight"
    )


def test_a_group_at_rate_zero_does_not_pass_for_frozen(project: Project) -> None:
    """It gets a gradient and does not move."""
    project.write("net", NET)
    optimizer = {"use": "adamw", "lr": 1e-2, "groups": {"backbone": {"lr": 0.0}}}
    verdict = gradients(GradientsParams(), flow(project, spec_of({"optimizer": optimizer})))

    assert verdict.status is Status.FAILED
    assert verdict.summary.startswith("a gradient but no change in 3 steps for 4 of 6 parameters: backbone.0.weight")


def test_groups_train_at_their_own_rates(project: Project) -> None:
    """AdamW's first step is as long as the rate; a schedule scales all groups alike."""
    project.write("net", NET)
    optimizer = {"use": "adamw", "lr": 1e-2, "weight_decay": 0.0, "groups": {"backbone": {"lr": 1e-4}}}
    spec = spec_of({"optimizer": optimizer, "schedule": {"use": "cosine", "warmup": 5}})
    changes = {one.name: one.change for one in flow(project, spec).parameters}

    assert changes["backbone.0.weight"] == pytest.approx(0.01 * changes["head.weight"], rel=0.05)
    run = project.train(spec)
    assert run.losses["train"] < 0.9 * run.losses_before["train"]


@pytest.mark.parametrize(
    ("train", "message", "key"),
    [
        ({"freeze": ["backbon"]}, "no module or parameter called 'backbon'", "train.freeze"),
        ({"freeze": ["backbone", "head"]}, "every parameter is frozen: nothing learns", "train.freeze"),
        (
            {"optimizer": {"use": "sgd", "groups": {"hed": {"lr": 1.0}}}},
            "no module or parameter called 'hed'",
            "train.optimizer.groups",
        ),
    ],
)
def test_a_name_that_the_model_does_not_have_ends_before_training(
    project: Project, train: dict[str, Any], message: str, key: str
) -> None:
    """Nothing was reported of an epoch yet."""
    project.write("net", NET)
    with pytest.raises(TrainingError, match=message) as caught:
        project.train(spec_of(train))

    assert caught.value.key == key
    assert project.news == []
