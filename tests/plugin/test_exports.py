"""Exported models, from a spec: processes that load them do not import the team's code, and a stale file is red."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from .project import Project

NETS = """
import torch
from torch import nn

class Line(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def forward(self, inputs):
        return self.layer(inputs)
"""

STALE = """
import warnings
import torch

def export(model, directory):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        new = type(model)().eval()
        torch.jit.save(torch.jit.trace(new, (torch.zeros(2, 1),)), str(directory / "model.ts"))
"""

LINE = """
mlspec: 1
name: line
task: regression
data: {source: rows.csv, target: y}
model: team.nets:Line
train: {epochs: 20, optimizer: {use: adamw, lr: 0.1}}
checks:
  - export: {to: [torchscript, safetensors]}
gates:
  export.safetensors.size: {at_most: 1kB}
  export.torchscript.difference: {at_most: 1e-5}
"""

LINE_OF_THE_TEAM = """
mlspec: 1
name: stale
task: regression
data: {source: rows.csv, target: y}
model: team.nets:Line
recipe: team.deploy
train: {epochs: 20, optimizer: {use: adamw, lr: 0.1}}
checks:
  - export: {to: [torchscript]}
"""


def manifests(root: Path) -> Mapping[str, Any]:
    """What each job of the store read, by its label."""
    found = [json.loads(path.read_text("utf-8")) for path in (root / ".mlspec/evidence").rglob("manifest.json")]
    return {manifest["label"]: manifest["inputs"]["files"] for manifest in found}


@pytest.mark.slow
def test_exports_of_a_spec(project: Project) -> None:
    """What loads an export reads no file of the team, unless it is one of weights alone; weights of another model are red."""
    project.write("team/nets.py", NETS)
    project.write("team/deploy.py", STALE)
    project.write("specs/line.mlspec.yaml", LINE)
    project.write("specs/stale.mlspec.yaml", LINE_OF_THE_TEAM)

    result = project.run()
    read = manifests(project.root)

    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*specs/stale.mlspec.yaml:10:5  export FAILED: torchscript: outputs differ by *"])
    assert "team/nets.py" in read["line: export to torchscript"]
    assert not [path for path in read["line: load the export to torchscript"] if path.startswith("team/")]
    assert "team/nets.py" in read["line: load the export to safetensors"]
