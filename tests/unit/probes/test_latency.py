"""The probe of latency: what is called, how, and with what; and models whose calls are too slow."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import pytest
import torch
from projects import CANCER, DIGITS, Kept, Project

from pytest_mlspec.check import Status
from pytest_mlspec.errors import NotApplicableError, RecipeError, UserCodeError
from pytest_mlspec.evidence import Timing
from pytest_mlspec.gates import Gate, judge
from pytest_mlspec.jobs import Export, Job, Latency, Prepare
from pytest_mlspec.probes import latency, probe_for, timing
from pytest_mlspec.quantities import parse
from pytest_mlspec.recipe.work import Stored

NETS = """
import time

import torch
from torch import nn

SEEN = []

class Net(nn.Module):
    def __init__(self, busy=0.0):
        super().__init__()
        self.layer, self.busy, self.calls = nn.Linear(64, 10), busy, 0

    def forward(self, inputs):
        self.calls += 1
        SEEN.append((len(inputs), self.training, torch.is_grad_enabled(), torch.get_num_threads()))
        end = time.thread_time() + self.busy * (not self.training)
        while time.thread_time() < end:
            pass
        return self.layer(inputs)

class Sleeps(Net):
    def forward(self, inputs):
        if not self.training:
            time.sleep(0.02)
        return super().forward(inputs)

class Compiles(Net):
    def forward(self, inputs):
        if not self.calls:
            time.sleep(0.2)
        return super().forward(inputs)

class BuildsForEachBatch(Net):
    def __init__(self):
        super().__init__()
        self.known = {2}

    def forward(self, inputs):
        if len(inputs) not in self.known and not self.training:
            time.sleep(0.2)
            self.known.add(len(inputs))
        return super().forward(inputs)

class FailsOnLargeBatches(Net):
    def forward(self, inputs):
        if len(inputs) == 3000:
            raise ValueError("too many rows")
        return super().forward(inputs)
"""


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten calls tell what is asked here, and no more are made."""
    monkeypatch.setattr(timing, "_ENOUGH_OWN_NS", 0.0)
    monkeypatch.setattr(timing, "_WARM_UP_SECONDS", 0.0)


def timing_of(project: Project, job: Latency, spec: Mapping[str, Any] = DIGITS) -> Timing:
    found = project.run(job, spec, project.trained(spec)).evidence
    assert isinstance(found, Timing)
    return found


def of_net(project: Project, net: Any, job: Latency | None = None) -> Timing:
    project.write("nets", NETS)
    return timing_of(project, job or Latency(), {**DIGITS, "model": net})


def kept(project: Project, job: Job, spec: Mapping[str, Any], needed: Mapping[Job, Stored]) -> Kept:
    """What a probe gave, and the files that it wrote."""
    work = project.work(spec, needed)
    return Kept(probe_for(job)(job, work), work.folder)


def status(gate: str, most: float, evidence: Timing) -> Status:
    return judge(Gate(parse(gate), "at_most", (most,)), {"measured": evidence}).status


def test_a_timing_names_what_it_is_of(project: Project) -> None:
    """Batch, threads, form, rows, processor; ten calls and more, each with its time."""
    found = timing_of(project, Latency(batch=8))

    assert (found.batch, found.threads, found.form, found.rows, found.device) == (8, 1, "eager", 8, "cpu")
    assert found.machine.endswith(" processors")
    assert len(found.wall_ms_R.values) == len(found.own_ms_R.values) == 10
    assert found.minimum_ms > 0
    assert found.first_ms > 0


def test_a_module_is_called_as_it_is_deployed(project: Project) -> None:
    """In evaluation mode, without gradients, with the whole batch, and on as many threads as were asked for."""
    project.write("nets", NETS)
    spec = {**DIGITS, "model": "nets:Net"}
    needed = project.trained(spec)
    seen = import_module("nets").SEEN
    seen.clear()
    project.run(Latency(batch=5, threads=2), spec, needed)

    assert {call for call in seen if call[0] == 5} == {(5, False, False, 2)}
    assert torch.get_num_threads() == 1


def test_rows_repeat_in_a_batch_that_is_larger_than_the_split(project: Project) -> None:
    """Sixty percent of the 1,797 digits are the test rows."""
    found = timing_of(project, Latency(batch=2000))

    assert (found.batch, found.rows) == (2000, 1079)


def test_more_threads_than_processors_cannot_be_measured(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """They would take turns."""
    monkeypatch.setattr(latency, "processors", lambda: 2)

    with pytest.raises(NotApplicableError, match="3 threads were asked for, and 2 processors are there"):
        timing_of(project, Latency(threads=3))


def test_an_estimator_is_timed_by_its_prediction(project: Project) -> None:
    """It has no module."""
    spec = {"data": DIGITS["data"], "model": "GaussianNB", "train": {"engine": "sklearn"}}

    assert timing_of(project, Latency(batch=4), spec).rows == 4


def test_a_model_that_computes_longer_is_over_the_bound(project: Project) -> None:
    """Thirty milliseconds of computing, where twenty are allowed."""
    assert status("latency.min", 20, of_net(project, {"use": "nets:Net", "busy": 0.03})) is Status.FAILED


@pytest.mark.parametrize("gate", ["latency.min", "latency.p50", "latency.first"])
def test_a_model_that_sleeps_is_over_the_bound(project: Project, gate: str) -> None:
    """A sleep is no wait for a processor: it is not left out."""
    assert status(gate, 10, of_net(project, "nets:Sleeps")) is Status.FAILED


@pytest.mark.parametrize("net", ["nets:Compiles", "nets:BuildsForEachBatch"])
def test_what_a_model_does_at_its_first_call_is_in_that_alone(project: Project, net: str) -> None:
    """Even where the engine has called it before, to restore it."""
    found = of_net(project, net, Latency(batch=7))

    assert status("latency.first[batch=7]", 150, found) is Status.FAILED
    assert found.minimum_ms < found.first_ms


def test_an_exception_of_the_model_is_the_teams(project: Project) -> None:
    """With their traceback."""
    with pytest.raises(UserCodeError, match="too many rows"):
        of_net(project, "nets:FailsOnLargeBatches", Latency(batch=3000))


SERVING = """
import time

import torch

def predict(trained, rows):
    time.sleep(0.02)
    return trained.model(torch.from_numpy(trained.fitted.inputs(rows)))
"""


def test_the_serving_path_is_timed_from_raw_rows(project: Project) -> None:
    """A pause of the team's predict is over the bound."""
    project.write("serving", SERVING)
    spec = {**CANCER, "recipe": {"use": "serving"}}
    needed = {**project.trained(spec), Prepare(): kept(project, Prepare(), spec, {})}
    found = project.run(Latency(batch=3, form="predict"), spec, needed).evidence
    assert isinstance(found, Timing)

    assert (found.form, found.rows) == ("predict", 3)
    assert status("latency.min[batch=3, of=predict]", 10, found) is Status.FAILED


def test_no_serving_path(project: Project) -> None:
    """What the built-in pipeline has no code for cannot be timed."""
    with pytest.raises(RecipeError, match="there is no serving path to time"):
        timing_of(project, Latency(form="predict"))


def test_an_exported_form_is_timed_on_the_rows_beside_it(project: Project) -> None:
    """What torch.export wrote; the rows repeat here too."""
    needed = project.trained(DIGITS)
    export = Export("torch_export")
    found = project.run(
        Latency(batch=3000, form="torch_export"),
        DIGITS,
        {**needed, export: kept(project, export, DIGITS, needed)},
    ).evidence
    assert isinstance(found, Timing)

    assert (found.form, found.batch) == ("torch_export", 3000)
    assert 0 < found.rows < 3000
