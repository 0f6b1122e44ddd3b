"""What a loader returns becomes `Rows`: checked, numbered, with the target apart from the features.

Accepted are Rows, (X, y), a DataFrame that holds the declared target, and any of these by split name. X is a DataFrame or
an array of numbers [N, …]. What sources read comes as a `Table`; a `Dataset` of Hugging Face becomes one.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pytest_mlspec.errors import DataError, RecipeError, did_you_mean
from pytest_mlspec.quantities import SPLITS
from pytest_mlspec.recipe.protocol import Rows

if TYPE_CHECKING:
    import pandas as pd

    from pytest_mlspec.recipe.protocol import NumpyArray, Origin
    from pytest_mlspec.sources.origins import Table

_NO_TARGETS = (
    "name them beside `use`: `targets: FILE` of a .npy, `labels: FILE` of idx files, `targets: NAME` of a .npz"
)
_RETURNS = "return (X, y), Rows, a DataFrame with the column that `data.target` names, or a dict of these by split"


def as_loaded(
    value: Any,
    *,
    key: str,
    name: str,
    target: str | None = None,
    drop: Sequence[str] = (),
    labelled: bool = True,
) -> Rows | dict[str, Rows]:
    """What a loader called `name` returned, as Rows or as Rows by split; raises RecipeError or DataError that says why not.

    With `labelled` false the rows need no target.
    """
    value = _converted(value, name)
    if not isinstance(value, Mapping):
        rows = as_rows(value, key=key, name=name, target=target, drop=drop, labelled=labelled)
        if not len(rows):
            raise DataError(f"{name} has 0 rows", key=key)
        return rows
    for split in value:
        _demand_split(split, key=key, name=name)
    parts = {
        split: as_rows(part, key=key, name=f"{name}, split {split!r},", target=target, drop=drop, labelled=labelled)
        for split, part in value.items()
    }
    return as_splits(parts, key=key, name=name)


def as_splits(value: Any, *, key: str, name: str) -> dict[str, Rows]:
    """Rows by split, as a `split` returned them: with known names, rows for training, and none empty."""
    if not isinstance(value, Mapping):
        raise RecipeError(f"{name} returned a {_kind(value)}", key=key, advice="return a dict: {split name: Rows}")
    for split, rows in value.items():
        _demand_split(split, key=key, name=name)
        if not isinstance(rows, Rows):
            raise RecipeError(
                f"{name} returned a {_kind(rows)} for the split {split!r}",
                key=key,
                advice="return Rows: rows.take(positions)",
            )
        checked(rows, key=key, name=f"{name}, split {split!r},")
        if not len(rows):
            raise DataError(f"0 rows in split {split}", key=key)
    if "train" not in value:
        raise RecipeError(f"{name} returned no split called 'train'", key=key, advice=f"splits: {', '.join(SPLITS)}")
    return {split: value[split] for split in SPLITS if split in value}


def as_rows(
    value: Any,
    *,
    key: str,
    name: str,
    target: str | None = None,
    drop: Sequence[str] = (),
    labelled: bool = True,
) -> Rows:
    """What one table of a loader is as Rows; columns in `drop` are kept apart from the features.

    With `labelled` false, X alone is a table too: a DataFrame without target, or an array.
    """
    import numpy as np
    import pandas as pd

    from pytest_mlspec.sources.origins import Table

    match _converted(value, name):
        case Rows():
            rows = value
        case Table() as table:
            rows = _of_table(table, key=key, name=name, target=target, labelled=labelled)
        case tuple((given, targets)):
            features = _features(given, key=key, name=name)
            rows = Rows(features, _targets(targets, key=key, name=name), np.arange(len(features)))
        case pd.DataFrame() | np.ndarray() if target is None and not labelled:
            features = _features(value, key=key, name=name)
            rows = Rows(features, no_targets(len(features)), np.arange(len(features)))
        case pd.DataFrame():
            if target is None:
                raise RecipeError(f"{name} returned a DataFrame, and no target is declared", key=key, advice=_RETURNS)
            rows = from_table(value, target=target, key=key, name=name)
        case _:
            raise RecipeError(f"{name} returned a {_kind(value)}", key=key, advice=_RETURNS)
    checked(rows, key=key, name=name)
    if labelled and rows.targets.ndim == 2:
        raise DataError(f"{name} has no targets, and the task needs them", key=key, advice=_NO_TARGETS)
    return _without(rows, drop, name=name) if drop else rows


def _converted(value: Any, name: str) -> Any:
    """A data set of another library as a table, or as tables by split; anything else as it is."""
    datasets = sys.modules.get("datasets")  # what is one of its objects has imported it
    if datasets is not None and isinstance(value, datasets.Dataset | datasets.DatasetDict):
        from pytest_mlspec.sources import huggingface

        return huggingface.tables(value, name)
    return value


def _of_table(table: Table, *, key: str, name: str, target: str | None, labelled: bool) -> Rows:
    """The rows of a table that a source has read, with images, where it has some, as the features."""
    import numpy as np

    if labelled and target is None:
        advice = "write the column to predict"
        raise DataError(f"{name} is a table, and no target is declared", key="data.target", advice=advice)
    if table.pixels is None:
        rows = as_rows(table.frame, key=key, name=name, target=target, labelled=labelled)
        return replace(rows, origin=table.origin)
    beside = [column for column in table.frame.columns if column != target]
    if beside:
        raise DataError(
            f"{name} has columns beside its images: {', '.join(beside)}",
            key=key,
            advice="name those to read, the images and the target: `columns: [...]` beside `use`",
        )
    if target is None:
        return Rows(table.pixels, no_targets(len(table.pixels)), np.arange(len(table.pixels)), origin=table.origin)
    rows = from_table(table.frame, target=target, key=key, name=name)
    return replace(rows, features=table.pixels, origin=table.origin)


def from_table(table: pd.DataFrame, *, target: str, key: str, name: str) -> Rows:
    """Rows of a table that holds the column `target`; raises DataError where it does not."""
    import numpy as np

    columns = [str(column) for column in table.columns]
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise DataError(f"{name} has the column {twice[0]!r} twice", key=key)
    if target not in columns:
        raise DataError(f"{name} has no column {target!r}", key="data.target", advice=did_you_mean(target, columns))
    table = table.set_axis(columns, axis="columns").reset_index(drop=True)
    return Rows(
        table.drop(columns=target),
        _targets(table[target], key=key, name=name),
        np.arange(len(table)),
        target_name=target,
    )


def checked(rows: Rows, *, key: str, name: str) -> None:
    """Raises RecipeError where the parts of `rows` are of wrong types, or do not belong together."""
    import numpy as np
    import pandas as pd

    if not isinstance(rows.features, pd.DataFrame):
        _features(rows.features, key=key, name=name)
    for part in ("targets", "index"):
        values = getattr(rows, part)
        is_array = isinstance(values, np.ndarray)
        has_none = is_array and part == "targets" and values.shape[1:] == (0,)
        if not is_array or not (values.ndim == 1 or has_none):
            raise RecipeError(f"{name} has {part} that are no array [rows], but {_described(values)}", key=key)
        if len(values) != len(rows.features):
            raise RecipeError(f"{name} has {len(rows.features)} rows of features and {len(values)} {part}", key=key)
    if rows.index.dtype.kind not in "iu" or len(np.unique(rows.index)) != len(rows.index):
        raise RecipeError(f"{name} has an index that does not number its rows: distinct integers are needed", key=key)


def joined(parts: Sequence[Rows]) -> Rows:
    """The rows of `parts` one after the other; numbered anew where two of them have the same number."""
    import numpy as np
    import pandas as pd

    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    index = np.concatenate([part.index for part in parts])
    origin = first.origin
    if len(np.unique(index)) != len(index) or any(part.origin is not origin for part in parts):
        origin = _Joined(tuple(part.origin for part in parts), tuple(part.index for part in parts))
        index = np.arange(len(index))
    features: list[Any] = [part.features for part in parts]
    others = [part.others for part in parts if part.others is not None]
    return replace(
        first,
        features=pd.concat(features) if isinstance(first.features, pd.DataFrame) else np.concatenate(features),
        targets=np.concatenate([part.targets for part in parts]),
        index=index,
        others=pd.concat(others) if others else None,
        origin=origin,
    )


@dataclass(frozen=True)
class _Joined:
    """Where the rows of several sources stand that were numbered anew, one source after the other."""

    origins: tuple[Origin | None, ...]
    numbers: tuple[NumpyArray, ...]

    def __call__(self, number: int) -> str:
        for origin, numbers in zip(self.origins, self.numbers, strict=True):
            if number < len(numbers):
                return f"row {numbers[number]}" if origin is None else origin(int(numbers[number]))
            number -= len(numbers)
        raise IndexError(number)


def no_targets(rows: int) -> NumpyArray:
    """The targets [N, 0] of rows that have none."""
    import numpy as np

    return np.empty((rows, 0), dtype=np.float32)


def _demand_split(split: object, *, key: str, name: str) -> None:
    if split not in SPLITS:
        raise RecipeError(
            f"{name} returned a dict with the key {split!r}, and its keys are names of splits",
            key=key,
            advice=did_you_mean(str(split), SPLITS),
        )


def _without(rows: Rows, drop: Sequence[str], *, name: str) -> Rows:
    import pandas as pd

    features = rows.features
    if not isinstance(features, pd.DataFrame):
        raise DataError(f"{name} has features without column names, so none can be dropped", key="data.drop")
    for column in drop:
        if column not in features.columns:
            raise DataError(
                f"{name} has no column {column!r}", key="data.drop", advice=did_you_mean(column, features.columns)
            )
    kept = features.drop(columns=list(drop))
    return replace(rows, features=kept, others=features[list(drop)])


def _features(value: Any, *, key: str, name: str) -> Any:
    """A DataFrame with text as column names, or an array of numbers with at least two axes."""
    import numpy as np
    import pandas as pd

    if isinstance(value, pd.DataFrame):
        return value.set_axis([str(column) for column in value.columns], axis="columns").reset_index(drop=True)
    try:
        features = np.asarray(value)
    except (TypeError, ValueError) as error:  # rows of different lengths
        raise RecipeError(f"{name} has features that are no array: {error}", key=key) from None
    if features.ndim < 2 or features.dtype.kind not in "fiub":
        raise RecipeError(
            f"{name} has features that are {_described(features)}",
            key=key,
            advice="an array of numbers [rows, …], or a DataFrame",
        )
    return features


def _targets(value: Any, *, key: str, name: str) -> NumpyArray:
    import numpy as np
    import pandas as pd

    if isinstance(value, pd.DataFrame) and value.shape[1] == 1:
        value = value.iloc[:, 0]
    if isinstance(value, pd.Series):
        is_plain = isinstance(value.dtype, np.dtype) and value.dtype.kind in "fiub"
        value = value.to_numpy() if is_plain else value.to_numpy(dtype=object)
    targets: NumpyArray = np.asarray(value)
    if targets.ndim == 2 and targets.shape[1] == 1:
        targets = targets[:, 0]
    if targets.ndim != 1:
        raise RecipeError(
            f"{name} has targets that are {_described(targets)}", key=key, advice="one target a row: an array [rows]"
        )
    return targets


def _kind(value: Any) -> str:
    return f"tuple of {len(value)}" if isinstance(value, tuple) else type(value).__name__


def _described(value: Any) -> str:
    shape = getattr(value, "shape", None)
    return f"a {type(value).__name__}" if shape is None else f"an array {list(shape)} of {value.dtype}"
