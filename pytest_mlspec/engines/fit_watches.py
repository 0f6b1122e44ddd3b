"""What is watched of a team's own fit while it trains: nothing of it is changed, and nothing is imported for it."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import Any

from pytest_mlspec.engines.predictions import Kind
from pytest_mlspec.evidence import Array, SchedulerUse, Validations
from pytest_mlspec.recipe.protocol import Examples


class FitWatches(ExitStack):
    """Schedulers of torch, and passes over the rows of `val`; nothing where torch is not imported before the fit."""

    def __init__(self, val: Examples | None) -> None:
        super().__init__()
        self._val = val
        self._schedulers: Any = None
        self._validations: Any = None

    def __enter__(self) -> FitWatches:
        super().__enter__()
        if "torch" in sys.modules:
            from pytest_mlspec.training.global_hooks import compiled_beside_hooks
            from pytest_mlspec.training.scheduler_watch import SchedulerWatch
            from pytest_mlspec.training.validation_watch import ValidationWatch

            self._schedulers = self.enter_context(SchedulerWatch())
            if self._val is not None:
                self.enter_context(compiled_beside_hooks())
                self._validations = self.enter_context(ValidationWatch(self._val.inputs))
        return self

    def schedulers(self) -> tuple[SchedulerUse, ...]:
        """Those that were seen."""
        watch = self._schedulers
        return () if watch is None else tuple(_use(each, watch.backwards) for each in watch.seen)

    def validations(self, fitted: Any, kind: Kind, classes: int) -> Validations | None:
        """Those of a fit that returned `fitted`; None where there is none that tells anything."""
        if self._validations is None or self._val is None:
            return None
        from pytest_mlspec.engines.validations import validations

        return validations(self._validations, fitted, self._val, kind=kind, classes=classes)


def _use(seen: Any, backwards: int) -> SchedulerUse:
    return SchedulerUse(
        type(seen.scheduler).__name__,
        seen.steps,
        len(seen.rates),
        seen.stepped_first,
        Array.of(seen.rates),
        length=seen.length,
        backwards=backwards,
    )
