"""The probe of the loss, on healthy losses of many kinds and on planted faults: what users write in their own modules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from projects import CANCER, DIABETES, DIGITS, Project

from pytest_mlspec.check import Status, Verdict
from pytest_mlspec.checks.loss import LossParams, loss
from pytest_mlspec.engines import ENGINES
from pytest_mlspec.errors import MeasurementError
from pytest_mlspec.evidence import LossAnswers
from pytest_mlspec.jobs import ProbeLoss

TEAM = """
import torch
import torch.nn.functional as F
from torch import nn

def one():
    return nn.Sequential(nn.Linear(30, 16), nn.ReLU(), nn.Linear(16, 1))

def ends_in(last="Identity", scale=1.0):
    layers = [nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10)]
    layers[-1].weight.data *= scale
    return nn.Sequential(*layers, *([nn.Softmax(1)] if last == "Softmax" else [nn.LogSoftmax(1)] if last == "LogSoftmax"
                                    else [getattr(nn, last)()]))

# of classes
def ce(o, b): return F.cross_entropy(o, b.targets)
def smoothed(o, b): return F.cross_entropy(o, b.targets, label_smoothing=0.1)
def weighted(o, b): return F.cross_entropy(o, b.targets, weight=torch.linspace(0.5, 2, o.shape[1]))
def focal(o, b):
    each = F.cross_entropy(o, b.targets, reduction="none")
    return ((1 - (-each).exp()) ** 2 * each).mean()
def brier(o, b): return F.mse_loss(o.softmax(1), F.one_hot(b.targets, o.shape[1]).to(o))
def squares(o, b): return F.mse_loss(o, F.one_hot(b.targets, o.shape[1]).to(o))
def one_for_each(o, b): return F.binary_cross_entropy_with_logits(o, F.one_hot(b.targets, o.shape[1]).to(o))
def margin(o, b): return F.multi_margin_loss(o, b.targets)
def hardest(o, b): return F.cross_entropy(o, b.targets, reduction="none").topk(len(o) // 2).values.mean()
def flooded(o, b): return (F.cross_entropy(o, b.targets) - 0.1).abs() + 0.1
def in_single(o, b): return F.cross_entropy(o.float(), b.targets)
def nll(o, b): return F.nll_loss(o, b.targets)

def softmax_twice(o, b): return F.cross_entropy(o.softmax(1), b.targets)
def total(o, b): return F.cross_entropy(o, b.targets, reduction="sum")
def part_of_total(o, b): return F.cross_entropy(o, b.targets, reduction="sum") / 64
def wrong_sign(o, b): return -F.cross_entropy(o, b.targets)
def next_class(o, b): return F.cross_entropy(o, (b.targets + 1) % o.shape[1])
def other_rows(o, b): return F.cross_entropy(o, b.targets.roll(1))
def ignores(o, b): return F.cross_entropy(o, b.targets, ignore_index=3)
def mistakes(o, b): return 1 - (o.argmax(1) == b.targets).to(o).mean() + 0 * o.sum()
def over_batch(o, b): return -o.log_softmax(0)[torch.arange(len(o)), b.targets].mean()

# of one output a row
def bce(o, b): return F.binary_cross_entropy_with_logits(o.squeeze(1), b.targets.to(o))
def overlap(o, b):
    p, t = o.squeeze(1).sigmoid(), b.targets.to(o)
    return 1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1)
def sigmoid_twice(o, b): return F.binary_cross_entropy_with_logits(o.squeeze(1).sigmoid(), b.targets.to(o))
def flipped(o, b): return F.binary_cross_entropy_with_logits(o.squeeze(1), 1 - b.targets.to(o))

# of values
def rmse(o, b): return F.mse_loss(o.squeeze(1), b.targets).sqrt()
def huber(o, b): return F.huber_loss(o.squeeze(1), b.targets)
def pinball(o, b):
    away = b.targets - o.squeeze(1)
    return torch.maximum(0.9 * away, -0.1 * away).mean()
def poisson(o, b): return (o.squeeze(1).exp() - b.targets * o.squeeze(1)).mean()
def of_logs(o, b): return ((o.squeeze(1).clamp_min(0) + 1).log() - (b.targets + 1).log()).square().mean()
def correlation(o, b):
    x, y = o.squeeze(1) - o.mean(), b.targets - b.targets.mean()
    return 1 - (x * y).sum() / (x.norm() * y.norm() + 1e-8)

def broadcast(o, b): return ((o.reshape(-1, 1) - b.targets) ** 2).mean()
def sum_of_squares(o, b): return ((o.squeeze(1) - b.targets) ** 2).sum()
def whole_tens(o, b): return F.mse_loss(o.squeeze(1), (b.targets // 10 * 10).to(o))
def rounded(o, b): return F.mse_loss(o.squeeze(1).round(), b.targets.to(o)) + 0 * o.sum()
def away(o, b): return -F.l1_loss(o.squeeze(1), b.targets)
def undefined(o, b): return (o.squeeze(1) - b.targets).log().mean()

# steps
class Mixes:
    def training_step(self, state, batch):
        other = torch.randperm(len(batch.inputs))
        share = torch.rand(())
        outputs = state.model(share * batch.inputs + (1 - share) * batch.inputs[other])
        return share * F.cross_entropy(outputs, batch.targets) + (1 - share) * F.cross_entropy(outputs, batch.targets[other])

class MixesSums(Mixes):
    def training_step(self, state, batch):
        return super().training_step(state, batch) * len(batch)

class InParts:
    def training_step(self, state, batch):
        state.optimizer.zero_grad()
        total = 0.0
        for rows in torch.arange(len(batch)).split(8):
            value = F.cross_entropy(state.model(batch.inputs[rows]), batch.targets[rows]) * len(rows) / len(batch)
            value.backward()
            total += value.item()
        nn.utils.clip_grad_norm_(state.model.parameters(), 1.0)
        state.optimizer.step()
        return total

class InPartsSummed(InParts):
    def training_step(self, state, batch):
        state.optimizer.zero_grad()
        value = F.cross_entropy(state.model(batch.inputs).softmax(1), batch.targets)
        value.backward()
        state.optimizer.step()
        return value

class AsksTwice:
    def training_step(self, state, batch):
        one, other = state.model(batch.inputs), state.model(batch.inputs)
        return F.cross_entropy(one, batch.targets) + (one - other).square().mean()

class AsksTwiceSummed:
    def training_step(self, state, batch):
        one, other = state.model(batch.inputs), state.model(batch.inputs)
        return F.cross_entropy(one, batch.targets, reduction="sum") + (one - other).square().sum()
"""


@pytest.fixture(autouse=True)
def _team(project: Project) -> None:
    project.write("team", TEAM)


def asked(project: Project, spec: Mapping[str, Any]) -> LossAnswers:
    evidence = project.run(ProbeLoss(), spec).evidence
    assert isinstance(evidence, LossAnswers)
    return evidence


def judged(project: Project, spec: Mapping[str, Any]) -> Verdict:
    return loss(LossParams(), asked(project, spec))


def with_loss(spec: Mapping[str, Any], name: Any, model: Any = None) -> dict[str, Any]:
    return {**spec, "train": {"loss": name}, **({"model": model} if model else {})}


ONE = {**CANCER, "model": "team:one"}
LOGITS_OF_OWN = [
    "ce",
    "smoothed",
    "weighted",
    "focal",
    "brier",
    "one_for_each",
    "margin",
    "hardest",
    "flooded",
    "in_single",
]
OF_CLASSES: list[Any] = [
    *(f"team:{name}" for name in LOGITS_OF_OWN),
    "cross_entropy",
    "focal",
    "multi_margin",
    {"use": "cross_entropy", "label_smoothing": 0.1},
    {"use": "cross_entropy", "weight": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]},
    {"use": "cross_entropy", "weight": "balanced"},
    {"use": "cross_entropy", "ignore_index": 3},
]


@pytest.mark.parametrize("name", OF_CLASSES, ids=str)
def test_a_healthy_loss_of_classes_passes(project: Project, name: Any) -> None:
    """By name, and of the team's own."""
    assert judged(project, with_loss(DIGITS, name)).status is Status.PASSED


@pytest.mark.parametrize("name", ["team:bce", "team:overlap", "binary_cross_entropy_with_logits"])
def test_a_healthy_loss_of_one_output_passes(project: Project, name: str) -> None:
    """One of overlaps compares rows by nature."""
    assert judged(project, with_loss(ONE, name)).status is Status.PASSED


OF_VALUES = ["mse", "l1", "huber", "smooth_l1", "poisson_nll"]
OF_VALUES += [f"team:{name}" for name in ("rmse", "huber", "pinball", "poisson", "of_logs", "correlation")]


@pytest.mark.parametrize("name", OF_VALUES)
def test_a_healthy_loss_of_values_passes(project: Project, name: str) -> None:
    """On raw targets, whose mean is 152."""
    assert judged(project, with_loss(DIABETES, name)).status is Status.PASSED


@pytest.mark.parametrize("steps", ["standardize", ["log1p", "standardize"]], ids=str)
def test_prepared_targets_pass(project: Project, steps: Any) -> None:
    """The loss sees them scaled."""
    data = {**DIABETES["data"], "prepare_target": steps}

    assert judged(project, {**DIABETES, "data": data}).status is Status.PASSED


@pytest.mark.parametrize(
    ("name", "finding"),
    [
        ("softmax_twice", "loss.floor"),
        ("total", "loss.mean"),
        ("part_of_total", "loss.mean"),
        ("wrong_sign", "loss.direction"),
        ("next_class", "loss.direction"),
        ("other_rows", "loss.separable"),
        ("over_batch", "loss.separable"),
        ("ignores", "loss.class_uncounted"),
        ("mistakes", "loss.no_gradient"),
        ("nll", "loss.unbounded"),
    ],
)
def test_a_planted_fault_of_classes_is_red(project: Project, name: str, finding: str) -> None:
    """Each by what it is."""
    verdict = judged(project, with_loss(DIGITS, f"team:{name}"))

    assert verdict.status is Status.FAILED
    assert finding in verdict.findings


@pytest.mark.parametrize(
    ("name", "finding"),
    [
        ("broadcast", "loss.separable"),
        ("sum_of_squares", "loss.mean"),
        ("whole_tens", "loss.truncated"),
        ("rounded", "loss.no_gradient"),
        ("away", "loss.direction"),
        ("undefined", "loss.not_finite"),
    ],
)
def test_a_planted_fault_of_values_is_red(project: Project, name: str, finding: str) -> None:
    """Each by what it is."""
    assert finding in judged(project, with_loss(DIABETES, f"team:{name}")).findings


@pytest.mark.parametrize(("name", "finding"), [("sigmoid_twice", "loss.floor"), ("flipped", "loss.direction")])
def test_a_planted_fault_of_one_output_is_red(project: Project, name: str, finding: str) -> None:
    """Each by what it is."""
    assert finding in judged(project, with_loss(ONE, f"team:{name}")).findings


WEIGHTED = """
import torch.nn.functional as F

def weighted(o, b):
    return F.cross_entropy(o, b.targets, weight=o.new_tensor({weights}))
"""


@pytest.mark.parametrize(("backwards", "findings"), [(True, ("loss.weights",)), (False, ())])
def test_class_weights_of_other_classes_are_red(project: Project, backwards: bool, findings: tuple[str, ...]) -> None:
    """Those of balanced classes, the other way round; in their order they pass."""
    inverse = [1 / count for count in asked(project, with_loss(CANCER, "team:ce")).class_rows.values()]
    project.write("balanced", WEIGHTED.format(weights=inverse[::-1] if backwards else inverse))

    assert judged(project, with_loss(CANCER, "balanced:weighted")).findings == findings


@pytest.mark.parametrize("loss_of", ["cross_entropy", "team:ce"])
@pytest.mark.parametrize(
    ("model", "finding"),
    [
        ({"last": "ReLU"}, "loss.range"),
        ({"last": "Softmax"}, "loss.probabilities"),
        ({"last": "Sigmoid"}, "loss.probabilities"),
        ({"scale": 50.0}, "loss.start"),
    ],
    ids=str,
)
def test_a_model_that_does_not_give_logits_is_red(
    project: Project, model: dict[str, Any], finding: str, loss_of: str
) -> None:
    """Whoever wrote the loss; so is one whose output weights are fifty times too large."""
    verdict = judged(project, with_loss(DIGITS, loss_of, {"use": "team:ends_in", **model}))

    assert finding in verdict.findings


@pytest.mark.parametrize(
    ("last", "name"),
    [("Identity", "team:ce"), ("Tanh", "cross_entropy"), ("LogSoftmax", "nll"), ("LogSoftmax", "team:nll"),
     ("LogSoftmax", "cross_entropy"), ("Softmax", "team:squares")],
)  # fmt: skip
def test_a_model_whose_outputs_the_loss_takes_passes(project: Project, last: str, name: str) -> None:
    """Logits with bounds on both sides, and log-probabilities, are logits too."""
    assert judged(project, with_loss(DIGITS, name, {"use": "team:ends_in", "last": last})).status is Status.PASSED


def test_a_step_is_asked_in_parts(project: Project) -> None:
    """One that goes backward for every part, clips and steps."""
    answers = asked(project, {**DIGITS, "recipe": "team:InParts"})

    assert loss(LossParams(), answers).status is Status.PASSED
    assert (answers.subject, answers.refused) == ("training_step", "")


@pytest.mark.parametrize(
    ("step", "status"),
    [
        ("Mixes", Status.PASSED),
        ("MixesSums", Status.FAILED),
        ("InPartsSummed", Status.FAILED),
        ("AsksTwice", Status.NOT_APPLICABLE),
        ("AsksTwiceSummed", Status.FAILED),
    ],
)
def test_a_step_is_judged_as_far_as_it_can_be_asked(project: Project, step: str, status: Status) -> None:
    """Mixup draws, so its rows are not compared; one that wants two answers is no function of the outputs."""
    assert judged(project, {**DIGITS, "recipe": f"team:{step}"}).status is status


def test_one_row_is_not_enough(project: Project) -> None:
    """Nothing can be compared."""
    project.write("few", "import numpy as np\n\ndef load():\n    return np.ones((2, 3)), np.array([0.5, 1.5])\n")
    spec = {"task": "regression", "data": {"source": "few:load", "split": {"test": 0.5}, "prepare": "none"}}

    with pytest.raises(MeasurementError, match="1 training row"):
        asked(project, {**spec, "model": DIGITS["model"]})


@pytest.mark.parametrize("engine", ["sklearn", "keras", "sentence_transformers"])
def test_an_engine_without_a_loss_of_outputs_says_so(engine: str) -> None:
    """Not applicable, with the reason."""
    assert "loss" in ENGINES.find(engine).cannot(ProbeLoss())
