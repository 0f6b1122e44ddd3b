"""`torchscript`: a module traced by torch.jit. Torch calls it deprecated; programs in C++ and on phones still read it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from pytest_mlspec.errors import RecipeError
from pytest_mlspec.exports import Opened, first_line
from pytest_mlspec.exports.subject import Subject, Written, as_arguments, called


def write(subject: Subject, path: Path, *, opset: int | None) -> Written:
    """Writes what a trace of the module recorded. Raises RecipeError where it cannot be traced."""
    arguments, keywords = as_arguments(subject.example())
    with _deprecated(), warnings.catch_warnings():
        # Where the trace holds for its example alone, other cases tell.
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)  # type: ignore[attr-defined]
        try:
            with torch.no_grad():
                traced = torch.jit.trace(  # type: ignore[no-untyped-call]
                    subject.traceable, arguments or None, example_kwarg_inputs=keywords or None, check_trace=False
                )
            torch.jit.save(traced, str(path))
        except Exception as error:  # whatever the team's forward raises while it is traced
            raise RecipeError(
                f"the model cannot be exported to torchscript: {first_line(error)}",
                advice="take torch_export, which follows it",
            ) from error
    return Written(f"torch {torch.__version__}")


def open_file(path: Path, *, threads: int) -> Opened:
    """The module of a file of TorchScript."""
    torch.set_num_threads(threads)
    with _deprecated():
        return called(torch.jit.load(str(path), map_location="cpu"))  # type: ignore[no-untyped-call]


@contextmanager
def _deprecated() -> Iterator[None]:
    """Lets torch.jit be used where torch says that it should not be: a user asked for it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is deprecated", DeprecationWarning)
        yield
