"""Steps of prepare, fitted on features alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pytest_mlspec.language.spec import Use
from pytest_mlspec.recipe.protocol import Rows
from pytest_mlspec.recipe.steps import built_steps
from pytest_mlspec.recipe.transform import Fitted, fit


def rows_of(features: Any, targets: Any = None) -> Rows:
    """`features` as rows that are numbered from 0, with targets that say nothing."""
    return Rows(features, np.zeros(len(features)) if targets is None else np.asarray(targets), np.arange(len(features)))


def fitted_on(features: Any, *steps: dict[str, Any] | str, targets: Any = None, root: Path = Path()) -> Fitted:
    """The steps, as a spec writes them, fitted on `features`."""
    uses = [_use(step) for step in steps]
    return fit([step for use in uses for step in built_steps(use, root=root)], rows_of(features, targets))


def _use(step: dict[str, Any] | str) -> Use:
    if isinstance(step, str):
        return Use(use=step)
    return Use(use=step["use"], arguments={name: value for name, value in step.items() if name != "use"})
