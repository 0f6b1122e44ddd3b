"""`onnx` of a module: torch's own exporter, from the captured graph, in one file."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from pytest_mlspec.errors import MissingExtraError, RecipeError
from pytest_mlspec.exports import first_line
from pytest_mlspec.exports.program import captured, known_warnings
from pytest_mlspec.exports.runtime import opset_of
from pytest_mlspec.exports.subject import Subject, Written, as_arguments, graph_names

DEFAULT_OPSET = 18
OUTPUT = "outputs"

# One file of protobuf holds less than 2 GiB.
_MOST_BYTES = 1_900_000_000


def write(subject: Subject, path: Path, *, opset: int | None) -> Written:
    """Writes the module to `path` with any number of rows, in `opset`, by default 18.

    Raises RecipeError where torch cannot export it or writes another opset.
    """
    try:
        import onnx
        import onnxscript
    except ImportError as error:
        raise MissingExtraError(error.name or "onnx", extra="onnx") from None
    program, notes = captured(subject, "onnx")
    example = subject.example()
    arguments, keywords = as_arguments(example)
    size = sum(values.nbytes for values in subject.module.state_dict().values())
    asked = opset or DEFAULT_OPSET
    with known_warnings(), _without_torchvision():
        try:
            torch.onnx.export(
                program,
                arguments,
                path,
                kwargs=keywords,
                opset_version=asked,
                input_names=graph_names(example),
                output_names=[OUTPUT],
                external_data=size > _MOST_BYTES,
                verbose=False,
            )
        except Exception as error:  # the exporter's own, of many types
            raise RecipeError(
                f"the model cannot be exported to onnx: {_cause(error)}",
                advice="write the operation in others that ONNX has, or give the recipe an export(model, directory)",
            ) from error
    got = opset_of(path)
    if got != asked:
        raise RecipeError(f"the model cannot be written in opset {asked}: torch wrote {got}", advice=f"opset: {got}")
    by = f"torch {torch.__version__}, onnx {onnx.__version__}, onnxscript {onnxscript.__version__}"
    return Written(by, got, notes)


def _cause(error: Exception) -> str:
    """What was wrong: the exporter wraps it in advice to its own developers."""
    while error.__cause__ is not None and isinstance(error.__cause__, Exception):
        error = error.__cause__
    return first_line(error)


@contextmanager
def _without_torchvision() -> Iterator[None]:
    """Silences what the exporter logs of operators that torchvision would bring."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
