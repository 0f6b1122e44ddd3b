"""`train.compile`: the forward and backward of training steps through `torch.compile`.

The model itself stays as it is: what is evaluated, averaged, stored and probed is the eager module, and its weights keep
their names. (`nn.Module.compile` would do the same in place, but leaves an `nn.Sequential` eager without a word.) What torch
cannot trace runs eagerly between the parts that it can. Untested on CUDA and MPS.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import torch
from torch import nn

from pytest_mlspec.errors import TrainingError

_OF_THE_COMPILER = ("torch._dynamo", "torch._inductor", "torch._functorch")


def compiled(model: nn.Module) -> nn.Module:
    """`model` behind a compiled forward; it shares parameters, buffers and mode with it."""
    # A pool of compiling processes would outlive a job that is killed.
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")
    return cast(nn.Module, torch.compile(model))


@contextmanager
def compiler_errors() -> Iterator[None]:
    """Turns an exception of the compiler, which comes with the first step, into a TrainingError that says what failed."""
    try:
        yield
    except Exception as error:
        if not type(error).__module__.startswith(_OF_THE_COMPILER):
            raise
        # The first line is that of the backend's frame, the second that of its own exception.
        reason = " ".join(str(error).strip().splitlines()[:2])
        raise TrainingError(
            f"torch.compile failed: {type(error).__name__}: {reason}",
            key="train.compile",
            advice="set compile: false, or make the model one that torch.compile can take",
            details=str(error),
        ) from error
