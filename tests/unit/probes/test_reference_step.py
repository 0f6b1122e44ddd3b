"""`reference_step` on steps with planted faults: each is red, and told by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from projects import CANCER, DIABETES, DIGITS, Project

from pytest_mlspec.check import Status
from pytest_mlspec.errors import MlspecError, NotApplicableError
from pytest_mlspec.jobs import ReferenceStep

from .team_steps import (
    ADAMW,
    IMPLIED,
    MLP,
    OWN_OPTIMIZER,
    SGD,
    WRITTEN,
    judged,
    measured,
    step,
    written,
)

CE = "F.cross_entropy(state.model(batch.inputs), batch.targets{})"
MICRO_BATCHES = (
    "state.optimizer.zero_grad()",
    "for inputs, targets in zip(batch.inputs.chunk(4), batch.targets.chunk(4)):",
    "    loss = F.cross_entropy(state.model(inputs), targets){}",
    "    loss.backward()",
    "state.optimizer.step()",
    "return loss.detach()",
)


def micro_batches(divided: str) -> str:
    return written(*(line.format(divided) for line in MICRO_BATCHES))


GRADIENT_FAULTS = {
    "softmax_before": step("F.cross_entropy(state.model(batch.inputs).softmax(1), batch.targets)"),
    "sum_for_mean": step(CE.format(", reduction='sum'")),
    "mean_twice": step("ce(state, batch) / len(batch)"),
    "ascends": step("-ce(state, batch)"),
    "leftover": written("loss = ce(state, batch)", "loss.backward()", "state.optimizer.step()", "return loss.detach()"),
    "late": written(
        "loss = ce(state, batch)",
        "state.optimizer.step()",
        "state.optimizer.zero_grad()",
        "loss.backward()",
        "return loss.detach()",
    ),
    "cleared": step(between="state.optimizer.zero_grad(set_to_none=False)"),
    "decay_twice": step("ce(state, batch) + 1e-3 * sum((p ** 2).sum() for p in state.model.parameters())"),
    "rows_left_out": step("F.cross_entropy(state.model(batch.inputs[:32]), batch.targets[:32])"),
    "not_divided": micro_batches(""),
    "micro_batches": micro_batches(" / 4").replace(".chunk(4)", ".split((40, 8, 8, 8))"),
    "detached": step(
        "F.cross_entropy(state.model.layers[2:](state.model.layers[:2](batch.inputs).detach()), batch.targets)"
    ),
    "backward_twice": step("ce(state, batch)", first="pass").replace(
        "loss.backward()", "loss.backward(retain_graph=True); loss.backward()"
    ),
    "other_targets": step("F.cross_entropy(state.model(batch.inputs), batch.targets.roll(1))"),
}


@pytest.mark.parametrize("optimizer", [ADAMW, SGD], ids=["adamw", "sgd"])
@pytest.mark.parametrize("fault", GRADIENT_FAULTS)
def test_a_faulty_gradient_is_red_whatever_the_optimizer_hides(
    project: Project, fault: str, optimizer: Mapping[str, Any]
) -> None:
    """And named; the update is the declared one given that gradient."""
    spec = {**MLP, "train": {"loss": "cross_entropy", "optimizer": optimizer}}
    found = measured(project, GRADIENT_FAULTS[fault], spec)

    assert [part.explained_by for part in found.parts if part.difference > 1e-3] == [fault]
    assert found.dtype == "float64"


@pytest.mark.parametrize("fault", [name for name in GRADIENT_FAULTS if name != "detached"])
def test_what_is_a_mistake_is_red_where_nothing_is_declared(project: Project, fault: str) -> None:
    """The default of the task is enough to tell it; the rate and decay are those of the engine's default."""
    assert judged(project, GRADIENT_FAULTS[fault], IMPLIED).status is Status.FAILED


LOSSES = {
    "sum_for_mean": "def loss(outputs, batch):\n    return F.cross_entropy(outputs, batch.targets, reduction='sum')",
    "softmax_before": "def loss(outputs, batch):\n    return F.cross_entropy(outputs.softmax(1), batch.targets)",
    "mean_twice": "def loss(outputs, batch):\n    return F.cross_entropy(outputs, batch.targets) / len(outputs)",
    "ascends": "def loss(outputs, batch):\n    return -F.cross_entropy(outputs, batch.targets)",
}


@pytest.mark.parametrize("accumulate", [1, 4])
@pytest.mark.parametrize("fault", LOSSES)
def test_a_mistake_in_a_loss_of_the_teams_own_is_red(project: Project, fault: str, accumulate: int) -> None:
    """Nothing but the task says what it should be."""
    spec = {**MLP, "train": {"batch_size": 64 // accumulate, "accumulate": accumulate}}
    found = measured(project, LOSSES[fault], spec)

    assert found.parts[0].explained_by in (fault, "scaled" if accumulate > 1 and fault == "mean_twice" else fault)
    assert found.parts[0].reference == "cross_entropy (the default of multiclass)"


BOTH = """
def loss(outputs, batch):
    return {}

def training_step(state, batch):
    state.optimizer.zero_grad()
    value = loss(state.model(batch.inputs), batch){}
    value.backward()
    state.optimizer.step()
    return value.detach()
"""
SMOOTHED = "F.cross_entropy(outputs, batch.targets, label_smoothing=0.1)"


@pytest.mark.parametrize(
    ("loss", "more", "fault"),
    [
        ("F.cross_entropy(outputs.softmax(1), batch.targets)", "", "softmax_before"),
        ("F.cross_entropy(outputs, batch.targets, reduction='sum')", "", "sum_for_mean"),
        (SMOOTHED, " * len(batch)", "sum_for_mean"),
        (SMOOTHED, "", ""),
    ],
)
def test_a_step_with_a_loss_of_the_same_team_is_held_against_both(
    project: Project, loss: str, more: str, fault: str
) -> None:
    """The default of the task tells a mistake in their loss, their loss one in their step."""
    verdict = judged(project, BOTH.format(loss, more), IMPLIED)
    named = {part.explained_by for part in measured(project, BOTH.format(loss, more), IMPLIED).parts}

    assert verdict.status is (Status.FAILED if fault else Status.PASSED)
    assert fault in named


def test_a_sum_of_weighted_rows_is_red(project: Project) -> None:
    """The weights of the classes lie around 1, and what each row counts around the number of rows."""
    weighted = "F.cross_entropy(outputs, batch.targets, weight=torch.linspace(0.5, 2, 10).double(), reduction={})"
    red = judged(project, "def loss(outputs, batch):\n    return " + weighted.format("'sum'"), IMPLIED)
    right = judged(project, "def loss(outputs, batch):\n    return " + weighted.format("'mean'"), IMPLIED)

    assert (red.findings, right.status) == (("reference_step.scale",), Status.NOT_APPLICABLE)


@pytest.mark.parametrize("hidden", [[], [16]])
def test_a_step_before_backward_is_red_where_torch_then_refuses_to_go_back(project: Project, hidden: list[int]) -> None:
    """The weights of a deep model have changed since its forward."""
    spec = {**MLP, "model": {"use": "mlp", "hidden": hidden}, "train": {"optimizer": ADAMW}}

    assert judged(project, GRADIENT_FAULTS["late"], spec).findings == ("reference_step.late",)


SCALED = """
scaler = torch.amp.GradScaler("cpu")

def training_step(state, batch):
    state.optimizer.zero_grad()
    loss = ce(state, batch)
    scaler.scale(loss).backward()
    {}
    return loss.detach()
"""
CLIP = "nn.utils.clip_grad_norm_(state.model.parameters(), 0.1)"


@pytest.mark.parametrize("optimizer", [ADAMW, SGD], ids=["adamw", "sgd"])
@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (f"{CLIP}; scaler.unscale_(state.optimizer); scaler.step(state.optimizer); scaler.update()", "before"),
        (f"{CLIP}; scaler.step(state.optimizer); scaler.update()", "before"),
        ("state.optimizer.step()", "never"),
    ],
)
def test_a_scale_that_is_left_in_the_gradients_is_red(
    project: Project, lines: str, fault: str, optimizer: Mapping[str, Any]
) -> None:
    """While they are clipped, or for good; Adam would hide it."""
    spec = {**MLP, "train": {"loss": "cross_entropy", "optimizer": optimizer}}
    verdict = judged(project, SCALED.format(lines), spec)

    assert verdict.findings == ("reference_step.clip",)
    assert verdict.summary.startswith(
        "gradients are clipped while they are scaled" if fault == "before" else "the scale of the loss stays"
    )


REGRESSION: Mapping[str, Any] = {**DIABETES, "train": {"loss": "mse", "optimizer": ADAMW}}
STANDARDIZED = {**REGRESSION, "data": {**DIABETES["data"], "prepare_target": ["standardize"]}}


@pytest.mark.parametrize(
    ("loss", "spec", "fault"),
    [
        ("((state.model(batch.inputs).reshape(-1, 1) - batch.targets) ** 2).mean()", REGRESSION, "broadcast"),
        (
            "((state.model(batch.inputs).squeeze(-1) - batch.targets.long()) ** 2).mean()",
            STANDARDIZED,
            "truncated_targets",
        ),
        (
            "((state.model(batch.inputs).squeeze(-1) - batch.targets // 10 * 10) ** 2).mean()",
            REGRESSION,
            "truncated_targets",
        ),
        (
            "((state.model(batch.inputs).squeeze(-1) - batch.targets.round()) ** 2).mean()",
            STANDARDIZED,
            "truncated_targets",
        ),
    ],
)
def test_targets_of_a_regression_that_get_lost_are_red(
    project: Project, loss: str, spec: Mapping[str, Any], fault: str
) -> None:
    """In their shape, or in their fractions."""
    found = measured(project, step(loss), spec)

    assert found.parts[0].explained_by == fault


def test_a_sigmoid_before_a_loss_of_logits_is_red(project: Project) -> None:
    """The probabilities of one output a row."""
    loss = "F.binary_cross_entropy_with_logits(state.model(batch.inputs).squeeze(-1).sigmoid(), batch.targets.double())"
    spec = {**CANCER, "train": {"loss": "binary_cross_entropy_with_logits"}}

    assert measured(project, step(loss), spec).parts[0].explained_by == "sigmoid_before"


WEIGHTS = [0.5, 2.0]


@pytest.mark.parametrize(
    ("weight", "fault"),
    [("[0.5, 2.0]", ""), ("[2.0, 0.5]", "weights_reordered"), ("[1.0, 1.0]", "weights_missing")],
)
def test_class_weights_in_another_order_are_red(project: Project, weight: str, fault: str) -> None:
    """And those that are left out."""
    spec = {**CANCER, "train": {"loss": {"use": "cross_entropy", "weight": WEIGHTS}}}
    code = step(CE.format(f", weight=torch.tensor({weight}, dtype=torch.float64)"))

    assert measured(project, code, spec).parts[0].explained_by == fault


BALANCED = """
def split(rows):
    global weight
    at = np.arange(len(rows))
    train, test = rows.take(at[at % 5 != 0]), rows.take(at[at % 5 == 0])
    counts = np.unique(train.targets, return_counts=True)[1]
    weight = torch.tensor(len(train) / (2 * counts)){}
    return {{"train": train, "test": test}}

def loss(outputs, batch):
    return F.cross_entropy(outputs, batch.targets, weight=weight.to(outputs.dtype))
"""


@pytest.mark.parametrize(("order", "status"), [("", Status.NOT_APPLICABLE), (".flip(0)", Status.FAILED)])
def test_weights_of_balanced_classes_need_no_declaration_to_be_in_order(
    project: Project, order: str, status: Status
) -> None:
    """In another order they are those of other classes; in this one the spec says nothing of them."""
    spec = {"task": "binary", "data": {"source": "sklearn.breast_cancer"}, "model": "mlp"}

    assert judged(project, BALANCED.format(order), spec).status is status


UPDATE_FAULTS = {
    "other_rate": step(first="state.optimizer.param_groups[0]['lr'] = 0.03"),
    "other_decay": step(first="state.optimizer.param_groups[0]['weight_decay'] = 0.0"),
    "decay_twice": step(last="[p.data.mul_(1 - 1e-4) for p in state.model.parameters()]"),
    "state_lost": step(first="state.optimizer.state.clear()"),
    "stepped_twice": step(last="state.optimizer.step()"),
}


@pytest.mark.parametrize("optimizer", [ADAMW, SGD], ids=["adamw", "sgd"])
@pytest.mark.parametrize("fault", UPDATE_FAULTS)
def test_a_faulty_update_is_red(project: Project, fault: str, optimizer: Mapping[str, Any]) -> None:
    """With gradients that are right."""
    spec = {**MLP, "train": {"loss": "cross_entropy", "optimizer": optimizer}}
    found = measured(project, UPDATE_FAULTS[fault], spec)

    assert [part.explained_by for part in found.parts if part.difference > 1e-5] == [fault]
    assert found.parts[-1].part == "update"


@pytest.mark.parametrize(
    ("own", "asked", "fault"),
    [
        ("AdamW(model.parameters(), lr=1e-2, weight_decay=0.3)", ADAMW, "other_decay"),
        ("AdamW(model.parameters(), lr=1e-2, weight_decay=0)", ADAMW, "other_decay"),
        ("AdamW(model.parameters(), lr=3e-2, weight_decay=1e-2)", ADAMW, "other_rate"),
        ("SGD(model.parameters(), lr=0.1, weight_decay=1e-3)", SGD, "other_settings"),
        ("RMSprop(model.parameters(), lr=1e-2)", ADAMW, "another_optimizer"),
        (
            "AdamW(model.parameters(), lr=1e-2, weight_decay=1e-2)",
            {**ADAMW, "groups": {"layers.1.bias": {"weight_decay": 0.0}, "layers.3.bias": {"weight_decay": 0.0}}},
            "other_decay",
        ),
        ("AdamW(model.parameters(), lr=1e-2, weight_decay=1e-2)", ADAMW, ""),
    ],
)
def test_an_optimizer_of_the_teams_own_is_held_against_what_is_asked(
    project: Project, own: str, asked: Mapping[str, Any], fault: str
) -> None:
    """With a step of its own, and without one."""
    for code in (OWN_OPTIMIZER.format(own), OWN_OPTIMIZER.format(own) + step()):
        verdict = judged(project, code, {**MLP, "train": {}}, optimizer=dict(asked))

        assert verdict.status is (Status.FAILED if fault else Status.PASSED)


@pytest.mark.parametrize(
    ("clip_norm", "finding"),
    [(0.1, ()), (0.5, ("reference_step.clip",)), (None, ())],
)
def test_the_norm_that_a_step_clips_to_can_be_asked_for(
    project: Project, clip_norm: float | None, finding: tuple[str, ...]
) -> None:
    """Where a spec cannot say it, because the step is the team's; unasked, it is told."""
    verdict = judged(project, step(between=CLIP), WRITTEN, clip_norm=clip_norm)

    assert verdict.findings == finding
    assert clip_norm or any("clipped to a norm of 0.1" in fact for fact in verdict.facts)


def test_a_loss_can_be_asked_for(project: Project) -> None:
    """With its arguments; another one is red."""
    code = "def loss(outputs, batch):\n    return F.cross_entropy(outputs, batch.targets, label_smoothing=0.1)"

    assert judged(project, code, IMPLIED).status is Status.NOT_APPLICABLE
    assert judged(project, code, IMPLIED, loss={"use": "cross_entropy", "label_smoothing": 0.1}).status is Status.PASSED
    assert judged(project, code, IMPLIED, loss={"use": "cross_entropy", "label_smoothing": 0.2}).status is Status.FAILED


def test_label_smoothing_that_nobody_declares_is_red_where_the_loss_is_written(project: Project) -> None:
    """The message tells how to declare it."""
    verdict = judged(project, step("ce(state, batch, label_smoothing=0.1)"), WRITTEN)

    assert verdict.summary == "soft targets: label smoothing, or a teacher: gradients differ by 0.2879, at most 1e-06"
    assert "declare it under `train.loss`" in verdict.advice[0]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"optimizer": {"use": "adamww"}}, "unknown optimizer 'adamww'"),
        ({"optimizer": {"use": "adamw", "rate": 0.1}}, "adamw takes no argument 'rate'"),
        ({"loss": "cross_entrpy"}, "unknown loss 'cross_entrpy'"),
    ],
)
def test_what_is_asked_for_and_does_not_exist_is_an_error(
    project: Project, params: Mapping[str, Any], message: str
) -> None:
    """It is no part that is left out."""
    with pytest.raises(MlspecError, match=message):
        judged(project, step(), IMPLIED, **params)


def test_nothing_of_the_teams_own_is_not_applicable(project: Project) -> None:
    """The declared step is the one that is taken."""
    with pytest.raises(NotApplicableError, match="no training_step, loss or optimizer"):
        project.run(ReferenceStep(), DIGITS)
