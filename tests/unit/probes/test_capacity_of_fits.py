"""The probe of capacity on what a team's own fit returned: seen as its predict calls it, on a copy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from projects import Project

from pytest_mlspec.check import Status, Verdict
from pytest_mlspec.checks.capacity import CapacityParams, capacity
from pytest_mlspec.engines.callable import restore
from pytest_mlspec.errors import NotApplicableError
from pytest_mlspec.evidence import Capacity
from pytest_mlspec.jobs import ProbeCapacity, Train
from pytest_mlspec.probes import needs_torch
from pytest_mlspec.probes.module_call import of_own_fit
from pytest_mlspec.recipe.protocol import Examples

from .loop_team import BASE

TEAM = (
    BASE
    + '''
class Short(Loop):
    """What is tested here needs no long training."""

    epochs = 1

class Itself(Short):
    def fit(self, examples, *, seed):
        return super().fit(examples, seed=seed).model

    def predict(self, fitted, inputs):
        return super().predict(SimpleNamespace(model=fitted), inputs)

class ByName(Short):
    def predict(self, fitted, inputs):
        with torch.inference_mode():
            return fitted.model(input=torch.from_numpy(np.asarray(inputs, dtype="float32"))).softmax(1).numpy()

class ScalesLate(Short):
    """Predict has to scale too, and makes images of the rows."""

    def network(self):
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10))

    def change(self, x):
        return x.reshape(-1, 1, 8, 8) / 16

    def look(self, model, examples):
        pass

    def predict(self, fitted, inputs):
        return super().predict(fitted, np.asarray(inputs).reshape(-1, 1, 8, 8) / 16)

class Compiled(Short):
    def network(self):
        return torch.compile(super().network(), backend="eager")

class SinglePrecision(Short):
    """A forward that makes tensors of its own in single precision."""

    def network(self):
        class Adds(nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
            def forward(self, x):
                return self.layers(torch.cat([x[:, :32], x[:, 32:].float() * torch.ones(32)], dim=1).float())
        return Adds()

class Words(Short):
    """Inputs in floats that number words, which cannot be added."""

    def network(self):
        class Looks(nn.Module):
            def __init__(self):
                super().__init__()
                self.table, self.out = nn.Embedding(20, 8), nn.Linear(8, 10)
            def forward(self, x):
                return self.out(self.table(x.round().long()).mean(1))
        return Looks()

class AsksForMore(Short):
    """A forward that wants something else in training mode."""

    def network(self):
        class Asks(nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
            def forward(self, x, y=None):
                assert not self.training or y is not None
                return self.layers(x)
        return Asks()

    def error(self, model, x, y):
        return F.cross_entropy(model(x, y), y)

class Ordered(Short):
    """Ten ordered classes, cut from one score: no bottleneck."""

    def network(self):
        return nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 1))

    def error(self, model, x, y):
        return F.mse_loss(model(x)[:, 0], y.float())

    def predict(self, fitted, inputs):
        with torch.no_grad():
            score = fitted.model(torch.from_numpy(np.asarray(inputs, dtype="float32")))
        return (-(score - torch.arange(10)) ** 2).softmax(1).numpy()

class Dead(Short):
    def network(self):
        model = super().network()
        nn.init.constant_(model[0].bias, -500.0)
        return model

class NoActivation(Short):
    def network(self):
        return nn.Sequential(nn.Linear(64, 16), nn.Linear(16, 10))

class Bottleneck(Short):
    def network(self):
        return nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 1), nn.Tanh(), nn.Linear(1, 10))

class KeepsFew(Short):
    def network(self):
        return nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Dropout(0.9), nn.Linear(16, 10))

class NoModule(Short):
    def fit(self, examples, *, seed):
        return SimpleNamespace(layers=super().fit(examples, seed=seed).model)

    def predict(self, fitted, inputs):
        return super().predict(SimpleNamespace(model=fitted.layers), inputs)

class InParts(Short):
    def predict(self, fitted, inputs):
        x = torch.from_numpy(np.asarray(inputs, dtype="float32"))
        with torch.no_grad():
            return fitted.model[3](fitted.model[1](fitted.model[0](x))).softmax(1).numpy()

class RowByRow(Short):
    def predict(self, fitted, inputs):
        return np.concatenate([Loop.predict(self, fitted, inputs[row : row + 1]) for row in range(len(inputs))])

class AnswersWithTwo(Short):
    def network(self):
        class Two(nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = nn.Linear(64, 10)
            def forward(self, x):
                return self.layer(x), x
        return Two()

    def error(self, model, x, y):
        return F.cross_entropy(model(x)[0], y)

    def predict(self, fitted, inputs):
        with torch.no_grad():
            return fitted.model(torch.from_numpy(np.asarray(inputs, dtype="float32")))[0].softmax(1).numpy()
'''
)


@pytest.fixture(autouse=True)
def _team(project: Project) -> None:
    project.write("team", TEAM)


def spec(recipe: str) -> dict[str, Any]:
    data = {"source": "sklearn.digits", "split": {"test": 0.6, "val": 0.15}, "prepare": "none"}
    return {"task": "multiclass", "data": data, "recipe": f"team:{recipe}", "train": {"engine": "callable"}}


def measured(project: Project, spec: Mapping[str, Any]) -> Capacity:
    found = project.run(ProbeCapacity(), spec, project.trained(spec)).evidence
    assert isinstance(found, Capacity)
    return found


def judged(project: Project, recipe: str) -> Verdict:
    return capacity(CapacityParams(), measured(project, spec(recipe)))


@pytest.mark.filterwarnings("ignore:Using `torch.compile")
@pytest.mark.parametrize(
    "recipe",
    ["Short", "Itself", "ByName", "ScalesLate", "Compiled", "SinglePrecision", "Words", "AsksForMore", "Ordered"],
)
def test_a_healthy_module_of_an_own_fit_is_no_alarm(project: Project, recipe: str) -> None:
    """However fit returns it and predict calls it."""
    verdict = judged(project, recipe)

    assert (verdict.status, verdict.findings) == (Status.PASSED, ())


@pytest.mark.parametrize(
    ("recipe", "finding"),
    [
        ("Dead", "capacity.dead"),
        ("NoActivation", "capacity.linear"),
        ("Bottleneck", "capacity.narrow"),
        ("KeepsFew", "capacity.dropout"),
    ],
)
def test_a_planted_fault_is_seen_in_an_own_fit(project: Project, recipe: str, finding: str) -> None:
    """As in the model of any other engine."""
    verdict = judged(project, recipe)

    assert verdict.status is Status.FAILED
    assert finding in verdict.findings


@pytest.mark.parametrize(
    ("recipe", "reason"),
    [
        ("NoModule", "is no nn.Module, and has none as its `model`"),
        ("InParts", "predict does not call the fitted module as a whole"),
        ("RowByRow", "predict calls the fitted module with 1 rows of 64 at a time"),
        ("AnswersWithTwo", "the fitted module answers with a tuple, not a tensor"),
    ],
)
def test_what_cannot_be_looked_into_is_not_applicable(project: Project, recipe: str, reason: str) -> None:
    """With the reason."""
    with pytest.raises(NotApplicableError, match=reason):
        judged(project, recipe)


def test_the_module_is_seen_in_the_precision_that_it_computes_in(project: Project) -> None:
    """In double, where it can."""
    assert measured(project, spec("Short")).dtype == "float64"
    assert measured(project, spec("SinglePrecision")).dtype == "float32"


def test_what_was_fitted_stays_as_it_is(project: Project) -> None:
    """Parameters, their precision and the mode: a copy is looked at, and no hook is left."""
    work = project.work(spec("Short"))
    fitted = restore(Train(), work)
    test: Examples = work.prepared.splits["test"]
    module = fitted.model.model
    before = {name: value.clone() for name, value in module.state_dict().items()}
    call = of_own_fit(fitted, test)
    call.module.train()
    for parameter in call.module.parameters():
        parameter.data.zero_()

    assert all(value.equal(before[name]) for name, value in module.state_dict().items())
    assert not module.training
    assert not module._forward_pre_hooks


def test_a_fit_without_torch_is_not_applicable(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of torch is imported for it."""
    monkeypatch.setattr(needs_torch, "torch_is_installed", lambda: False)

    with pytest.raises(NotApplicableError, match="torch is not installed"):
        project.run(ProbeCapacity(), spec("Short"))
