"""`torch_export`: the graph of a module as torch.export captures it, any number of rows. What ONNX is written from too."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.export import Dim, ExportedProgram

from pytest_mlspec.errors import RecipeError
from pytest_mlspec.exports import Opened, first_line
from pytest_mlspec.exports.subject import Subject, Written, as_arguments, by_position, called

# Torch needs an end, and this is none that is met.
_MOST_ROWS = 2**20
_REMEDY = (
    "write branches on values with torch.where or torch.cond, and shapes with x.shape; or give the recipe an"
    " export(model, directory) of its own"
)


def write(subject: Subject, path: Path, *, opset: int | None) -> Written:
    """Writes the captured graph of the module to `path`. Raises RecipeError where torch cannot capture it."""
    program, notes = captured(subject, "torch_export")
    with known_warnings():
        torch.export.save(program, path)
    return Written(f"torch {torch.__version__}", None, notes)


def open_file(path: Path, *, threads: int) -> Opened:
    """The module of a file that `write` or torch.export.save wrote."""
    torch.set_num_threads(threads)
    with known_warnings():
        module = torch.export.load(path).module()
    return called(module)


def captured(subject: Subject, name: str) -> tuple[ExportedProgram, tuple[str, ...]]:
    """The graph for any number of rows, and any length of texts where that can be had; with notes.

    Raises RecipeError with what torch says, and the line of the model that it says it of; `name` is the format that needs it.
    """
    if not subject.lengths:
        return _tried(subject, name), ()
    example = subject.example()
    length = max(example[name].shape[1] for name in subject.lengths)
    try:
        return _captured(subject, subject.lengths), ()
    except Exception as error:  # the model takes other lengths, its graph may not
        return _tried(subject, name), (f"texts of {length} tokens alone: {told(error)}",)


@contextmanager
def known_warnings() -> Iterator[None]:
    """Keeps what torch's exporters warn of in their own code from being taken for a mistake of the user's."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning)
        yield


def told(error: Exception) -> str:
    """What torch says of a model that it cannot capture, in one line."""
    lines = str(error).splitlines()
    violated = next((line.strip(" -").partition(". ")[0] for line in lines if line.startswith("  - ")), "")
    return violated or first_line(error)


def _tried(subject: Subject, name: str) -> ExportedProgram:
    try:
        return _captured(subject, frozenset())
    except Exception as error:  # whatever the team's forward or torch raises while it is captured
        _, _, at = str(error).partition("The following call raised this error:\n")
        details = "\n".join(line for line in at.splitlines()[:2] if line.strip())
        raise RecipeError(
            f"the model cannot be exported to {name}: {told(error)}", advice=_REMEDY, details=details
        ) from error


def _captured(subject: Subject, lengths: frozenset[str]) -> ExportedProgram:
    example = subject.example()
    rows = Dim("rows", min=1, max=_MOST_ROWS)
    # Torch finds the lengths that the graph holds for: a table of positions has an end, a mask may have a beginning.
    axes: dict[str, Any] = {name: {0: rows, 1: Dim.DYNAMIC} if name in lengths else {0: rows} for name in example}
    arguments, keywords = as_arguments(example)
    shapes = tuple(axes.values()) if by_position(example) else axes
    with known_warnings(), torch.no_grad():
        return torch.export.export(subject.traceable, arguments, keywords, dynamic_shapes=shapes)
