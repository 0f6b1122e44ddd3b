"""A serving path tried on raw rows: at once, again, alone, in another order, with columns turned, as JSON brings them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from pytest_mlspec.errors import MlspecError
from pytest_mlspec.evidence import Difference
from pytest_mlspec.probes import answers, requests
from pytest_mlspec.probes.answers import Answers
from pytest_mlspec.recipe.protocol import Rows

Serving = Callable[[Any], Answers]
"""From raw features, a table or an array of any number of rows, to what is served for them."""

# Rows of one call: a large split at once would be a request that production never sees.
_BATCH = 1024
_ROWS, _ROWS_ALONE = 64, 16


@dataclass(frozen=True)
class Trial:
    """`serving` tried on `rows`, for which the training `reported` what it gives."""

    serving: Serving
    rows: Rows
    reported: Answers

    @cached_property
    def served(self) -> Answers:
        """What is served for all rows, in batches."""
        calls = range(0, len(self.rows), _BATCH)
        return answers.joined([self.serving(self._some(np.arange(begin, self._end(begin)))) for begin in calls])

    @property
    def whole(self) -> Difference:
        """What is served for all rows against what was reported for them."""
        return answers.difference(self.served, self.reported, self.rows.index.tolist())

    def brought_otherwise(self) -> Iterator[tuple[str, Difference]]:
        """Some of the rows in every other way, against what was served for them at first."""
        some_N = requests.spread(len(self.rows), _ROWS)
        other_N = np.random.default_rng(0).permutation(some_N)
        alone_N = requests.spread(len(self.rows), _ROWS_ALONE)
        yield "again", self._tried(some_N, lambda: self.serving(self._some(some_N)))
        yield "alone", self._tried(alone_N, lambda: self._one_by_one(alone_N, lambda features: features))
        yield "order", self._tried(other_N, lambda: self.serving(self._some(other_N)))
        table = self.rows.features
        if isinstance(table, pd.DataFrame):
            if table.shape[1] > 1:
                yield "columns", self._tried(some_N, lambda: self.serving(requests.turned(self._some(some_N))))
            yield "json", self._tried(alone_N, lambda: self._one_by_one(alone_N, _through_json))

    def of_changed(self, features: Any, model: Callable[[Any], Answers]) -> Difference:
        """What is served for other rows, against what `model` gives for them."""
        expected = model(features)
        return _or_its_error(len(features), lambda: self._differs(features, expected))

    def _differs(self, features: Any, expected: Answers) -> Difference:
        return answers.difference(self.serving(features), expected, range(len(features)))

    def _tried(self, positions: np.ndarray[Any, Any], serve: Callable[[], Answers]) -> Difference:
        names, expected = self.rows.index[positions].tolist(), self.served.take(positions)
        return _or_its_error(len(positions), lambda: answers.difference(serve(), expected, names))

    def _one_by_one(self, positions: np.ndarray[Any, Any], brought: Callable[[Any], Any]) -> Answers:
        return answers.joined([self.serving(brought(self._some(np.array([position])))) for position in positions])

    def _some(self, positions: np.ndarray[Any, Any]) -> Any:
        return requests.some(self.rows.features, positions)

    def _end(self, begin: int) -> int:
        return min(begin + _BATCH, len(self.rows))


def _through_json(table: pd.DataFrame) -> Any:
    return requests.from_records(requests.records(table), table)


def _or_its_error(rows: int, compare: Callable[[], Difference]) -> Difference:
    try:
        return compare()
    except MlspecError as error:  # what the path raised, or an answer in another form
        return Difference(rows, error=error.message)
