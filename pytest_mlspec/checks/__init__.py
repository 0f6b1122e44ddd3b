"""The built-in checks, one file a family. Importing this package registers them in the order of `checks: standard`.

Each is a pure function of its parameters and evidence: it trains nothing, opens no file and imports no torch.
"""

from __future__ import annotations

# The order of these imports is that of the registry: cheap checks first.
from pytest_mlspec.checks import (  # isort: skip
    data,
    gradients,
    convergence,
    capacity,
    independence,
    embeddings,
    serving,
    reproducibility,
    resuming,
    memory,
    export,
)

STANDARD: tuple[str, ...] = (
    "data",
    "gradients",
    "converges",
    "overfit",
    "independence",
    "serving",
    "reproducible",
    "resumes",
)
"""The checks of `checks: standard`, in the order in which they run."""

__all__ = [
    "STANDARD",
    "capacity",
    "convergence",
    "data",
    "embeddings",
    "export",
    "gradients",
    "independence",
    "memory",
    "reproducibility",
    "resuming",
    "serving",
]
