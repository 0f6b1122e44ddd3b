"""`reference_step` on steps that are right, and unusual: no alarm, and what cannot be compared is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from projects import DIGITS, Project

from pytest_mlspec.check import Status
from pytest_mlspec.checks.reference_step import ReferenceStepParams, reference_step

from .team_steps import ADAMW, IMPLIED, MLP, OWN_OPTIMIZER, SGD, WRITTEN, judged, measured, step, written

SEEN_BOTH = ["gradients", "update"]

RIGHT = {
    "plain": step(),
    "returned": written("return ce(state, batch)"),
    "cleared last": written(
        "loss = ce(state, batch)",
        "loss.backward()",
        "state.optimizer.step()",
        "state.optimizer.zero_grad()",
        "return loss.detach()",
    ),
    "noise": step("F.cross_entropy(state.model(batch.inputs + torch.randn_like(batch.inputs)), batch.targets)"),
    "noise of numpy": step(
        "F.cross_entropy(state.model(batch.inputs + torch.from_numpy(np.random.randn(64, 64))), batch.targets)"
    ),
    "dropout of inputs": step("F.cross_entropy(state.model(F.dropout(batch.inputs, 0.2)), batch.targets)"),
    "other order": step(
        "F.cross_entropy(state.model(batch.inputs[order]), batch.targets[order])", first="order = torch.randperm(64)"
    ),
    "log_softmax": step("F.nll_loss(state.model(batch.inputs).log_softmax(1), batch.targets)"),
    "one hot": step("-(F.one_hot(batch.targets, 10) * state.model(batch.inputs).log_softmax(1)).sum(1).mean()"),
    "sum by rows": step("ce(state, batch, reduction='sum') / len(batch)"),
    "logits in single precision": step("F.cross_entropy(state.model(batch.inputs).float(), batch.targets)"),
    "inputs in single precision": step("F.cross_entropy(state.model(batch.inputs.float()), batch.targets)"),
    "autocast": written(
        "with torch.autocast('cpu', dtype=torch.bfloat16):",
        "    loss = ce(state, batch)",
        "state.optimizer.zero_grad()",
        "loss.backward()",
        "state.optimizer.step()",
        "return loss.detach()",
    ),
    "micro-batches": written(
        "state.optimizer.zero_grad()",
        "for inputs, targets in zip(batch.inputs.split((40, 24)), batch.targets.split((40, 24))):",
        "    loss = F.cross_entropy(state.model(inputs), targets) * len(inputs) / len(batch)",
        "    loss.backward()",
        "state.optimizer.step()",
        "return loss.detach()",
    ),
    "parts of the model": step(
        "F.cross_entropy(state.model.layers[2:](state.model.layers[:2](batch.inputs)), batch.targets)"
    ),
    "clipped": step(between="nn.utils.clip_grad_norm_(state.model.parameters(), 0.1)"),
    "clipped by value": step(between="nn.utils.clip_grad_value_(state.model.parameters(), 0.01)"),
    "gradient noise": step(between="[p.grad.add_(1e-3 * torch.randn_like(p)) for p in state.model.parameters()]"),
    "warm-up by hand": step(first="state.optimizer.param_groups[0]['lr'] = 1e-3 * (state.step + 1)"),
    "maximal norm of weights": step(
        last="[p.data.renorm_(2, 0, 1.0) for p in state.model.parameters() if p.dim() > 1]"
    ),
    "scaled": """
scaler = torch.amp.GradScaler("cpu")

def training_step(state, batch):
    state.optimizer.zero_grad()
    loss = ce(state, batch)
    scaler.scale(loss).backward()
    scaler.unscale_(state.optimizer)
    nn.utils.clip_grad_norm_(state.model.parameters(), 0.1)
    scaler.step(state.optimizer)
    scaler.update()
    return loss.detach()
""",
}


@pytest.mark.parametrize("optimizer", [ADAMW, SGD], ids=["adamw", "sgd"])
@pytest.mark.parametrize("name", RIGHT)
def test_a_step_that_is_right_is_equal(project: Project, name: str, optimizer: Mapping[str, Any]) -> None:
    """Gradients and update, in float64 where the step allows it."""
    spec = {**MLP, "train": {"loss": "cross_entropy", "optimizer": optimizer}}
    found = measured(project, RIGHT[name], spec)
    equal = [part.part for part in found.parts if part.difference <= part.tolerance]

    assert set(SEEN_BOTH) - set(equal) <= ({"update"} if name == "maximal norm of weights" else set())
    assert found.dtype == ("float32" if name == "inputs in single precision" else "float64")
    assert reference_step(ReferenceStepParams(), found).status is Status.PASSED


MIXUP = step(
    "share * F.cross_entropy(out, batch.targets) + (1 - share) * F.cross_entropy(out, batch.targets[order])",
    first="share, order = float(np.random.beta(1, 1)), torch.randperm(64)\n"
    "    out = state.model(share * batch.inputs + (1 - share) * batch.inputs[order])",
)
TWO_VIEWS = step(
    "F.cross_entropy(one, batch.targets) + F.mse_loss(one, other)",
    first="one, other = (state.model(batch.inputs + torch.randn_like(batch.inputs)) for _ in range(2))",
)
SHARP = written(
    "state.optimizer.zero_grad()",
    "ce(state, batch).backward()",
    "moves = [0.05 * p.grad for p in state.model.parameters()]",
    "for p, move in zip(state.model.parameters(), moves): p.data.add_(move)",
    "state.optimizer.zero_grad()",
    "loss = ce(state, batch)",
    "loss.backward()",
    "for p, move in zip(state.model.parameters(), moves): p.data.sub_(move)",
    "state.optimizer.step()",
    "return loss.detach()",
)


@pytest.mark.parametrize("code", [MIXUP, TWO_VIEWS, SHARP], ids=["mixup", "two views", "sharpness-aware"])
def test_gradients_that_cannot_be_compared_are_told(project: Project, code: str) -> None:
    """The update is, given those gradients."""
    verdict = judged(project, code, WRITTEN)

    assert verdict.status is Status.PASSED
    assert verdict.summary == "update as in the reference, over 3 steps in float64"
    assert any(fact.startswith("not compared: gradients") for fact in verdict.facts)


CLOSURE = written(
    "def closure():",
    "    state.optimizer.zero_grad()",
    "    loss = ce(state, batch)",
    "    loss.backward()",
    "    return loss",
    "return state.optimizer.step(closure).detach()",
)
ADVERSARIAL = """
class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.g, self.d = nn.Linear(64, 10), nn.Linear(10, 1)

    def forward(self, inputs):
        return self.g(inputs)

def optimizer(model):
    global other
    other = torch.optim.Adam(model.d.parameters(), lr=1e-3)
    return torch.optim.Adam(model.g.parameters(), lr=1e-3)

def training_step(state, batch):
    model, real = state.model, F.one_hot(batch.targets, 10).to(batch.inputs.dtype)
    other.zero_grad()
    (F.softplus(-model.d(real)) + F.softplus(model.d(model(batch.inputs).detach()))).mean().backward()
    other.step()
    state.optimizer.zero_grad()
    outputs = model(batch.inputs)
    loss = F.cross_entropy(outputs, batch.targets) + F.softplus(-model.d(outputs)).mean()
    loss.backward()
    state.optimizer.step()
    return loss.detach()
"""


def test_an_optimizer_that_works_gradients_out_itself_is_not_applicable(project: Project) -> None:
    """Each part with its reason."""
    code = OWN_OPTIMIZER.format("LBFGS(model.parameters(), lr=0.1, max_iter=3)") + CLOSURE
    verdict = judged(project, code, IMPLIED)

    assert verdict.status is Status.NOT_APPLICABLE
    assert "LBFGS" in verdict.summary


def test_two_optimizers_are_no_alarm(project: Project) -> None:
    """Each has its part of the model, and the loss is more than the default."""
    spec = {"data": DIGITS["data"], "model": "team:Pair", "train": {"epochs": 1}}

    assert judged(project, ADVERSARIAL, spec).status is Status.PASSED


OWN_LOSSES = {
    "smoothed": "F.cross_entropy(outputs, batch.targets, label_smoothing=0.1)",
    "focal": "((1 - torch.exp(-each)) ** 2 * each).mean()",
    "weights": "F.cross_entropy(outputs, batch.targets, weight=torch.linspace(0.5, 2, 10, dtype=outputs.dtype))",
    "entropy": "F.cross_entropy(outputs, batch.targets) + (outputs.softmax(1) * outputs.log_softmax(1)).sum(1).mean()",
    "squares": "F.mse_loss(outputs.softmax(1), F.one_hot(batch.targets, 10).to(outputs.dtype))",
    "margin": "F.multi_margin_loss(outputs, batch.targets)",
    "half": "0.5 * F.cross_entropy(outputs, batch.targets)",
    "temperature": "F.cross_entropy(outputs / 2, batch.targets)",
    "contrastive": "F.cross_entropy(F.normalize(outputs) @ F.normalize(outputs).T, torch.arange(len(outputs)))",
}


@pytest.mark.parametrize("accumulate", [1, 4])
@pytest.mark.parametrize("name", OWN_LOSSES)
def test_a_loss_of_the_teams_own_is_no_mistake(project: Project, name: str, accumulate: int) -> None:
    """Where nothing declares what it should be."""
    lines = ["each = F.cross_entropy(outputs, batch.targets, reduction='none')", f"return {OWN_LOSSES[name]}"]
    code = "\n    ".join(["def loss(outputs, batch):", *lines])
    spec = {**MLP, "train": {"batch_size": 64 // accumulate, "accumulate": accumulate}}

    assert not judged(project, code, spec).status.red


OF_VALUES = {
    "huber": "F.huber_loss(outputs, batch.targets)",
    "quantile": "torch.maximum(0.9 * (batch.targets - outputs), 0.1 * (outputs - batch.targets)).mean()",
    "relative": "((outputs / batch.targets - 1) ** 2).mean()",
    "root": "F.mse_loss(outputs, batch.targets).sqrt()",
    "logarithmic": "F.mse_loss(outputs, batch.targets.log())",
    "scaled": "F.mse_loss(outputs, batch.targets) / 77",
}
OF_TWO_CLASSES = {
    "plain": "F.binary_cross_entropy_with_logits(outputs, positive)",
    "smoothed": "F.binary_cross_entropy_with_logits(outputs, 0.9 * positive + 0.05)",
    "weighted": "F.binary_cross_entropy_with_logits(outputs, positive, pos_weight=torch.tensor(3.0))",
    "hinge": "F.relu(1 - (2 * positive - 1) * outputs).mean()",
}
ONE_OUTPUT = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.out = nn.LazyLinear(16), nn.Linear(16, 1)

    def forward(self, inputs):
        return self.out(torch.relu(self.body(inputs))).squeeze(-1)

def loss(outputs, batch):
    positive = batch.targets.to(outputs.dtype)
    return {}

"""
OWN_STEP = (
    step("loss(state.model(batch.inputs), batch)")
    .replace("loss = loss(", "value = loss(")
    .replace("loss.backward", "value.backward")
    .replace("loss.detach", "value.detach")
)


@pytest.mark.parametrize(
    ("task", "loss"),
    [*(("regression", loss) for loss in OF_VALUES.values()), *(("binary", loss) for loss in OF_TWO_CLASSES.values())],
    ids=[*OF_VALUES, *OF_TWO_CLASSES],
)
def test_a_loss_of_one_output_is_no_mistake(project: Project, task: str, loss: str) -> None:
    """Far from its targets a loss may look like another one with a mistake in it."""
    data = "sklearn.diabetes" if task == "regression" else "sklearn.breast_cancer"
    spec = {"task": task, "data": {"source": data}, "model": "team:Net", "train": {"epochs": 1}}

    assert not judged(project, ONE_OUTPUT.format(loss), spec).status.red
    assert judged(project, ONE_OUTPUT.format(loss) + OWN_STEP, spec).summary.startswith("gradients, update as in")


def test_groups_without_decay_for_biases_are_those_of_the_teams_optimizer(project: Project) -> None:
    """Under a schedule that changes rates and momenta."""
    own = """
def optimizer(model):
    decayed = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() < 2]
    return torch.optim.AdamW([{"params": decayed}, {"params": others, "weight_decay": 0.0}], lr=1e-3, weight_decay=0.1)
"""
    spec = {**MLP, "train": {"schedule": {"use": "one_cycle", "max_lr": 1e-2}}}
    verdict = judged(project, own + step(), spec)

    assert verdict.status is Status.PASSED
    assert verdict.summary.startswith("gradients, update")


@pytest.mark.parametrize(
    "train",
    [
        {"schedule": {"use": "cosine", "warmup": 5}},
        {"ema": 0.9, "freeze": ["layers.1"]},
        {"optimizer": {"use": "adagrad", "lr": 1e-2}},
        {"optimizer": {"use": "rprop", "lr": 1e-2}},
        {"optimizer": {"use": "adafactor", "lr": 1e-2}},
        {"optimizer": {**ADAMW, "groups": {"layers.1": {"lr": 1e-3}}}},
    ],
    ids=str,
)
def test_what_the_spec_declares_beside_is_followed(project: Project, train: Mapping[str, Any]) -> None:
    """Schedules, averages, frozen layers, other optimizers, groups."""
    spec = {**WRITTEN, "train": {**WRITTEN["train"], **train}}

    assert judged(project, step(), spec).summary.startswith("gradients, update as in the reference")


@pytest.mark.parametrize(
    "train",
    [
        {"clip_norm": 0.1, "accumulate": 4, "batch_size": 16},
        {"clip_norm": 0.1, "precision": "fp16"},
        {"precision": "bf16"},
    ],
    ids=str,
)
def test_what_the_loop_does_around_a_returned_loss_is_as_declared(project: Project, train: Mapping[str, Any]) -> None:
    """Clipping, accumulation, scaling."""
    spec = {**WRITTEN, "train": {**WRITTEN["train"], **train}}
    verdict = judged(project, RIGHT["returned"], spec)

    assert verdict.status is Status.PASSED
    assert ("clipping" in verdict.summary) == ("clip_norm" in train)


NETS = """
class Images(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.drop = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Dropout(0.3)
        self.out = nn.Linear(256, 10)

    def forward(self, inputs):
        maps = torch.relu(self.norm(self.conv(inputs.reshape(-1, 1, 8, 8))))
        return self.out(self.drop(maps).flatten(1))

class Rows(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.out = nn.LSTM(8, 12, batch_first=True), nn.Linear(12, 10)

    def forward(self, inputs):
        return self.out(self.lstm(inputs.reshape(-1, 8, 8))[0][:, -1])

class Normed(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.utils.spectral_norm(nn.Linear(64, 16))
        self.norm, self.out = nn.LayerNorm(16), nn.utils.parametrizations.weight_norm(nn.Linear(16, 10))

    def forward(self, inputs):
        return self.out(torch.relu(self.norm(self.body(inputs))))

class Sparse(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.out = nn.Embedding(32, 4, sparse=True), nn.Linear(256, 10)

    def forward(self, inputs):
        return self.out(self.embedding((inputs.clamp(-3, 3) * 4 + 12).long()).flatten(1))

class Single(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(64, 10)

    def forward(self, inputs):
        return F.linear(inputs.to(torch.float32), self.out.weight, self.out.bias)

class Unused(nn.Module):
    def __init__(self):
        super().__init__()
        self.out, self.unused = nn.Linear(64, 10), nn.Linear(3, 3)

    def forward(self, inputs):
        return self.out(inputs)
"""
PLAIN_SGD = {"loss": "cross_entropy", "optimizer": {"use": "sgd", "lr": 0.1}}
SOFTMAX = step("F.cross_entropy(state.model(batch.inputs).softmax(1), batch.targets)")


@pytest.mark.parametrize("net", ["Images", "Rows", "Normed", "Sparse", "Single", "Unused"])
def test_models_of_many_kinds_are_no_alarm_and_hide_no_fault(project: Project, net: str) -> None:
    """Statistics of the batch and dropout are the same on both sides."""
    spec = {"data": DIGITS["data"], "model": f"team:{net}", "train": PLAIN_SGD}
    healthy = judged(project, NETS + step(), spec)
    faulty = judged(project, NETS + SOFTMAX, spec)
    leftover = judged(project, NETS + step().replace("state.optimizer.zero_grad()", "pass"), spec)

    assert healthy.summary.startswith("gradients, update as in the reference")
    assert faulty.findings == ("reference_step.softmax",)
    assert leftover.findings == ("reference_step.leftover",)


SEVERAL = """
class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.classes, self.back = nn.Linear(64, 16), nn.Linear(16, 10), nn.Linear(16, 64)

    def forward(self, inputs):
        hidden = torch.relu(self.body(inputs))
        return (self.classes(hidden), self.back(hidden)) if self.training else self.classes(hidden)

def training_step(state, batch):
    state.optimizer.zero_grad()
    classes, back = state.model(batch.inputs)
    loss = F.cross_entropy(classes, batch.targets) + F.mse_loss(back, batch.inputs)
    loss.backward()
    state.optimizer.step()
    return loss.detach()
"""


def test_a_model_of_several_outputs_is_compared_where_it_can_be(project: Project) -> None:
    """The update, and that gradients are those of the step."""
    spec = {"data": DIGITS["data"], "model": "team:Two", "train": PLAIN_SGD}
    verdict = judged(project, SEVERAL, spec)
    leftover = judged(project, SEVERAL.replace("state.optimizer.zero_grad()", "pass"), spec)

    assert verdict.status is Status.PASSED
    assert any("the model returns a tuple in training" in fact for fact in verdict.facts)
    assert leftover.findings == ("reference_step.leftover",)


COLLATE = """
def collate(examples):
    noise = 0.1 * torch.randn(examples.inputs.shape)
    return {"pixels": torch.from_numpy(examples.inputs) + noise}, torch.from_numpy(examples.targets)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(64, 10)

    def forward(self, pixels):
        return self.out(pixels)
"""


def test_a_collate_that_gives_inputs_by_name_is_followed(project: Project) -> None:
    """However the step calls the model."""
    spec = {"data": DIGITS["data"], "model": "team:Net", "train": PLAIN_SGD}
    for call in ("state.model(**batch.inputs)", "state.model(batch.inputs['pixels'])"):
        code = COLLATE + step(f"F.cross_entropy({call}, batch.targets)")

        assert judged(project, code, spec).summary.startswith("gradients, update as in the reference")
