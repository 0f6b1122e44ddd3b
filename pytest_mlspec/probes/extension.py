"""The probe of an extension, called on a trained model."""

from __future__ import annotations

import numbers
from collections.abc import Mapping

from pytest_mlspec.engines import ENGINES
from pytest_mlspec.engines.outside import from_outside
from pytest_mlspec.errors import RecipeError
from pytest_mlspec.evidence import Measured
from pytest_mlspec.extensions import PROBES
from pytest_mlspec.jobs import Measure
from pytest_mlspec.recipe.work import Result, Work


def measure(job: Measure, work: Work) -> Result:
    """What the registered probe returns for the trained model and the prepared rows of each split.

    Raises RecipeError where it returns anything but numbers by name, UserCodeError for an exception of its own.
    """
    function = PROBES.find(job.probe).function
    predictor = ENGINES.find(work.spec.train.engine.use).restore(job.of, work)
    with from_outside(f"the probe {job.probe}", key="checks"):
        found = function(predictor, work.prepared.splits, **dict(job.arguments))
    if not isinstance(found, Mapping) or not all(isinstance(value, numbers.Real) for value in found.values()):
        raise RecipeError(f"the probe {job.probe} returned {found!r}", advice="return {name: number}")
    return Result(Measured({str(name): float(value) for name, value in found.items()}))
