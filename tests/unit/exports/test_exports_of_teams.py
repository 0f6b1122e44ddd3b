"""What `checks: standard` asks of an export: whatever the recipe's own export writes, and nothing where there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from projects import Project

from exports.exporting import NETS, SMALL, Trained, exported, trained
from pytest_mlspec.check import Status, Verdict
from pytest_mlspec.checks.export import ExportParams, export
from pytest_mlspec.errors import NotApplicableError
from pytest_mlspec.evidence import Parity
from pytest_mlspec.jobs import LoadExport

DEPLOY = """
import numpy as np
import torch
from torch import nn

ROWS = ({0: torch.export.Dim("rows", min=1, max=4096)},)

def _write(module, directory, rows=None, name="model.pt2", dynamic=ROWS):
    rows = torch.zeros(2, 64) if rows is None else rows
    torch.export.save(torch.export.export(module, (rows,), dynamic_shapes=dynamic), directory / name)

class Preparing(nn.Module):
    '''The model behind its preparation.'''

    def __init__(self, model, *, half=False):
        super().__init__()
        self.model, self.half = model, half

    def forward(self, pixels):
        return self.model((pixels / 16 - 0.5) * (0.5 if self.half else 1.0))

class Table(nn.Module):
    '''It takes three columns, whatever the model takes.'''

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, columns):
        return self.model(columns.repeat(1, 22)[:, :64])

class Deploy:
    def __init__(self, how):
        self.how = how

    def prepare(self, rows, fitted):
        return (np.asarray(rows.features).reshape(len(rows), 64) / 16 - 0.5).astype("float32"), rows.targets

    def export(self, model, directory):
        getattr(self, self.how)(model, directory)

    def sound(self, model, directory):
        _write(model.eval(), directory)

    def with_a_softmax(self, model, directory):
        _write(nn.Sequential(model.eval(), nn.Softmax(1)), directory)

    def with_its_preparation(self, model, directory):
        _write(Preparing(model.eval()), directory)

    def with_half_its_preparation(self, model, directory):
        _write(Preparing(model.eval(), half=True), directory)

    def in_training_mode(self, model, directory):
        _write(model, directory)

    def of_one_size(self, model, directory):
        _write(model.eval(), directory, dynamic=None)

    def of_other_weights(self, model, directory):
        with torch.no_grad():
            model.layers[4].bias += 0.05
        _write(model.eval(), directory)

    def of_a_table(self, model, directory):
        _write(Table(model.eval()), directory, torch.zeros(2, 3))

    def weights_alone(self, model, directory):
        torch.save(model.state_dict(), directory / "weights.pt")
"""


@pytest.fixture
def team(project: Project) -> Project:
    project.write("nets", NETS)
    project.write("deploy", DEPLOY)
    return project


def spec_of(how: str) -> dict[str, Any]:
    spec: Mapping[str, Any] = {**SMALL, "recipe": {"use": "deploy:Deploy", "with": {"how": how}}}
    return {**spec, "data": {"source": "sklearn.digits", "split": {"test": 0.2}}}


def judged(made: Trained) -> Verdict:
    job, needed = exported(made, "own")
    evidence = made.project.run(LoadExport(job), made.spec, needed).evidence
    assert isinstance(evidence, Parity)
    return export(ExportParams(to=("own",)), own=evidence)


@pytest.mark.parametrize("how", ["sound", "with_a_softmax", "with_its_preparation"])
def test_a_sound_export_is_no_alarm(team: Project, how: str) -> None:
    """It may end in the predictions, and begin with the raw rows."""
    assert judged(trained(team, spec_of(how))).status is Status.PASSED


@pytest.mark.parametrize(
    ("how", "finding"),
    [
        ("with_half_its_preparation", "export.outputs"),
        ("in_training_mode", "export.repeat"),
        ("of_one_size", "export.batch"),
        ("of_other_weights", "export.outputs"),
    ],
)
def test_a_planted_fault_is_red(team: Project, how: str, finding: str) -> None:
    """With the finding that points to it."""
    verdict = judged(trained(team, spec_of(how)))

    assert verdict.status is Status.FAILED
    assert finding in verdict.findings


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("of_a_table", "takes other inputs than prepared rows"),
        ("weights_alone", "the recipe's export wrote weights.pt; what can be loaded is called model.pt2"),
    ],
)
def test_what_cannot_be_tried_is_not_applicable(team: Project, how: str, reason: str) -> None:
    """And says why."""
    with pytest.raises(NotApplicableError, match=reason):
        judged(trained(team, spec_of(how)))


def test_without_an_export_of_its_own_there_is_nothing_to_ask(team: Project) -> None:
    """The check by itself would write one."""
    with pytest.raises(NotApplicableError, match=r"gives no export.*to: \[onnx\]"):
        judged(trained(team, SMALL))
