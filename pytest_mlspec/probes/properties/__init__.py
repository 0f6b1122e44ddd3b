"""A search for rows that break what should hold for every row, by hypothesis.

Batches are drawn from the schema of the data: rows of the data with some of their values replaced by others of the same column,
above all by its extremes. The draws are derandomised: the same code and data give the same search. What is found is shrunk to the
fewest rows and changes, kept beside the store, and tried first by the next search.

    drawing.py  batches of raw rows;  holding.py  what must hold of them;  remembered.py  what earlier searches found
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, Verbosity
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.errors import Flaky

from pytest_mlspec.engines.outside import from_outside
from pytest_mlspec.errors import NotApplicableError
from pytest_mlspec.evidence import Search, TrainingRun, Violation
from pytest_mlspec.jobs import SearchProperties
from pytest_mlspec.language.task import TASKS
from pytest_mlspec.probes.properties.drawing import Batch, Schema
from pytest_mlspec.probes.properties.holding import Broken, RefusedError, Subject
from pytest_mlspec.probes.properties.remembered import recall, remember
from pytest_mlspec.probes.requests import spread
from pytest_mlspec.probes.trained import fitted_preparation, raw_rows, restored
from pytest_mlspec.recipe.datasets import stand_in_a_dataset
from pytest_mlspec.recipe.work import Result, Work

_ROWS_COMPARED = 8


def search_properties(job: SearchProperties, work: Work) -> Result:
    """Searches with the model that `job.of` trained.

    Raises NotApplicableError for rows that are no requests by themselves: of a task without a target, of a Dataset, or prepared
    otherwise among others.
    """
    if not TASKS[work.recipe.task].supervised:
        raise NotApplicableError(f"a row of the task {work.recipe.task} is no request by itself")
    if stand_in_a_dataset(work.prepared.splits["train"]):
        raise NotApplicableError("the rows of a Dataset are read one by one, and have no schema to draw from")
    run = work.needed[job.of].evidence
    assert isinstance(run, TrainingRun)
    with from_outside("the trained model", key="model"):
        raw = raw_rows(job.of, work)
        schema = Schema(raw.rows, raw.train, beyond=job.beyond)
        fitted = fitted_preparation(job.of, work, raw.train)
        subject = Subject(
            work,
            restored(job.of, work).precise(),
            fitted,
            probabilities=run.predictions == "probabilities",
            tolerance=job.tolerance,
        )
        few_N = spread(len(raw.rows), _ROWS_COMPARED)
        if not subject.prepares_each_row_by_itself(raw.rows.take(few_N), work.prepared.splits[raw.split].take(few_N)):
            raise NotApplicableError(
                "some of the rows are prepared otherwise than among all: a row is no request by itself"
            )
        first = recall(work.kept, work.spec.name, schema)
        tried = _Tried(schema, subject)
        with _home_of_hypothesis(work.folder):
            found = tried.search(job.examples, first)
    if found is not None:
        remember(work.kept, work.spec.name, found.batch)
    return Result(
        Search(
            batches=tried.batches,
            rows=tried.rows,
            properties=subject.properties,
            violation=None if found is None else Violation(found.property, found.told, schema.shown(found.batch)),
            refused=tried.refused,
            remembered=found is not None and found.batch == first and tried.batches == 1,
            left_out=subject.left_out,
            device=run.device,
        )
    )


@contextmanager
def _home_of_hypothesis(folder: Path) -> Iterator[None]:
    """What hypothesis writes down of the constants of a program goes there, and not into the project."""
    with TemporaryDirectory(dir=folder) as home:
        set_hypothesis_home_dir(home)
        try:
            yield
        finally:
            set_hypothesis_home_dir(None)


class _Tried:
    """A search: how many batches and rows it has tried, and how many batches were refused."""

    def __init__(self, schema: Schema, subject: Subject) -> None:
        self._schema, self._subject = schema, subject
        self.batches = self.rows = self.refused = 0

    def search(self, examples: int, first: Batch | None) -> Broken | None:
        """What the smallest batch breaks; None where every batch keeps every property."""
        if first is not None and (found := self._broken(first)) is not None:
            return found
        smallest: list[Broken] = []

        def holds(batch: Batch) -> None:
            found = self._broken(batch)
            if found is not None:
                smallest[:] = [found]
                raise _BrokenError(found.property)

        decorated: Callable[..., Any] = hypothesis.given(self._schema.batches)(holds)
        test = hypothesis.settings(
            max_examples=examples,
            derandomize=True,
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
            verbosity=Verbosity.quiet,
            report_multiple_bugs=False,
            print_blob=False,
        )(decorated)
        try:
            test()
        except (_BrokenError, Flaky):  # a model that draws at random answers otherwise each time
            return smallest[0]  # hypothesis runs the smallest one last
        return None

    def _broken(self, batch: Batch) -> Broken | None:
        rows = self._schema.rows(batch)
        self.batches += 1
        self.rows += len(rows)
        try:
            return self._subject.broken_by(batch, rows)
        except RefusedError:
            self.refused += 1
            return None


class _BrokenError(Exception):
    """Tells hypothesis that a property does not hold."""
