"""`Prepare`: the data loaded, split and prepared; the profile counts what stands in the raw rows and what reaches the model.

Shape letters: N rows, F columns.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any

from pytest_mlspec.evidence import DataProfile, SplitProfile
from pytest_mlspec.jobs import Prepare
from pytest_mlspec.recipe.columns import names_of
from pytest_mlspec.recipe.packing import to_arrays
from pytest_mlspec.recipe.preparation import Loaded, prepare_all
from pytest_mlspec.recipe.protocol import Prepared, Rows
from pytest_mlspec.recipe.transform import Fitted
from pytest_mlspec.recipe.work import Result, Work

if TYPE_CHECKING:
    from pytest_mlspec.recipe.protocol import NumpyArray

# Pairs of equal rows that are named for each pair of splits.
_EXAMPLES = 3


def profile_data(job: Prepare, work: Work) -> Result:
    """The profile of the data, with the prepared examples as its arrays."""
    recipe = work.recipe
    loaded = prepare_all(recipe)
    prepared = loaded.prepared
    numbers = row_numbers(loaded.rows)
    profiles = _profiles(loaded, numbers)
    shared, examples = _shared(loaded.rows, numbers)
    reached = any(profile.prepared_nonfinite for profile in profiles.values())
    make_estimator = recipe.build_model if work.spec.train.engine == "sklearn" else None
    train = loaded.rows["train"]
    profile = DataProfile(
        splits=profiles,
        shared=shared,
        features=len(names_of(train.features)),
        digest=prepared.digest,
        shared_examples=examples,
        target=train.target_name,
        # asked only where something is missing: what a pipeline of the user does with it is seen by fitting its first steps
        accepts_nulls=reached and make_estimator is not None and _accepts_nulls(make_estimator(prepared), prepared),
    )
    return Result(profile, to_arrays(prepared))


def row_numbers(splits: Mapping[str, Rows]) -> dict[str, NumpyArray]:
    """A number for each row of each split: equal exactly where all features are, a missing value equal to another.

    Numbers are compared in the coarsest type that a split has: 0.1 in single precision is that in double.
    """
    import numpy as np
    import pandas as pd

    tables: list[Any] = [rows.features for rows in splits.values()]
    if all(isinstance(table, pd.DataFrame) for table in tables):
        whole: Any = pd.concat(tables, ignore_index=True)
        # an object of any kind counts by its text, so that lists can be compared
        columns = [
            column.map(str, na_action="ignore")
            if column.dtype == object
            else column.astype(_coarsest(table[name] for table in tables if name in table))
            if pd.api.types.is_float_dtype(column)
            else column
            for name, column in whole.items()
        ]
        values_NF = np.stack([pd.factorize(column)[0] for column in columns], axis=1)
    else:
        arrays = [np.asarray(table).reshape(len(table), -1) for table in tables]
        if any(array.dtype.kind == "f" for array in arrays):
            # adding 0.0 makes one zero of both
            arrays = [array.astype(_coarsest(arrays)).astype(np.float64) + 0.0 for array in arrays]
        values_NF = np.concatenate(arrays)
        if values_NF.dtype.kind == "f":
            values_NF[np.isnan(values_NF)] = np.nan
    rows = np.ascontiguousarray(values_NF)
    numbers, _ = pd.factorize(np.array([row.tobytes() for row in rows], dtype=object))
    ends = np.cumsum([len(part) for part in splits.values()])[:-1]
    return dict(zip(splits, np.split(numbers, ends), strict=True))


def _coarsest(columns: Iterable[Any]) -> Any:
    """The floating-point type among those of `columns` that has the fewest digits; double precision where none has one."""
    import numpy as np

    floats = [column.dtype for column in columns if isinstance(column.dtype, np.dtype) and column.dtype.kind == "f"]
    return min(floats, key=lambda dtype: dtype.itemsize, default=np.dtype(np.float64))


def _profiles(loaded: Loaded, numbers: Mapping[str, NumpyArray]) -> dict[str, SplitProfile]:
    import numpy as np

    columns = loaded.fitted.columns if isinstance(loaded.fitted, Fitted) else ()
    profiles: dict[str, SplitProfile] = {}
    for split, rows in loaded.rows.items():
        examples, classes = loaded.prepared.splits[split], loaded.prepared.classes
        nulls, infinite = _raw_counts(rows)
        counts = np.bincount(examples.targets, minlength=len(classes)) if classes else ()
        profiles[split] = SplitProfile(
            rows=len(rows),
            duplicates=len(rows) - len(np.unique(numbers[split])),
            nulls=nulls,
            infinite=infinite,
            target_nonfinite=0 if classes else int((~np.isfinite(examples.targets)).sum()),
            classes={label: int(count) for label, count in zip(classes, counts, strict=True) if count},
            prepared_nonfinite=_nonfinite(examples.inputs, columns),
        )
    return profiles


def _raw_counts(rows: Rows) -> tuple[dict[str, int], dict[str, int]]:
    """Missing and infinite values per raw column, columns without any left out."""
    import numpy as np
    import pandas as pd

    features = rows.features
    if not isinstance(features, pd.DataFrame):
        flat_NF = np.asarray(features).reshape(len(features), -1)
        names = names_of(features)
        return _counted(np.isnan(flat_NF), names), _counted(np.isinf(flat_NF), names)
    nulls = {str(name): int(features[name].isna().sum()) for name in features}
    floats = [name for name in features if pd.api.types.is_float_dtype(features[name])]
    infinite = {str(name): int(np.isinf(features[name].to_numpy(np.float64, na_value=0.0)).sum()) for name in floats}
    return {name: count for name, count in nulls.items() if count}, {name: n for name, n in infinite.items() if n}


def _nonfinite(inputs: Any, columns: tuple[str, ...]) -> dict[str, int]:
    """Values that are not finite per prepared column, columns without any left out."""
    import numpy as np
    import pandas as pd

    found: dict[str, int] = {}
    by_name: Mapping[str, Any] = inputs if isinstance(inputs, Mapping) else {"": inputs}
    for name, values in by_name.items():
        width = math.prod(values.shape[1:])
        bad_NF = (pd.isna(values) if values.dtype == object else ~np.isfinite(values)).reshape(len(values), width)
        if name:
            positions = [name] if values.ndim == 1 else [f"{name}[{position}]" for position in names_of(values)]
        else:
            positions = list(columns) if len(columns) == width else names_of(values)
        found |= _counted(bad_NF, positions)
    return found


def _counted(bad_NF: NumpyArray, names: list[str]) -> dict[str, int]:
    return {name: int(count) for name, count in zip(names, bad_NF.sum(axis=0), strict=True) if count}


def _shared(
    splits: Mapping[str, Rows], numbers: Mapping[str, NumpyArray]
) -> tuple[dict[str, int], dict[str, tuple[tuple[int, int], ...]]]:
    """The distinct rows in both splits of each pair, and the numbers of a few of them."""
    import numpy as np

    shared: dict[str, int] = {}
    examples: dict[str, tuple[tuple[int, int], ...]] = {}
    for first, second in combinations(splits, 2):
        _, at_first, at_second = np.intersect1d(numbers[first], numbers[second], return_indices=True)
        shared[f"{first}/{second}"] = len(at_first)
        pairs = zip(splits[first].index[at_first], splits[second].index[at_second], strict=True)
        if len(at_first):
            examples[f"{first}/{second}"] = tuple((int(one), int(other)) for one, other in list(pairs)[:_EXAMPLES])
    return shared, examples


def _accepts_nulls(estimator: Any, prepared: Prepared) -> bool:
    """Whether the estimator handles missing values: its tag, or for a pipeline that of its last step on what reaches it."""
    import numpy as np
    import pandas as pd
    from sklearn.pipeline import Pipeline
    from sklearn.utils import get_tags

    if not isinstance(estimator, Pipeline):
        return bool(get_tags(estimator).input_tags.allow_nan)
    if bool(get_tags(estimator[-1]).input_tags.allow_nan):
        return True
    if len(estimator) == 1:
        return False
    train = prepared.splits["train"]
    inputs = pd.DataFrame(dict(train.inputs)) if isinstance(train.inputs, Mapping) else train.inputs
    try:
        reaching = estimator[:-1].fit_transform(inputs, train.targets)
    except (TypeError, ValueError):  # a step that refuses them: so does the training, with its own message
        return False
    reaching = reaching.toarray() if hasattr(reaching, "toarray") else np.asarray(reaching)
    return reaching.dtype.kind in "fiub" and bool(np.isfinite(reaching).all())
