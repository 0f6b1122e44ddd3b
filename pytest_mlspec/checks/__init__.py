"""The built-in checks, one file a family. Importing this package registers them in the order of `checks: standard`.

Each is a pure function of its parameters and evidence: it trains nothing, opens no file and imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# The order of these imports is that of the registry: cheap checks first.
from pytest_mlspec.checks import (  # isort: skip
    data,
    baseline,
    preparation,
    inputs,
    gradients,
    loss,
    reference_step,
    loop,
    convergence,
    schedule,
    overfit,
    capacity,
    independence,
    embeddings,
    evaluation,
    serving,
    properties,
    reproducibility,
    resuming,
    chance,
    memory,
    export,
)

STANDARD: tuple[str, ...] = (
    "data",
    "baseline",
    "preparation",
    "inputs",
    "gradients",
    "loss",
    "reference_step",
    "loop",
    "converges",
    "schedule",
    "overfit",
    "capacity",
    "independence",
    "embeddings",
    "evaluation",
    "serving",
    "properties",
    "reproducible",
    "resumes",
    "chance",
    "export",
)
"""The checks of `checks: standard`, in the order in which they run."""

OF_STANDARD: Mapping[str, Mapping[str, Any]] = {"export": {"to": ["own"]}}
"""What `checks: standard` asks of a check in the place of its defaults: of an export, what the team itself writes."""

__all__ = [
    "OF_STANDARD",
    "STANDARD",
    "baseline",
    "capacity",
    "chance",
    "convergence",
    "data",
    "embeddings",
    "evaluation",
    "export",
    "gradients",
    "independence",
    "inputs",
    "loop",
    "loss",
    "memory",
    "overfit",
    "preparation",
    "properties",
    "reference_step",
    "reproducibility",
    "resuming",
    "schedule",
    "serving",
]
