"""What a fit as a whole took of its machine, as far as that can be told from outside of it."""

from __future__ import annotations

from pytest_mlspec.evidence import Cost
from pytest_mlspec.training.resident import peak_memory


def whole_fit_cost() -> Cost:
    """The peak of the memory; what happens inside of the fit is not seen."""
    return Cost(
        rows=None,
        rows_per_second=None,
        phase_seconds={},
        peak_memory=peak_memory(),
        utilisation_missing="the engine fits the model as a whole, and does not say where",
    )
