"""`safetensors`: the weights alone. Read back into the team's own model, every value of which was made unusable before."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_model, save_model

from pytest_mlspec.errors import MeasurementError
from pytest_mlspec.exports import first_line
from pytest_mlspec.exports.subject import Subject, Written


def write(subject: Subject, path: Path, *, opset: int | None) -> Written:
    """Writes parameters and persistent buffers; tensors that are tied are written once."""
    save_model(subject.module, str(path))
    return Written(f"safetensors {safetensors.__version__}")


def read_into(module: Any, path: Path) -> Any:
    """A copy of `module` with the weights in `path`, and nothing of its own left.

    Raises MeasurementError where the file is not readable or lacks a weight.
    """
    copied = copy.deepcopy(module)
    with torch.no_grad():
        for value in copied.state_dict().values():
            value.fill_(float("nan") if value.is_floating_point() else 0)
    try:
        load_model(copied, path, strict=True)
    except Exception as error:  # of safetensors, and a RuntimeError of torch
        raise MeasurementError(
            f"{path.name} cannot be loaded into the model: {first_line(error)}",
            advice="is the file whole, and of this model?",
        ) from error
    return copied.eval()
