"""`train.deterministic`: torch's deterministic algorithms for the length of a job. Untested on CUDA and MPS.

On the CPU a training is bit-equal at a fixed number of threads without it; it matters on a GPU, and refuses operations that
have no deterministic form.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from pytest_mlspec.errors import TrainingError

_CUBLAS = "CUBLAS_WORKSPACE_CONFIG"
_REFUSAL = "does not have a deterministic implementation"


@contextmanager
def deterministic_algorithms(wanted: bool) -> Iterator[None]:
    """Within it, torch uses deterministic algorithms where `wanted`; afterwards everything is as it was before.

    Raises TrainingError for an operation that has none.
    """
    if not wanted:
        yield
        return
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    benchmark, workspace = torch.backends.cudnn.benchmark, os.environ.get(_CUBLAS)
    os.environ[_CUBLAS] = workspace or ":4096:8"  # read when cuBLAS is first used
    torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(True)
    try:
        yield
    except RuntimeError as error:
        if _REFUSAL not in str(error):
            raise
        raise TrainingError(
            str(error).partition(", but you set")[0],
            key="train.deterministic",
            advice="replace the operation, or set deterministic: false",
        ) from error
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        torch.backends.cudnn.benchmark = benchmark
        if workspace is None:
            del os.environ[_CUBLAS]
