"""A training for Python tests: the same that the items of its spec are judged on, run once for both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlspec import quantities
from pytest_mlspec.errors import MlspecError, did_you_mean
from pytest_mlspec.evidence import ScoreTable, TrainingRun
from pytest_mlspec.jobs import Job, Scores, with_seed
from pytest_mlspec.language.declared import read
from pytest_mlspec.plan import Plan, make_plan, training
from pytest_mlspec.workers.job import StoredResult

if TYPE_CHECKING:
    import numpy as np

    from pytest_mlspec.session import Progress, Session


@dataclass(frozen=True)
class Run:
    """A finished training: `training` is its evidence, with the history of each optimiser step and the losses by split."""

    plan: Plan
    _result: Callable[[Job], StoredResult]

    def __repr__(self) -> str:
        """A short one: pytest shows it above every assertion that fails."""
        return f"<Run of {self.plan.spec.name}>"

    @cached_property
    def training(self) -> TrainingRun:
        """The evidence of the training; raises what ended it where it was not finished."""
        evidence = self._result(training(self.plan.spec)).evidence
        assert isinstance(evidence, TrainingRun)
        return evidence

    def predictions(self, split: str) -> np.ndarray[Any, Any]:
        """The outputs on a split: probabilities [N, C] of the classes, or values [N]."""
        return self._result(training(self.plan.spec)).array(f"predictions/{split}")

    def measure(self, quantity: str) -> float:
        """The value of a quantity by the name that a gate would use, such as `test.accuracy`; raises where it has none."""
        __tracebackhide__ = True
        try:
            return self._measured(quantity)
        except MlspecError as error:
            if error.advice:
                error.add_note(error.advice)
            raise error.with_traceback(None) from None  # a mistake in the test: only the test's own frames say where

    def _measured(self, quantity: str) -> float:
        parsed = quantities.parse(quantity)
        if parsed.measure is not None:
            reading = parsed.read(self._result(with_seed(parsed.job, self.plan.spec.train.seed)).evidence)
            if reading.value is None:
                raise MlspecError(reading.missing or f"{quantity} was not measured")
            return float(reading.value)
        if parsed.metric is None:
            return self.training.losses[parsed.split]
        table = self._result(Scores(parsed.requests(), of=training(self.plan.spec))).evidence
        assert isinstance(table, ScoreTable)
        values = []
        for request in parsed.requests():
            score = table.scores[request.key]
            if score.value is None:
                raise MlspecError(score.error, advice=score.advice)
            values.append(score.value)
        return values[0] - values[1] if parsed.kind == "gap" else values[0]


def run_of(session: Session, path: str | Path, *, name: str | None = None, on_progress: Progress | None = None) -> Run:
    """The training of the spec at `path`, relative to the root directory; `name` picks one of several in the file."""
    declared = read(session.root / path, root=session.root)
    names = {each.spec.name: each for each in declared}
    if name is None and len(declared) > 1:
        raise MlspecError(f"{path} holds {len(declared)} specs", advice=f"say which with name=…: {', '.join(names)}")
    if name is not None and name not in names:
        raise MlspecError(f"{path} holds no spec {name!r}", advice=did_you_mean(name, names))
    plan = make_plan(names[name] if name is not None else declared[0])
    session.result(plan, training(plan.spec), on_progress=on_progress)
    return Run(plan, lambda job: session.result(plan, job))
