"""`Describe` and the check `baseline` on real tables: what chance and growth do is never red, what changes the data always is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pytest_mlspec.check import Status

from .described import TABLES, Table, compared, described, take

REPEATS = 7  # of 6 tables and 5 changes: 210 comparisons
CATEGORIES = TABLES["categories"]
CANCER = TABLES["breast_cancer"]
DIGITS = TABLES["digits"]


def _changed(change: str, base: Any, more: Any, generator: np.random.Generator) -> Any:
    """The numbers of the rows that stand in a table after a benign change of `base`."""
    match change:
        case "appended":
            return np.concatenate([base, more])
        case "mixed in":
            return np.sort(np.concatenate([base, more]))
        case "reordered":
            return generator.permutation(base)
        case "replaced":
            return np.concatenate([base[generator.random(len(base)) > 0.08], more])
    return base


@pytest.mark.parametrize("name", TABLES)
def test_chance_and_growth_are_never_red(name: str) -> None:
    """5 to 30 % more rows, another order, some rows replaced, another seed of the split: no alarm."""
    table, alarms = TABLES[name], []
    rows = len(table[1])
    for repeat in range(REPEATS):
        generator = np.random.default_rng(repeat)
        order = generator.permutation(rows)
        known = min(int(0.72 * rows), 500)
        base = np.sort(order[:known])
        more = order[known : int(known * (1 + generator.uniform(0.05, 0.3)))]
        before = described(take(table, base))
        for change in ("appended", "mixed in", "reordered", "replaced", "split"):
            now = take(table, _changed(change, base, more, generator))
            verdict = compared(before, described(now, seed=repeat + 1 if change == "split" else 0))
            if verdict.status is not Status.PASSED:
                alarms.append((repeat, change, verdict.summary))

    assert alarms == []


def _scaled(table: Table) -> Table:
    features = table[0].copy()
    features.iloc[:, 3] *= 1000
    return features, table[1]


def _filled(table: Table) -> Table:
    return table[0].fillna({"mean texture": 0}), table[1]


def _noisy(table: Table) -> Table:
    generator, targets = np.random.default_rng(0), table[1].copy()
    wrong = generator.random(len(targets)) < 0.1
    targets[wrong] = np.where(targets[wrong] == "benign", "malignant", "benign")
    return table[0], targets


def _shuffled(table: Table) -> Table:
    return table[0], np.random.default_rng(0).permutation(table[1])


def _as_text(table: Table) -> Table:
    return table[0].assign(**{"mean radius": table[0]["mean radius"].map(str)}), table[1]


FAULTS: dict[str, tuple[Callable[[Table], Table], str]] = {
    "most rows lost": (lambda table: take(table, np.arange(len(table[1]) // 5)), "baseline.rows"),
    "rows read twice": (lambda table: take(table, np.tile(np.arange(len(table[1])), 2)), "baseline.rows"),
    "missing values filled": (_filled, "baseline.nulls"),
    "other unit": (_scaled, "baseline.values"),
    "labels shuffled": (_shuffled, "baseline.labels"),
    "a tenth of the labels wrong": (_noisy, "baseline.labels"),
    "column gone": (lambda table: (table[0].drop(columns="site"), table[1]), "baseline.columns"),
    "column new": (lambda table: (table[0].assign(more=1.5), table[1]), "baseline.columns"),
    "column renamed": (lambda table: (table[0].rename(columns={"site": "place"}), table[1]), "baseline.columns"),
    "other type": (_as_text, "baseline.columns"),
    "other classes": (lambda table: (table[0], np.where(table[1] == "benign", "0", "1")), "baseline.classes"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_change_of_the_data_is_red(fault: str) -> None:
    """And has its name."""
    change, finding = FAULTS[fault]
    verdict = compared(described(CATEGORIES), described(change(CATEGORIES)))

    assert verdict.status is Status.FAILED
    assert verdict.findings[0] == finding


def test_the_types_of_pandas_are_no_change() -> None:
    """Nor is single precision, or another index."""
    features, targets = CATEGORIES
    again = features.astype({"site": "category", "mean radius": "float32"}).set_index(np.arange(len(targets))[::-1])

    assert compared(described(CATEGORIES), described((again, targets))).status is Status.PASSED


@pytest.mark.parametrize(("code", "finding"), [(255, "baseline.classes"), (0, "baseline.labels")])
def test_a_code_that_means_no_label_is_red(code: int, finding: str) -> None:
    """As a class of its own, or as one that was there."""
    targets = DIGITS[1].copy()
    targets[np.random.default_rng(0).random(len(targets)) < 0.1] = code
    verdict = compared(described(DIGITS), described((DIGITS[0], targets)))

    assert finding in verdict.findings


def test_a_class_that_is_lost_is_red() -> None:
    """The rows of the others are there."""
    verdict = compared(described(DIGITS), described(take(DIGITS, np.flatnonzero(DIGITS[1] != 9))))

    assert verdict.findings[0] == "baseline.classes"


def test_added_rows_in_another_unit_are_red() -> None:
    """While all recorded rows are as they were."""
    features, targets = take(CANCER, np.concatenate([np.arange(569), np.arange(100)]))
    features.iloc[569:] *= 1000
    verdict = compared(described(CANCER), described((features, targets)))

    assert verdict.findings == ("baseline.values",)


def test_a_column_that_goes_on_with_the_rows_is_no_change() -> None:
    """The number of a day, and a month that was not there before."""
    features, targets = CANCER
    days = features.assign(day=np.arange(len(targets)) / 3, month=[f"m{row // 50}" for row in range(len(targets))])
    before, now = (described(take((days, targets), np.arange(rows))) for rows in (450, 569))

    assert compared(before, now).status is Status.PASSED


def _pixels(rows: Any, *, by: float = 16.0, order: slice | None = None) -> tuple[Any, Any]:
    pixels = rows.features.reshape(len(rows), 8, 8).astype("float32") / by
    return pixels[:, :, order] if order else pixels, rows.targets


def test_another_preparation_by_the_teams_own_code_is_red() -> None:
    """A normalisation that is gone, an axis that is turned round: seen in what enters the model, of more rows too."""
    before = described(take(DIGITS, np.arange(1400)), prepare=lambda rows, _: _pixels(rows))
    raw, turned, grown = (
        compared(before, described(take(DIGITS, np.arange(count)), prepare=prepare))
        for count, prepare in (
            (1400, lambda rows, _: _pixels(rows, by=1.0)),
            (1400, lambda rows, _: _pixels(rows, order=slice(None, None, -1))),
            (1797, lambda rows, _: _pixels(rows, order=slice(None, None, -1))),
        )
    )

    assert {verdict.findings[0] for verdict in (raw, turned, grown)} == {"baseline.prepared"}


def test_the_same_preparation_of_more_rows_is_not() -> None:
    """Nothing is fitted, and each row is as it was."""
    before, now = (
        described(take(DIGITS, np.arange(count)), prepare=lambda rows, _: _pixels(rows)) for count in (1400, 1797)
    )

    assert compared(before, now).status is Status.PASSED


def test_texts_without_their_prefix_are_red() -> None:
    """What enters is text: golden rows tell each of them."""
    texts = pd.DataFrame({"text": [f"the digit {digit} of row {row}" for row, digit in enumerate(DIGITS[1])]})

    def prefixed(prefix: str) -> Callable[[Any, Any], Any]:
        return lambda rows, _: (np.array([prefix + text for text in rows.features["text"]], dtype=object), rows.targets)

    with_it, without = (described((texts, DIGITS[1]), prepare=prefixed(prefix)) for prefix in ("query: ", ""))

    assert compared(with_it, without).findings[0] == "baseline.prepared"
    assert compared(with_it, with_it).status is Status.PASSED


def test_a_split_that_is_drawn_anew_cannot_be_described() -> None:
    """It says so, and is no pass."""

    def drawn(rows: Any) -> Any:
        order = np.random.default_rng().permutation(len(rows))
        return {"train": rows.take(order[100:]), "test": rows.take(order[:100])}

    found = described(CANCER, split=drawn)

    assert found.missing == "load and split gave other rows of split train when they were called again"
    assert compared(described(CANCER), found).status is Status.ERROR


def test_another_split_of_the_same_rows_by_the_teams_own_code_is_red() -> None:
    """Another seed inside it, for the same rows in the same order."""

    def split(seed: int) -> Callable[[Any], Any]:
        def by_seed(rows: Any) -> Any:
            order = np.random.default_rng(seed).permutation(len(rows))
            return {"train": rows.take(order[100:]), "test": rows.take(order[:100])}

        return by_seed

    verdict = compared(described(CANCER, split=split(0)), described(CANCER, split=split(1)))

    assert verdict.findings[0] == "baseline.moved"


def test_no_golden_rows() -> None:
    """The distributions remain."""
    before = described(CATEGORIES, golden=0)

    assert compared(before, described(CATEGORIES, golden=0)).status is Status.PASSED
    assert compared(before, described(_scaled(CATEGORIES), golden=0)).findings[0] == "baseline.values"
