"""`data.split`: rows become training, validation and test rows, by a seeded draw or by time, and folds of a cross-validation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pytest_mlspec.errors import DataError, did_you_mean
from pytest_mlspec.language.spec import Split
from pytest_mlspec.quantities import SPLITS
from pytest_mlspec.recipe.protocol import Rows
from pytest_mlspec.recipe.rows import joined

if TYPE_CHECKING:
    import pandas as pd

    from pytest_mlspec.recipe.protocol import NumpyArray

_KEY = "data.split"


def split_rows(loaded: Rows | Mapping[str, Rows], split: Split) -> dict[str, Rows]:
    """The rows of each split: drawn as declared, or those of a source that brings its splits, with `val` drawn from train.

    Raises DataError where a split would have no rows, or the source brings what is declared.
    """
    return draw_splits(loaded, split) if isinstance(loaded, Rows) else with_validation(loaded, split)


def draw_splits(rows: Rows, split: Split) -> dict[str, Rows]:
    """The rows of each split, in the order of the source where the split goes by time, else in the order of the draw.

    The test split has `test` of all rows, rounded up as scikit-learn does, and is the one that `train_test_split` draws with
    the same seed; the validation split is drawn from the rest. With `group`, the shares are shares of the groups.
    """
    if split.time is not None:
        positions = _by_time(rows, split)
    elif split.group is not None:
        positions = _by_group(rows, split)
    else:
        positions = _by_draw(rows, split)
    return {name: rows.take(taken) for name, taken in positions.items()}


def with_validation(splits: Mapping[str, Rows], split: Split) -> dict[str, Rows]:
    """Splits that the source brings, with `val` drawn from the training rows where it is declared; its share is of those."""
    if not split.val:
        return dict(splits)
    if "val" in splits:
        raise DataError("the source brings its own validation rows", key=f"{_KEY}.val", advice="remove this key")
    parts = draw_splits(splits["train"], split.model_copy(update={"test": split.val, "val": 0.0}))
    found = {**splits, "train": parts["train"], "val": parts["test"]}
    return {name: found[name] for name in SPLITS if name in found}


def fold_of(splits: Mapping[str, Rows], split: Split, number: int) -> dict[str, Rows]:
    """The splits of fold `number` (from 0): its rows are the test split, all others outside the test split are for training.

    Validation rows, where there are any, are drawn anew from the rest, with as large a share of it. Folds are those of
    scikit-learn: KFold, StratifiedKFold or GroupKFold, shuffled with the seed of the split, or TimeSeriesSplit.
    """
    assert split.folds is not None, "the spec declares folds"
    pool = joined([splits[name] for name in ("train", "val") if name in splits])
    kept, held_out = _folds(pool, split)[number]
    found = {"train": pool.take(kept), "test": pool.take(held_out)}
    if "val" not in splits:
        return found
    return with_validation(found, split.model_copy(update={"val": len(splits["val"]) / len(pool)}))


def column_of(rows: Rows, column: str, *, key: str) -> pd.Series:
    """A named column of the raw rows, dropped ones included; raises DataError with the nearest name."""
    import pandas as pd

    for table in (rows.features, rows.others):
        if isinstance(table, pd.DataFrame) and column in table.columns:
            return table[column]
    known = column_names(rows)
    if not known:
        raise DataError(f"the rows have no named columns, so no {column!r}", key=key)
    raise DataError(f"the rows have no column {column!r}", key=key, advice=did_you_mean(column, known))


def column_names(rows: Rows) -> list[str]:
    """The names of the columns of the raw rows, dropped ones included; empty for an array."""
    import pandas as pd

    return [
        str(name) for table in (rows.features, rows.others) if isinstance(table, pd.DataFrame) for name in table.columns
    ]


def times_of(rows: Rows, column: str) -> NumpyArray:
    """The times in `column` as numbers or datetime64, each row's; raises DataError where it holds others, or one is missing."""
    import pandas as pd

    key = f"{_KEY}.time"
    times = _complete(rows, column, key=key)
    if not pd.api.types.is_numeric_dtype(times) and not pd.api.types.is_datetime64_any_dtype(times):
        advice = "write numbers, or dates such as 2026-01-31 or 2026-01-31T12:00"
        texts = times
        try:
            times = pd.to_datetime(texts, format="ISO8601", errors="coerce")
        except (TypeError, ValueError) as error:
            raise DataError(
                f"the column {column!r} holds no times: {str(error).splitlines()[0]}", key=key, advice=advice
            ) from None
        unread = times.isna().to_numpy()
        if unread.any():
            first = int(unread.argmax())
            raise DataError(
                f"{rows.place(first)} has {texts.iloc[first]!r:.60} in the column {column!r}: no date in ISO 8601"
                f" ({unread.sum()} of {len(rows)} rows)",
                key=key,
                advice=advice,
            )
    return times.to_numpy()


def _folds(rows: Rows, split: Split) -> list[tuple[NumpyArray, NumpyArray]]:
    """The positions to train on and to hold out, for each fold."""
    import numpy as np
    import pandas as pd
    from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold, TimeSeriesSplit

    assert split.folds is not None
    key = f"{_KEY}.folds"
    shuffled: dict[str, Any] = {"n_splits": split.folds, "shuffle": True, "random_state": split.seed}
    positions = np.arange(len(rows))
    try:
        if split.time is not None:
            order = _order_in_time(rows, split.time)
            return [(order[kept], order[out]) for kept, out in TimeSeriesSplit(split.folds).split(order)]
        if split.group is not None:
            groups, _ = pd.factorize(_complete(rows, split.group, key=f"{_KEY}.group"))
            return list(GroupKFold(**shuffled).split(positions, groups=groups))
        if split.stratify:
            labels = rows.targets.astype(str)
            smallest = np.unique(labels, return_counts=True)[1].min()
            if smallest < split.folds:
                raise DataError(
                    f"{split.folds} folds cannot be stratified: the smallest class has {smallest} rows", key=key
                )
            return list(StratifiedKFold(**shuffled).split(positions, labels))
        return list(KFold(**shuffled).split(positions))
    except ValueError as error:  # fewer rows or groups than folds
        raise DataError(f"{len(rows)} rows make no {split.folds} folds: {error}", key=key) from None


def _by_draw(rows: Rows, split: Split) -> dict[str, NumpyArray]:
    import numpy as np
    from sklearn.model_selection import train_test_split

    n_test, n_val = _sizes(len(rows), split, of="rows")
    rest = np.arange(len(rows))
    drawn: dict[str, Any] = {}
    for name, size in (("test", n_test), ("val", n_val)):
        if size:
            labels = rows.targets[rest].astype(str) if split.stratify else None
            if labels is not None:
                _refuse_lone_classes(labels, name)
            try:
                rest, drawn[name] = train_test_split(rest, test_size=size, random_state=split.seed, stratify=labels)
            except ValueError as error:  # fewer rows in a split than there are classes
                raise DataError(f"the {name} split cannot be stratified: {error}", key=f"{_KEY}.stratify") from None
    return _ordered({"train": rest, **drawn})


def _refuse_lone_classes(labels: NumpyArray, split: str) -> None:
    """Raises DataError where a class has one row, which cannot stand on both sides of a split."""
    import numpy as np

    classes, counts = np.unique(labels, return_counts=True)
    lone = classes[counts == 1].tolist()
    if lone:
        raise DataError(
            f"the {split} split cannot be stratified: {len(lone)} of {len(classes)} classes left for it have"
            f" one row alone: {', '.join(lone[:10])}{', …' if len(lone) > 10 else ''}",
            key=f"{_KEY}.stratify",
            advice="stratify: false, or more rows of these classes",
        )


def _by_group(rows: Rows, split: Split) -> dict[str, NumpyArray]:
    import numpy as np
    import pandas as pd
    from sklearn.model_selection import GroupShuffleSplit

    groups, names = pd.factorize(_complete(rows, split.group or "", key=f"{_KEY}.group"))
    n_test, n_val = _sizes(len(names), split, of=f"groups of {split.group!r}")
    rest = np.arange(len(rows))
    drawn: dict[str, Any] = {}
    for name, size in (("test", n_test), ("val", n_val)):
        if size:
            draw = GroupShuffleSplit(n_splits=1, test_size=size, random_state=split.seed)
            kept, taken = next(draw.split(rest, groups=groups[rest]))
            rest, drawn[name] = rest[kept], rest[taken]
    return _ordered({"train": rest, **drawn})


def _by_time(rows: Rows, split: Split) -> dict[str, NumpyArray]:
    import numpy as np

    order = _order_in_time(rows, split.time or "")
    n_test, n_val = _sizes(len(rows), split, of="rows")
    n_train = len(rows) - n_test - n_val
    parts = np.split(order, [n_train, n_train + n_val])
    return _ordered(
        {"train": parts[0], "val": parts[1], "test": parts[2]} if n_val else {"train": parts[0], "test": parts[2]}
    )


def _order_in_time(rows: Rows, column: str) -> NumpyArray:
    """The positions of the rows from the earliest to the latest by `column`; equal times keep their order."""
    import numpy as np

    return np.argsort(times_of(rows, column), kind="stable")


def _sizes(count: int, split: Split, *, of: str) -> tuple[int, int]:
    # less than a rounding error above a whole number is that number: 0.07 * 100 is 7.000000000000001
    n_test, n_val = (math.ceil(share * count - 1e-9) for share in (split.test, split.val))
    if n_test + n_val >= count:
        raise DataError(f"0 rows in split train: {count} {of}, {n_test} for test and {n_val} for val", key=_KEY)
    return n_test, n_val


def _complete(rows: Rows, column: str, *, key: str) -> pd.Series:
    """The column, without a missing value."""
    values = column_of(rows, column, key=key)
    missing = values.isna().to_numpy()
    if missing.any():
        place = rows.place(int(missing.argmax()))
        raise DataError(f"{place} has no {column!r} ({missing.sum()} of {len(rows)} rows)", key=key)
    return values


def _ordered(positions: dict[str, Any]) -> dict[str, NumpyArray]:
    return {name: positions[name] for name in ("train", "val", "test") if name in positions}
