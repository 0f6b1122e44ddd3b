"""`Prepare`: the data loaded, split and prepared; the profile counts what stands in the raw rows and what reaches the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from pytest_mlspec.errors import DataError, NotApplicableError, RecipeError
from pytest_mlspec.evidence import DataProfile, SplitProfile
from pytest_mlspec.jobs import Prepare
from pytest_mlspec.language.spec import Split
from pytest_mlspec.language.task import TASKS
from pytest_mlspec.probes.copies import Pairs, near_rows, row_numbers, shared_rows
from pytest_mlspec.probes.counts import (
    constant_columns,
    filled_columns,
    identifying_columns,
    mixed_columns,
    row_names,
    split_profile,
)
from pytest_mlspec.probes.crossing import what_crosses
from pytest_mlspec.probes.input_summaries import input_summaries, raw_numbers
from pytest_mlspec.probes.label_noise import contradicted
from pytest_mlspec.probes.leaks import find_leaks
from pytest_mlspec.probes.sequence_lengths import shortened
from pytest_mlspec.probes.table import table_of
from pytest_mlspec.recipe.columns import names_of
from pytest_mlspec.recipe.packing import to_arrays
from pytest_mlspec.recipe.preparation import Loaded, as_examples, prepare_all
from pytest_mlspec.recipe.prepare.kept import keep_preparation
from pytest_mlspec.recipe.protocol import Prepared, Recipe, Rows
from pytest_mlspec.recipe.transform import Fitted
from pytest_mlspec.recipe.work import Result, Work

# Above so many raw values no columns are looked at one by one, nor near copies: images and long texts as arrays.
_MOST_VALUES = 20_000_000
# Rows that are prepared with the targets of others, to see that they go by them.
_FEW = 256


def profile_data(job: Prepare, work: Work) -> Result:
    """The profile of the data, with the prepared examples as its arrays."""
    recipe = work.recipe
    if job.shuffled:
        return _shuffled(job, work)
    came_as: list[type[Any]] = []

    def load() -> Rows | Mapping[str, Rows]:
        found = recipe.load()
        came_as.append(type(found))
        return found

    loaded = prepare_all(replace(recipe, load=load), fold=job.fold)
    rows, prepared = loaded.rows, loaded.prepared
    supervised = TASKS[recipe.task].supervised
    numbers = row_numbers(rows)
    columns = loaded.fitted.columns if isinstance(loaded.fitted, Fitted) else ()
    splits = {
        split: split_profile(
            part,
            prepared.splits[split],
            columns=columns,
            classes=prepared.classes,
            numbers=numbers[split],
            supervised=supervised,
        )
        for split, part in rows.items()
    }
    shared, examples = shared_rows(numbers)
    features = len(names_of(rows["train"].features))
    look_closely = sum(map(len, rows.values())) * features <= _MOST_VALUES
    table = table_of({split: part.features for split, part in rows.items()}) if look_closely else None
    near, near_examples = near_rows(table, numbers) if table else ({}, {})
    crossed = what_crosses(rows, work.spec.data.split if work.spec.data else Split())
    reached = any(profile.prepared_nonfinite for profile in splits.values())
    make_estimator = recipe.build_model if work.spec.train.engine.use == "sklearn" else None
    profile = DataProfile(
        splits=splits,
        shared=shared,
        features=features,
        digest=prepared.digest,
        shared_examples=_named(examples, rows),
        near=near,
        near_examples=_named(near_examples, rows),
        split_by=crossed.by,
        split_column=crossed.column,
        crossing=crossed.counts,
        crossing_examples=crossed.examples,
        target=rows["train"].target_name,
        # asked only where something is missing: what a pipeline of the user does with it is seen by fitting its first steps
        accepts_nulls=reached and make_estimator is not None and _accepts_nulls(make_estimator(prepared), prepared),
        leaks=find_leaks(loaded, prepared="prepare" in recipe.given) if supervised else None,
        mixed=mixed_columns(table, rows) if table else {},
        constant=constant_columns(table) if table else (),
        identifiers=identifying_columns(table) if table else (),
        filled=filled_columns(table) if table else {},
        one_pool=came_as == [Rows],
        shortened=shortened(rows, prepared.splits) if look_closely else (),
        contradicted=contradicted(prepared, rows["train"]) if supervised else None,
        inputs=input_summaries(prepared.splits["train"]),
        raw_numbers=raw_numbers(rows["train"]) if look_closely else 0,
    )
    return Result(profile, to_arrays(keep_preparation(loaded, work.folder)))


def _shuffled(job: Prepare, work: Work) -> Result:
    """Examples whose targets were shuffled: what else stands in the data is told of the true ones.

    Raises NotApplicableError where there are none to shuffle, and where `prepare` makes its own.
    """
    if not TASKS[work.recipe.task].supervised:
        raise NotApplicableError(f"the task {work.recipe.task} learns from no target that could be shuffled")
    try:
        loaded = prepare_all(work.recipe, fold=job.fold, shuffled=True)
    except (DataError, RecipeError) as error:  # true targets may have a meaning that others lack
        raise NotApplicableError(f"rows with the targets of others cannot be prepared: {error.message}") from error
    if "prepare" in work.recipe.given and not _takes_targets(work.recipe, loaded):
        raise NotApplicableError("prepare makes the targets of what stands in the features: they cannot be shuffled")
    prepared = loaded.prepared
    profile = DataProfile(
        splits={split: SplitProfile(rows=len(examples)) for split, examples in prepared.splits.items()},
        shared={},
        features=len(names_of(loaded.rows["train"].features)),
        digest=prepared.digest,
    )
    return Result(profile, to_arrays(prepared))


def _takes_targets(recipe: Recipe, loaded: Loaded) -> bool:
    """Whether `prepare` gives other targets for rows with other targets."""
    rows = loaded.rows["train"]
    few = rows.take(np.arange(min(len(rows), _FEW)))
    other = replace(few, targets=few.targets[::-1])
    found, before = (as_examples(recipe.prepare(part, loaded.fitted), part, "train").targets for part in (other, few))
    same = np.array_equal(few.targets, other.targets)
    return same or not np.array_equal(found, before)


def _named(pairs: Pairs, rows: Mapping[str, Rows]) -> dict[str, tuple[tuple[str, str], ...]]:
    """What messages call the rows of `pairs`; pairs of splits without any left out."""
    named: dict[str, tuple[tuple[str, str], ...]] = {}
    for pair, positions in pairs.items():
        first, second = (rows[name] for name in pair.split("/"))
        if positions:
            ones, others = zip(*positions, strict=True)
            named[pair] = tuple(zip(row_names(first, ones), row_names(second, others), strict=True))
    return named


def _accepts_nulls(estimator: Any, prepared: Prepared) -> bool:
    """Whether the estimator handles missing values: its tag, or for a pipeline that of its last step on what reaches it."""
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
