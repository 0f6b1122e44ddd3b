"""`Refit`: the data loaded, split and prepared once more, from generators in another state: as a whole, in parts, by single rows.

What `prepare` makes of a row should follow from the row and from what was fitted on the training rows, and what is fitted from
the training rows alone. Each is a relation between two preparations, or a fact of the columns that come out.

Shape letters: N rows.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlspec.engines.generators import perturb_generators
from pytest_mlspec.errors import DataError, MlspecError, NotApplicableError, RecipeError
from pytest_mlspec.evidence import Comparison, FitSeen, Refitted, Scaled
from pytest_mlspec.jobs import Refit
from pytest_mlspec.probes.fits import Fits, watched_fits
from pytest_mlspec.probes.nudged_rows import nudged, share_of_others
from pytest_mlspec.probes.other_rows import other_held_out
from pytest_mlspec.probes.prepared_rows import apart
from pytest_mlspec.probes.scaled import any_scaled, scaled_columns
from pytest_mlspec.probes.table import table_of
from pytest_mlspec.recipe.columns import names_of
from pytest_mlspec.recipe.datasets import rows_stand_in_a_dataset
from pytest_mlspec.recipe.preparation import as_examples, rows_of, seen_by_fit
from pytest_mlspec.recipe.protocol import Examples, Recipe, Rows
from pytest_mlspec.recipe.work import Result, Work

if TYPE_CHECKING:
    from pytest_mlspec.recipe.protocol import NumpyArray

# Rows that are prepared without the others; where a split has less than twice as many, half of it.
_PART = 256
# Above so many values columns are not looked at one by one: images as arrays.
_MOST_VALUES = 20_000_000
# The share of values that a rounding error may carry over a limit, both up and down.
_MOST_NUDGED = 0.25
_OWN_DATA = frozenset({"load", "split", "fit_prepare", "prepare"})

Make = Callable[[Rows], Examples]


def prepare_again(job: Refit, work: Work) -> Result:
    """Compares preparations of the same rows. Raises NotApplicableError for rows that stand in a Dataset of the team."""
    recipe, stored = work.recipe, work.prepared.splits
    perturb_generators(with_torch="torch" in sys.modules)  # what is not seeded must show
    with watched_fits() as in_load:
        loaded = recipe.load()
    parts = {"": loaded} if isinstance(loaded, Rows) else loaded
    if any(map(rows_stand_in_a_dataset, parts.values())):
        raise NotApplicableError("the rows stand in a Dataset of the team, and its items enter the model as they are")
    with watched_fits() as in_split:
        splits = rows_of(recipe, loaded)
    fitted = recipe.fit_prepare(seen_by_fit(recipe, splits["train"]))
    everything = sum(map(len, parts.values()))

    def make(rows: Rows) -> Examples:
        return as_examples(recipe.prepare(seen_by_fit(recipe, rows), fitted), rows, "held out")

    comparisons = [
        comparison
        for split, rows in splits.items()
        for comparison in _of_split(split, rows, stored.get(split), make, held_out=split != "train")
    ]
    others, unmeasured = _with_other_rows(recipe, loaded, splits, fitted)
    by_number = "prepare" in recipe.given and _follows_numbers(splits, make)
    if by_number:
        kept, why = _under_other_numbers(splits, make)
        others, unmeasured = [*others, *kept], [*unmeasured, *why]
    if "prepare" in recipe.given:
        others = [*others, *_nudged(splits, make)]
    held = np.unique(np.concatenate([rows.index for rows in splits.values()]))
    return Result(
        Refitted(
            rows={split: len(rows) for split, rows in splits.items()},
            comparisons=(*comparisons, *others),
            moved=_moved(splits, stored),
            scaled=_scaled(recipe, splits, stored),
            fitted=(
                *_fitted(in_load, everything, "load", resamples=isinstance(loaded, Rows)),
                *_fitted(in_split, everything, "split"),
            ),
            by_number=by_number,
            loaded=len(loaded) if isinstance(loaded, Rows) else 0,
            left_out=int((~np.isin(loaded.index, held)).sum()) if isinstance(loaded, Rows) else 0,
            unmeasured=tuple(unmeasured),
        )
    )


def _of_split(split: str, rows: Rows, stored: Examples | None, make: Make, *, held_out: bool) -> Iterator[Comparison]:
    """The comparisons of one split: those of the training rows ask alone whether they can be repeated."""
    picked = _picked(len(rows))
    few = rows.take(picked)
    yield _comparison("repeat", split, make(few), lambda: make(few), few)
    if not held_out:
        return
    whole = make(rows)  # once, because of its cost; one exception here is that of every training too
    expected = whole.take(picked)
    yield _comparison("part", split, expected, lambda: make(few), few)
    reverse = np.arange(len(few))[::-1].copy()
    yield _comparison("order", split, expected.take(reverse), lambda: make(few.take(reverse)), few.take(reverse))
    one = np.array([len(few) // 2])
    yield _comparison("alone", split, expected.take(one), lambda: make(few.take(one)), few.take(one))
    if stored is not None and np.array_equal(np.sort(stored.index), np.sort(rows.index)):
        before = stored.take(np.argsort(stored.index, kind="stable"))
        order = np.argsort(rows.index, kind="stable")
        yield _comparison("again", split, before, lambda: whole.take(order), rows.take(order))


def _comparison(way: Any, split: str, expected: Examples, remake: Callable[[], Examples], rows: Rows) -> Comparison:
    try:
        found = remake()
    except (RecipeError, DataError) as error:  # of the team's code: what it cannot prepare this way is told
        return Comparison(way, split, len(rows), float("inf"), 0.0, told=error.message)
    found_apart = apart(found, expected, name_row=rows.place)
    return Comparison(
        way, split, len(rows), found_apart.share, found_apart.tolerance, found_apart.where, found_apart.told
    )


def _picked(count: int) -> NumpyArray:
    """Positions of some rows, in random order."""
    size = min(_PART, max(1, count // 2))
    found: NumpyArray = np.random.default_rng(0).permutation(count)[:size]
    return found


def _moved(splits: Mapping[str, Rows], stored: Mapping[str, Examples]) -> dict[str, int]:
    """The rows of each split that are not in it any more."""
    return {
        split: int((~np.isin(examples.index, splits[split].index)).sum()) if split in splits else len(examples)
        for split, examples in stored.items()
    }


def _with_other_rows(
    recipe: Recipe, loaded: Rows | Mapping[str, Rows], splits: Mapping[str, Rows], fitted: Any
) -> tuple[list[Comparison], list[str]]:
    """The training examples, where a `split` of the team has seen other values in the held-out rows."""
    if "split" not in recipe.given or not isinstance(loaded, Rows):
        return [], []
    again, why = other_held_out(recipe, loaded, splits)
    if again is None:
        return [], [f"whether the training rows depend on the held-out ones: {why}"]
    few = _picked(len(splits["train"]))
    order, order_again = (np.argsort(rows.index, kind="stable") for rows in (splits["train"], again["train"]))

    def made(rows: Rows, order_N: NumpyArray, with_fit: Any) -> Examples:
        taken = rows.take(order_N[few])
        return as_examples(recipe.prepare(seen_by_fit(recipe, taken), with_fit), taken, "train")

    expected = made(splits["train"], order, fitted)

    def remake() -> Examples:
        return made(again["train"], order_again, recipe.fit_prepare(seen_by_fit(recipe, again["train"])))

    return [_comparison("others", "train", expected, remake, splits["train"].take(order[few]))], []


def _scaled(recipe: Recipe, splits: Mapping[str, Rows], stored: Mapping[str, Examples]) -> tuple[Scaled, ...]:
    """The columns that were scaled with held-out rows: as the team's own `load` or `split` gives them, or its preparation."""
    if not _OWN_DATA & recipe.given:
        return ()
    raw = {split: rows.features for split, rows in _train_first(splits).items()}
    if sum(map(len, splits.values())) * len(names_of(raw["train"])) > _MOST_VALUES:
        return ()
    table = table_of(raw)
    if {"load", "split"} & recipe.given:
        found = scaled_columns(table)
    elif any_scaled(table):
        return ()  # the source gives it so: nobody here has scaled it
    else:
        found = ()
    prepared: dict[str, Any] = {
        split: dict(examples.inputs) if isinstance(examples.inputs, Mapping) else examples.inputs
        for split, examples in _train_first(stored).items()
    }
    return found or scaled_columns(table_of(prepared))


def _train_first(splits: Mapping[str, Any]) -> dict[str, Any]:
    return {"train": splits["train"], **splits}


def _fitted(seen: Fits, everything: int, point: str, *, resamples: bool = False) -> Sequence[FitSeen]:
    """The transformers that learned from all rows at once; in one column, each value of a table is a row.

    With `resamples` whatever draws new rows counts: there are more of them now than it has seen.
    """
    return [
        FitSeen(one.name, one.rows, point)
        for one in seen.values()
        if one.rows and (one.rows % everything == 0 or (resamples and one.resamples))
    ]


def _few_held_out(splits: Mapping[str, Rows]) -> Rows | None:
    held_out = next((rows for split, rows in splits.items() if split != "train"), None)
    return None if held_out is None or len(held_out) < 4 else held_out.take(_picked(len(held_out)))


def _turned(rows: Rows) -> Rows:
    return rows.take(np.roll(np.arange(len(rows)), 1))


def _follows_numbers(splits: Mapping[str, Rows], make: Make) -> bool:
    """Whether held-out rows are prepared as before where they have the values of others, and keep their numbers."""
    few = _few_held_out(splits)
    if few is None:
        return False
    turned = _turned(few)
    exchanged = replace(few, features=turned.features, others=turned.others)
    try:
        found, expected = make(exchanged), make(few)
        differ = apart(make(turned), expected, name_row=few.place).share
    except MlspecError:
        return False
    return bool(differ) and apart(found, expected, name_row=few.place).share == 0


def _under_other_numbers(splits: Mapping[str, Rows], make: Make) -> tuple[list[Comparison], list[str]]:
    """Held-out rows under numbers that no row has had: what is kept by the number is made anew, of what stands in the row.

    Nothing is compared where what comes out does not follow the row then either: a table by number, with a default or without.
    """
    few = _few_held_out(splits)
    assert few is not None, "rows that follow their numbers are there"
    split = next(split for split in splits if split != "train")
    turned = _turned(few)
    try:
        found = make(_renumbered(few))
        again = make(_renumbered(turned))
    except MlspecError as error:
        return [], [f"whether rows that are kept by their number are up to date: {error.message}"]
    place = few.place
    in_its_place = np.roll(np.arange(len(few)), 1)
    follows = apart(again, found.take(in_its_place), name_row=place)
    if follows.told or follows.share > follows.tolerance or not apart(found, again, name_row=place).share:
        return [], ["whether rows that are kept by their number are up to date: they are read from a table"]
    return [_comparison("numbers", split, make(few), lambda: found, few)], []


def _nudged(splits: Mapping[str, Rows], make: Make) -> list[Comparison]:
    """Held-out rows with a rounding error, up and down, where these can be prepared; the smaller share of other values."""
    few = _few_held_out(splits)
    changed = [nudged(few, up=up) for up in (True, False)] if few is not None else []
    if few is None or None in changed:
        return []
    try:
        expected = make(few)
        shares = [share_of_others(make(rows), expected) for rows in changed if rows is not None]
    except MlspecError:
        return []
    split = next(split for split in splits if split != "train")
    return [Comparison("nudged", split, len(few), min(shares), _MOST_NUDGED)]


def _renumbered(rows: Rows) -> Rows:
    """`rows` under numbers that the operating system draws: what is kept on disk of them is met by no later run."""
    start = int.from_bytes(os.urandom(5), "big") + 2**40
    return replace(rows, index=np.arange(start, start + len(rows)))
