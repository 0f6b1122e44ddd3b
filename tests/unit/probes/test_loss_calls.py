"""The losses that a team's own fit calls: class weights out of order, and outputs that are no logits, are seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from projects import CANCER, Project

from pytest_mlspec.check import Status, Verdict
from pytest_mlspec.checks.loss import LossParams, loss
from pytest_mlspec.errors import NotApplicableError, UserCodeError
from pytest_mlspec.evidence import LossAnswers
from pytest_mlspec.jobs import ProbeLoss
from pytest_mlspec.probes import needs_torch

from .loop_team import BASE

TEAM = (
    BASE
    + '''
STEPS = []

class Counted(Loop):
    def step(self, model, optimizer, x, y, last):
        STEPS.append(len(x))
        super().step(model, optimizer, x, y, last)

class Rare(Loop):
    """Three classes of unequal size: digits up to 5, 6 to 8, and 9."""

    order = [0, 1, 2]
    weights = [0.3, 0.6, 2.1]

    def load(self):
        x, y = load_digits(return_X_y=True)
        return x.astype("float32"), np.select([y < 6, y < 9], ["common", "rarer"], "some")

    def network(self):
        return nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 3))

    def weight(self):
        return torch.tensor(self.weights)[self.order]

    def error(self, model, x, y):
        return F.cross_entropy(model(x), y, self.weight())

class RareModule(Rare):
    def error(self, model, x, y):
        return nn.CrossEntropyLoss(weight=self.weight())(model(x), y)

class Flipped(Rare):
    order = [2, 1, 0]

class FlippedModule(RareModule):
    order = [2, 1, 0]

class OfTheBatch(Rare):
    """Weights of each batch, the first of them in another order than the classes of all rows."""

    def error(self, model, x, y):
        weight = self.weight() if self.number % 2 else self.weight().flip(0)
        return F.cross_entropy(model(x), y, weight)

class ForLookingAlone(Rare):
    """The fit does not learn from the weighted loss: it is an entry of a log."""

    def error(self, model, x, y):
        outputs = model(x)
        with torch.no_grad():
            F.cross_entropy(outputs, y, self.weight().flip(0))
        F.cross_entropy(outputs, y, self.weight().flip(0)).item()
        F.cross_entropy(outputs.relu(), y).item()
        return F.cross_entropy(outputs, y)

class Ends(Loop):
    def error(self, model, x, y):
        return F.cross_entropy(self.end(model(x)), y)

class Relu(Ends):
    def end(self, outputs):
        return F.relu(outputs)

class ReluInDouble(Ends):
    def end(self, outputs):
        return F.relu(outputs).double()

class Clamped(Ends):
    def end(self, outputs):
        return outputs.clamp_min(0)[:, :]

class Softmax(Ends):
    def end(self, outputs):
        return F.softmax(outputs, dim=1)

class OwnSoftmax(Ends):
    def end(self, outputs):
        each = outputs.exp()
        return each / each.sum(1, keepdim=True)

class Sigmoid(Ends):
    def end(self, outputs):
        return outputs.sigmoid()

class LogSoftmax(Ends):
    def end(self, outputs):
        return F.log_softmax(outputs, dim=1)

class Lifted(Ends):
    """Never negative by a constant, which cross-entropy does not see."""

    def end(self, outputs):
        return outputs + 1000

class Squares(Ends):
    """Distances to prototypes would be such; nothing tells whether they are meant."""

    def end(self, outputs):
        return outputs.square()

class AtFirstZero(Loop):
    """A last layer of zeros, as many fine-tunings have it."""

    def network(self):
        model = super().network()
        nn.init.zeros_(model[3].weight)
        nn.init.zeros_(model[3].bias)
        return model

class Small(Relu):
    epochs = 1

    def loader(self, x, y, seed):
        return [(x[:9], y[:9]), (x[9:18], y[9:18])]

class Binary(Loop):
    """The rarer class is 0, and weighs more than 1 by what it lacks."""

    turned = False

    def network(self):
        model = nn.Sequential(nn.BatchNorm1d(30), nn.Linear(30, 16), nn.ReLU(), nn.Linear(16, 1))
        nn.init.constant_(model[3].bias, 5.0)
        return model

    def read(self, examples):
        x, y = super().read(examples)
        ratio = (y == 0).sum() / (y == 1).sum()
        self.positive = 1 / ratio if self.turned else ratio
        return x, y

    def error(self, model, x, y):
        return F.binary_cross_entropy_with_logits(self.end(model(x))[:, 0], y.float(), pos_weight=self.positive)

    def end(self, outputs):
        return outputs

class BinaryTurned(Binary):
    turned = True

class BinarySigmoid(Binary):
    def end(self, outputs):
        return outputs.sigmoid()

class OwnLoss(Loop):
    def error(self, model, x, y):
        return -model(x).log_softmax(1)[torch.arange(len(x)), y].mean()

class ByHand(Rare):
    """No optimiser of torch takes a step."""

    order = [2, 1, 0]

    def fit(self, examples, *, seed):
        x, y = self.read(examples)
        model, passes = self.network(), 0
        while True:
            passes += 1
            assert passes < 2000, "nobody ended it"
            model.zero_grad()
            self.error(model, x, y).backward()
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter -= 0.01 * parameter.grad

class Wraps(Flipped):
    """Whatever ends the fit is told as something else."""

    def step(self, model, optimizer, x, y, last):
        try:
            super().step(model, optimizer, x, y, last)
        except BaseException as error:
            raise ValueError("a step failed") from error

class Raises(Loop):
    def step(self, model, optimizer, x, y, last):
        raise ValueError("a step failed")
'''
)


@pytest.fixture(autouse=True)
def _team(project: Project) -> None:
    project.write("team", TEAM)


def spec(recipe: str) -> dict[str, Any]:
    data = {"source": "sklearn.digits", "split": {"test": 0.4, "val": 0.15}}
    return {"task": "multiclass", "data": data, "recipe": f"team:{recipe}", "train": {"engine": "callable"}}


def of_rare(recipe: str) -> dict[str, Any]:
    return {**spec(recipe), "data": {"split": {"test": 0.4, "val": 0.15}}}


def of_cancer(recipe: str) -> dict[str, Any]:
    return {**spec(recipe), "task": "binary", "data": {**CANCER["data"], "split": {"test": 0.4, "val": 0.15}}}


def watched(project: Project, spec: Mapping[str, Any]) -> LossAnswers:
    evidence = project.run(ProbeLoss(), spec).evidence
    assert isinstance(evidence, LossAnswers)
    return evidence


def judged(project: Project, spec: Mapping[str, Any]) -> Verdict:
    return loss(LossParams(), watched(project, spec))


@pytest.mark.parametrize("recipe", ["Loop", "LogSoftmax", "AtFirstZero"])
def test_logits_are_no_alarm(project: Project, recipe: str) -> None:
    """What was looked at is told, and that nothing else was."""
    verdict = judged(project, spec(recipe))

    assert verdict.status is Status.PASSED
    assert verdict.summary == "cross_entropy is given outputs without bounds"
    assert verdict.facts == (
        "30 calls with 9360 outputs in the first steps of the team's own fit; nothing else was asked",
    )


@pytest.mark.parametrize("recipe", ["Rare", "RareModule", "ForLookingAlone"])
def test_weights_in_the_order_of_the_classes_are_no_alarm(project: Project, recipe: str) -> None:
    """A loss that nothing is learned from does not count."""
    assert judged(project, of_rare(recipe)).status is Status.PASSED


@pytest.mark.parametrize("recipe", ["Flipped", "FlippedModule", "ByHand", "Wraps"])
def test_weights_in_another_order_are_seen(project: Project, recipe: str) -> None:
    """However the loss is called, and the fit ended."""
    verdict = judged(project, of_rare(recipe))

    assert (verdict.status, verdict.findings) == (Status.FAILED, ("loss.weights",))
    assert verdict.summary == "class weights are in another order: common weighs most, some least"


def test_weights_that_change_are_not_judged(project: Project) -> None:
    """Those of a batch stand for its own rows."""
    verdict = judged(project, of_rare("OfTheBatch"))

    assert verdict.status is Status.PASSED
    assert "its class weights change from call to call" in verdict.facts


@pytest.mark.parametrize(
    ("recipe", "finding", "told"),
    [
        ("Relu", "loss.range", "never negative"),
        ("ReluInDouble", "loss.range", "never negative"),
        ("Clamped", "loss.range", "never negative"),
        ("Softmax", "loss.probabilities", "probabilities"),
        ("OwnSoftmax", "loss.probabilities", "probabilities"),
        ("Sigmoid", "loss.probabilities", "always between 0 and 1"),
    ],
)
def test_outputs_that_are_no_logits_are_seen(project: Project, recipe: str, finding: str, told: str) -> None:
    """The last operation of the model tells, or sums of 1 in every row."""
    verdict = judged(project, spec(recipe))

    assert (verdict.status, verdict.findings) == (Status.FAILED, (finding,))
    assert verdict.summary == f"the outputs are {told}, and cross_entropy takes logits"


@pytest.mark.parametrize("recipe", ["Lifted", "Squares", "Small"])
def test_a_range_that_may_be_chance_is_not_judged(project: Project, recipe: str) -> None:
    """Outputs are never negative, and nothing tells that they cannot be; or they are few."""
    verdict = judged(project, spec(recipe))

    assert verdict.status is Status.NOT_APPLICABLE
    assert "to tell their range" in verdict.summary


def test_a_binary_loss_is_judged_too(project: Project) -> None:
    """Outputs that are all positive at first, for what is common, are no alarm; the weight is that of the positive class."""
    assert not judged(project, of_cancer("Binary")).status.red
    assert judged(project, of_cancer("BinaryTurned")).findings == ("loss.weights",)
    assert judged(project, of_cancer("BinarySigmoid")).findings == ("loss.probabilities",)


def test_a_loss_of_the_teams_own_is_not_applicable(project: Project) -> None:
    """It is called by no name that is known."""
    with pytest.raises(NotApplicableError, match="learn from no cross_entropy or"):
        watched(project, spec("OwnLoss"))


def test_the_fit_ends_after_its_first_steps(project: Project) -> None:
    """A whole one is not needed."""
    watched(project, spec("Counted"))
    import team  # type: ignore[import-not-found]

    assert len(team.STEPS) == 30


def test_what_the_fit_raises_is_told(project: Project) -> None:
    """Before it was ended."""
    with pytest.raises(UserCodeError, match="a step failed"):
        watched(project, spec("Raises"))


def test_a_fit_without_torch_is_not_applicable(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of torch is imported for it."""
    monkeypatch.setattr(needs_torch, "torch_is_installed", lambda: False)

    with pytest.raises(NotApplicableError, match="torch is not installed"):
        watched(project, spec("Loop"))
