"""The check `schedule` on fits of the team's own, from what is watched of them to the verdict."""

from __future__ import annotations

from typing import Any

import pytest
from projects import Project

from pytest_mlspec.check import Status, Verdict
from pytest_mlspec.checks.schedule import ScheduleParams, schedule
from pytest_mlspec.evidence import Array, DeclaredRates, TrainingRun
from pytest_mlspec.jobs import Train

from .loop_team import BASE, HEALTHY

FITS = """
class Chooses(Loop):
    epochs = 8
    better = staticmethod(lambda value, best: value < best)
    accumulate = 1

    def copied(self, model):
        return copy.deepcopy(model.state_dict())

    def put_back(self, model, best):
        model.load_state_dict(best)

    def validated(self, model, examples):
        x, y = rows(examples["val"]), torch.from_numpy(examples["val"].targets)
        model.eval()
        with torch.no_grad():
            values = [F.cross_entropy(model(xs), ys, reduction="sum") for xs, ys in zip(x.split(50), y.split(50))]
        model.train()
        return float(sum(values) / len(y))

    def horizon(self, batches, windows):
        return windows

    def fit(self, examples, *, seed):
        self.seed(seed)
        x, y = self.read(examples)
        model = self.network()
        loader = self.loader(x, y, seed)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
        windows = -(-len(loader) // self.accumulate)
        length = self.horizon(self.epochs * len(loader), self.epochs * windows)
        scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.4, total_iters=length)
        best, lowest = None, None
        for epoch in range(self.epochs):
            for number, (xs, ys) in enumerate(loader, start=1):
                (self.error(model, xs, ys) / self.accumulate).backward()
                if number % self.accumulate == 0 or number == len(loader):
                    optimizer.step()
                    optimizer.zero_grad()
                    scheduler.step()
            value = self.validated(model, examples)
            if lowest is None or self.better(value, lowest):
                best, lowest = self.copied(model), value
        self.put_back(model, best)
        return SimpleNamespace(model=model)

class Accumulates(Chooses):
    accumulate = 4

class KeepsNothing(Chooses):
    def copied(self, model):
        return None

    def put_back(self, model, best):
        return None

class NeverRestores(Chooses):
    def put_back(self, model, best):
        return None

class KeepsAnAlias(Chooses):
    def copied(self, model):
        return model.state_dict()

class KeepsTheWorst(Chooses):
    better = staticmethod(lambda value, best: value > best)

class CountsBatches(Accumulates):
    def horizon(self, batches, windows):
        return batches
"""


def judged(project: Project, recipe: str) -> Verdict:
    data = {"source": "sklearn.digits", "split": {"test": 0.6, "val": 0.15}}
    spec: dict[str, Any] = {"task": "multiclass", "data": data, "train": {"engine": "callable"}}
    run = project.run(Train(), {**spec, "recipe": {"use": f"team:{recipe}"}}).evidence
    assert isinstance(run, TrainingRun)
    nothing = Array.of([])
    return schedule(ScheduleParams(), run, DeclaredRates(nothing, nothing, unknown="nothing is declared", is_free=True))


@pytest.mark.parametrize(
    "recipe",
    [
        "Chooses",
        "Accumulates",
        "KeepsNothing",
        "BestKept",
        "Reloaded",
        "Averaged",
        "AveragedLate",
        "Ensemble",
        "Folds",
        "Teacher",
    ],
)
def test_a_healthy_fit_gives_no_alarm(project: Project, recipe: str) -> None:
    """Whatever it keeps and returns."""
    project.write("team", BASE + HEALTHY + FITS)
    verdict = judged(project, recipe)

    assert not verdict.status.red, (verdict.summary, verdict.facts)


def test_the_best_weights_are_seen_to_be_returned(project: Project) -> None:
    """In batches of another size than they were validated in."""
    project.write("team", BASE + FITS)

    assert judged(project, "Chooses").summary == "LinearLR stepped with its optimiser, 8 validations were followed"


@pytest.mark.parametrize(
    ("recipe", "finding"),
    [
        ("NeverRestores", "schedule.best"),
        ("KeepsAnAlias", "schedule.best"),
        ("KeepsTheWorst", "schedule.early_stop"),
        ("CountsBatches", "schedule.length"),
    ],
)
def test_a_fault_is_red(project: Project, recipe: str, finding: str) -> None:
    """With one finding."""
    project.write("team", BASE + FITS)
    verdict = judged(project, recipe)

    assert (verdict.status, verdict.findings) == (Status.FAILED, (finding,)), verdict.summary


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit.script_method.*:DeprecationWarning")
def test_a_fit_that_compiles_its_model_is_watched_without_a_warning(project: Project) -> None:
    """Where warnings are errors, as in these tests."""
    network = "    def network(self):\n        return torch.compile(super().network(), backend='eager')\n"
    compiled = f"\nclass Compiled(Chooses):\n{network}"
    project.write("team", BASE + FITS + compiled)

    assert judged(project, "Compiled").summary == "LinearLR stepped with its optimiser, 8 validations were followed"
