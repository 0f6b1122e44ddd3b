"""A training for Python: the same that the items of its spec are judged on, run once for both.

`run_of` gives the training to a test (the fixture `mlspec_run`); `run_spec` gives it to a script or a notebook, without pytest.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from pytest_mlspec import quantities
from pytest_mlspec.errors import MlspecError, Place, did_you_mean
from pytest_mlspec.evidence import ScoreTable, TrainingRun
from pytest_mlspec.jobs import Job, Scores, Train, with_seed
from pytest_mlspec.language.declared import read_one
from pytest_mlspec.opening import Asked, open_session
from pytest_mlspec.plan import Plan, in_order, make_plan, training, trainings
from pytest_mlspec.recipe.work import Work
from pytest_mlspec.workers.job import StoredResult

if TYPE_CHECKING:
    import numpy as np

    from pytest_mlspec.check import Verdict
    from pytest_mlspec.language.spec import Spec
    from pytest_mlspec.session import Answer, Progress, Session


@dataclass(frozen=True)
class Run:
    """A finished training and everything that can be asked of it.

    What is asked for the first time may start a job: a metric that no gate names, the verdict of a check. Its evidence is
    stored, and shared with the items of the same spec.

    Shape letters: S optimiser steps, N rows, C classes.
    """

    plan: Plan
    _session: Callable[[], AbstractContextManager[Session]] = field(repr=False)

    def __repr__(self) -> str:
        """A short one: pytest shows it above every assertion that fails."""
        return f"<Run of {self.plan.spec.name}>"

    @property
    def spec(self) -> Spec:
        """The validated spec, overrides in place."""
        return self.plan.spec

    @cached_property
    def training(self) -> TrainingRun:
        """The evidence of the training; raises what ended it where it was not finished."""
        return _training_run(self._trained)

    @property
    def history(self) -> Mapping[str, np.ndarray[Any, Any]]:
        """One value for each optimiser step: `loss` [S], `gradient_norm` [S], `learning_rate` [S].

        An engine that keeps no history of one gives an array of length 0.
        """
        run = self.training
        return {
            "loss": run.loss_S.values,
            "gradient_norm": run.gradient_norm_S.values,
            "learning_rate": run.learning_rate_S.values,
        }

    @cached_property
    def metrics(self) -> Mapping[str, float]:
        """Every quantity that a gate of the spec names, by that name; raises where one has no value."""
        return {name: self.measure(name) for name in self.spec.gates}

    @cached_property
    def verdicts(self) -> Mapping[str, Verdict]:
        """The verdict on every claim of the spec, by the name of its item; what was not run yet is run."""
        return {name: answer.verdict for name, answer in self.answers.items()}

    @cached_property
    def answers(self) -> Mapping[str, Answer]:
        """The verdicts with their places and evidence; `report.failure_text` puts one into words."""
        with self._session() as session:
            session.enlist(self.plan, self.plan.claims)
            return {claim.name: session.answer(self.plan, claim) for claim in self.plan.claims}

    def check(self) -> None:
        """Raises AssertionError with all that a report would say, where a claim of the spec is red."""
        from pytest_mlspec.report import failure_text

        red = [failure_text(answer) for answer in self.answers.values() if answer.verdict.status.red]
        if red:
            raise AssertionError("\n\n".join(red))

    def predictions(self, split: str) -> np.ndarray[Any, Any]:
        """The outputs on a split: probabilities [N, C] of the classes, or values [N]; raises where there is no such split."""
        __tracebackhide__ = True
        splits = self.training.losses
        if split not in splits:
            advice = did_you_mean(split, splits)
            error = MlspecError(f"there is no split {split!r}", advice=advice)
            error.add_note(advice)
            raise error
        return self._trained.array(f"predictions/{split}")

    @cached_property
    def model(self) -> Any:
        """The trained model, restored in this process: an nn.Module in evaluation mode, an estimator, what `fit` returned."""
        with self._work() as work:
            return self.plan.engine.restore(self._train, work).model

    @property
    def artefacts(self) -> Mapping[str, Path]:
        """The files that the training wrote, such as its weights, by name; to be read, not changed."""
        return self._trained.files

    def measure(self, quantity: str) -> float:
        """The value of a quantity by the name that a gate would use, such as `test.accuracy`; raises where it has none.

        Of several seeds or folds it is what the gate judges: their mean, or standard deviation.
        """
        __tracebackhide__ = True
        try:
            return self._measured(quantity)
        except MlspecError as error:
            if error.advice:
                error.add_note(error.advice)
            raise error.with_traceback(None) from None  # a mistake in the test: only the test's own frames say where

    def _measured(self, quantity: str) -> float:
        parsed = quantities.parse(quantity)
        if parsed.measure is not None and parsed.job != Train():
            return self._read(parsed, with_seed(parsed.job, self.spec.train.seed))
        values = [self._of_one(parsed, run) for run in trainings(self.spec, parsed)]
        if not values:
            raise MlspecError(f"{quantity} is measured over folds, and the spec has none", advice="data.split.folds")
        return stdev(values) if parsed.kind == "cv_std" else fmean(values)

    def _read(self, parsed: quantities.Quantity, job: Job) -> float:
        """What a measure reads from the evidence of `job`."""
        if why := self.plan.engine.cannot(job):
            raise MlspecError(f"{parsed.name} cannot be measured: {why}")
        reading = parsed.read(self._result(job).evidence)
        if reading.value is None:
            raise MlspecError(f"{parsed.name} was not measured: {reading.missing or 'it has no value here'}")
        return float(reading.value)

    def _of_one(self, parsed: quantities.Quantity, run: Train) -> float:
        """The value for one training."""
        if parsed.measure is not None:
            return self._read(parsed, run)
        if parsed.metric is None:
            losses = _training_run(self._result(run)).losses
            if parsed.split not in losses:
                raise MlspecError(f"there is no {parsed.name}", advice=did_you_mean(parsed.split, losses))
            return losses[parsed.split]
        table = self._result(Scores(parsed.requests(), of=run)).evidence
        assert isinstance(table, ScoreTable)
        values = []
        for request in parsed.requests():
            score = table.scores[request.key]
            if score.value is None:
                raise MlspecError(score.error, advice=score.advice)
            values.append(score.value)
        return values[0] - values[1] if parsed.kind == "gap" else values[0]

    @property
    def _train(self) -> Train:
        return training(self.spec)

    @cached_property
    def _trained(self) -> StoredResult:
        return self._result(self._train)

    def _result(self, job: Job) -> StoredResult:
        with self._session() as session:
            return session.result(self.plan, job)

    @contextmanager
    def _work(self) -> Iterator[Work]:
        """The surroundings of a job on the training, in this process."""
        with self._session() as session, tempfile.TemporaryDirectory(prefix="mlspec-") as folder:
            sys.path[:0] = [entry for entry in session.python_path if entry not in sys.path]
            needed = {job: session.result(self.plan, job) for job in in_order([self._train])}
            yield Work(self.spec, session.root, Path(folder), needed, lambda news: None, session.allowed)


def _training_run(result: StoredResult) -> TrainingRun:
    assert isinstance(result.evidence, TrainingRun)
    return result.evidence


def run_of(
    session: Session,
    path: str | Path,
    *,
    name: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    at: Place | None = None,
    on_progress: Progress | None = None,
) -> Run:
    """The training of the spec at `path`, relative to the root directory; `name` picks one of several in the file.

    `overrides` are values by the paths of their keys, written at `at`. Raises MlspecError with what is wrong in them, or with
    what kept the training from being finished.
    """
    declared = read_one(session.root / path, root=session.root, name=name, overrides=overrides, at=at)
    plan = make_plan(declared)
    session.result(plan, training(plan.spec), on_progress=on_progress)

    @contextmanager
    def opened() -> Iterator[Session]:
        yield session

    return Run(plan, opened)


def run_spec(
    path: str | Path,
    *,
    name: str | None = None,
    root: str | Path | None = None,
    allow: tuple[str, ...] = (),
    workers: int | None = None,
    fresh: bool = False,
    **overrides: Any,
) -> Run:
    """Trains what the spec at `path` declares, or takes stored evidence that is still true, without pytest.

    `path` is relative to `root`, the folder of the project (default: the working folder), which holds the store and from which
    user code is imported. `name` picks one of several specs; `allow` names packages outside the project that the spec may use;
    `workers` is how many jobs run at a time; `fresh` trains again whatever is stored. Further arguments are values by the
    paths of their keys: `run_spec("specs/churn.mlspec.yaml", **{"train.epochs": 2})`. Raises MlspecError, SpecError for a
    mistake in the spec or an override, with its place.
    """
    folder = Path.cwd() if root is None else Path(root).resolve()
    caller = sys._getframe(1)
    at = Place(caller.f_code.co_filename, caller.f_lineno, 1)
    asked = Asked(folder, allowed=allow, python_path=(str(folder),), jobs=workers, fresh=fresh)
    with _opened(asked) as session:
        plan = run_of(session, path, name=name, overrides=overrides, at=at).plan
    return Run(plan, lambda: _opened(replace(asked, fresh=False)))


@contextmanager
def _opened(asked: Asked) -> Iterator[Session]:
    session = open_session(asked, warn=lambda message: warnings.warn(message, stacklevel=4))
    try:
        yield session
    finally:
        session.close()
