"""The table of suspects: what is wrong in a training, what tells it, and where to look.

A finding has the name of its check in front of it; a check alone stands for any of its findings. Weights: 3 tells this suspect
and hardly another, 2 speaks for it, 1 goes with it.
"""

from __future__ import annotations

from pytest_mlspec.diagnosis.suspects import data, model, results, steps
from pytest_mlspec.diagnosis.suspects.suspect import Suspect

__all__ = ["SUSPECTS", "Suspect"]

SUSPECTS: tuple[Suspect, ...] = (
    *(*data.ROWS, *data.LEAKS, *data.PREPARATION),
    *(*model.MODEL, *model.LOSS),
    *steps.STEPS,
    *(*results.EVALUATION, *results.DEPLOYMENT),
)
"""Every suspect; of two with the same score, the first one here comes first."""
