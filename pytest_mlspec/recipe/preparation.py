"""The data of a recipe, from load to what enters the model.

Shape letters: N rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_mlspec.errors import DataError, RecipeError
from pytest_mlspec.language.task import TASKS
from pytest_mlspec.quantities import CLASSIFICATION
from pytest_mlspec.recipe.packing import NUMBERS, by_name, digest_of
from pytest_mlspec.recipe.prepare.inputs import checked_vocabularies
from pytest_mlspec.recipe.protocol import Examples, Prepared, Recipe, Rows
from pytest_mlspec.recipe.shuffling import with_shuffled_targets
from pytest_mlspec.recipe.targets import Labels, as_values, find_labels
from pytest_mlspec.recipe.transform import Fitted
from pytest_mlspec.recipe.unsupervised import with_own_targets, without_targets

if TYPE_CHECKING:
    from pytest_mlspec.recipe.protocol import NumpyArray


@dataclass(frozen=True)
class Loaded:
    """The raw rows of each split, what `fit_prepare` made of those for training, and the prepared examples."""

    rows: Mapping[str, Rows]
    fitted: Any
    prepared: Prepared


def load_rows(recipe: Recipe, *, fold: int | None = None, shuffled: bool = False) -> Mapping[str, Rows]:
    """The raw rows of each split, or those of one fold; raises DataError where one is empty.

    With `shuffled` every row has the target of another one, since before the split.
    """
    loaded = recipe.load()
    return rows_of(recipe, with_shuffled_targets(loaded) if shuffled else loaded, fold=fold)


def rows_of(recipe: Recipe, loaded: Rows | Mapping[str, Rows], *, fold: int | None = None) -> Mapping[str, Rows]:
    """The rows of each split, or those of one fold, of what was loaded; raises DataError where one is empty."""
    own = "split" in recipe.given  # the team's own split sees rows alone
    splits = loaded if own and not isinstance(loaded, Rows) else recipe.split(loaded)
    if fold is not None:
        assert recipe.fold is not None, "a spec with folds builds them"
        splits = recipe.fold(splits, fold)
    for name, rows in splits.items():
        if not len(rows):
            raise DataError(f"0 rows in split {name}", key="data.split")
    return splits


def seen_by_fit(recipe: Recipe, rows: Rows) -> Rows:
    """`rows` as a fit may see them: without targets, where the task learns from none."""
    return rows if TASKS[recipe.task].supervised else without_targets(rows)


def prepare_all(recipe: Recipe, *, fold: int | None = None, shuffled: bool = False) -> Loaded:
    """Loads, splits, fits on the training rows and prepares every split; `fold` is one of the cross-validation.

    With `shuffled` the targets are those of other rows.

    Raises DataError where the content cannot be used, RecipeError where the team's functions return what does not fit.
    """
    rows = load_rows(recipe, fold=fold, shuffled=shuffled)
    supervised = TASKS[recipe.task].supervised
    labels = find_labels(rows, recipe.task) if recipe.task in CLASSIFICATION else None
    values = {name: as_values(part, name) for name, part in rows.items()} if supervised and labels is None else {}
    visible = {name: seen_by_fit(recipe, part) for name, part in rows.items()}
    fitted = recipe.fit_prepare(visible["train"])
    found = {name: as_examples(recipe.prepare(part, fitted), part, name) for name, part in visible.items()}
    _demand_same_form(found)
    classes: tuple[str, ...] = ()
    if not supervised:
        examples = with_own_targets(found, rows, recipe.task)
    elif labels is not None:
        examples, classes = _with_classes(found, rows, labels)
    else:
        examples = {name: _with_values(part, rows[name], values[name], name) for name, part in found.items()}
    declared = fitted.vocabularies if isinstance(fitted, Fitted) else {}
    vocabularies = checked_vocabularies([by_name(part.inputs) for part in examples.values()], declared)
    notes = tuple(f"{split}: {note}" for split, part in found.items() for note in part.notes)
    return Loaded(rows, fitted, Prepared(examples, classes, digest_of(examples, classes), vocabularies, notes))


def as_examples(found: Any, rows: Rows, split: str) -> Examples:
    """What `prepare` returned for the rows of a split, checked: as many rows, in their order."""
    import numpy as np

    key = "recipe.prepare"
    match found:
        case Examples():
            examples = found
        case tuple((given, targets)):
            examples = Examples(given, np.asarray(targets), rows.index)
        case _:
            raise RecipeError(
                f"prepare returned a {type(found).__name__}", key=key, advice="return (inputs, targets), or Examples"
            )
    inputs = {
        name: _checked_inputs(values, f"prepare, split {split}, {name or 'inputs'}:", len(rows))
        for name, values in by_name(examples.inputs).items()
    }
    if len(examples.targets) != len(rows):
        raise RecipeError(f"prepare made {len(examples.targets)} targets of {len(rows)} rows of split {split}", key=key)
    if not np.array_equal(examples.index, rows.index):
        raise RecipeError(f"prepare returned the rows of split {split} in another order, or others", key=key)
    is_named = isinstance(examples.inputs, Mapping)
    return Examples(inputs if is_named else inputs[""], np.asarray(examples.targets), rows.index)


def _checked_inputs(values: Any, where: str, rows: int) -> NumpyArray:
    import numpy as np
    import pandas as pd

    array = values.to_numpy() if isinstance(values, pd.DataFrame) else np.asarray(values)
    is_text = array.dtype == object and all(isinstance(value, str) or pd.isna(value) for value in array.flat)
    if array.dtype.kind not in NUMBERS and not is_text:
        raise RecipeError(f"{where} an array of {array.dtype}", key="recipe.prepare", advice="return numbers")
    if array.ndim < 1 or len(array) != rows:
        raise RecipeError(f"{where} {array.shape[0] if array.ndim else 0} rows made of {rows}", key="recipe.prepare")
    # Stored examples come back in C order, and a product of matrices rounds otherwise in the order of a pandas frame:
    # two trainings of which one has read stored examples would differ in the last bits.
    return np.ascontiguousarray(array)


def _demand_same_form(splits: Mapping[str, Examples]) -> None:
    """Raises where the inputs of the splits differ in names, types or the shape of a row."""
    forms = {
        split: {name: (values.dtype, values.shape[1:]) for name, values in by_name(examples.inputs).items()}
        for split, examples in splits.items()
    }
    for split, form in forms.items():
        if form != forms["train"]:
            raise RecipeError(
                f"prepare gives inputs of split {split} another form: {_form(form)}, for train {_form(forms['train'])}",
                key="recipe.prepare",
                advice="columns and types must follow from the training rows: keep them in what fit_prepare returns",
            )


def _with_classes(
    splits: Mapping[str, Examples], rows: Mapping[str, Rows], labels: Labels
) -> tuple[dict[str, Examples], tuple[str, ...]]:
    """The examples with class numbers, and the classes: those of the raw labels, or the team's own numbers."""
    import numpy as np

    raw = all(_equal(part.targets, rows[name].targets) for name, part in splits.items())
    if raw:
        numbered = {
            name: Examples(part.inputs, labels.encode(part.targets), part.index) for name, part in splits.items()
        }
        return numbered, labels.texts
    codes = np.concatenate([_class_numbers(part, name, len(labels.labels)) for name, part in splits.items()])
    of_rows = np.concatenate([labels.encode(rows[name].targets) for name in splits])
    pairs = {(int(code), int(label)) for code, label in zip(codes, of_rows, strict=True)}
    if not len(pairs) == len({code for code, _ in pairs}) == len(labels.labels):
        raise RecipeError(
            f"prepare gives {len(set(codes.tolist()))} class numbers to {len(labels.labels)} labels, not one to each",
            key="recipe.prepare",
            advice="return the targets as they stand in the rows, or join labels in load",
        )
    classes = tuple(labels.texts[label] for _, label in sorted(pairs))
    examples = {name: Examples(part.inputs, part.targets.astype(np.int64), part.index) for name, part in splits.items()}
    return examples, classes


def _class_numbers(examples: Examples, split: str, classes: int) -> NumpyArray:
    import numpy as np

    targets = examples.targets
    if targets.ndim != 1 or targets.dtype.kind not in "iub":
        raise RecipeError(
            f"prepare gives targets of {targets.dtype} with {targets.ndim} axes for split {split}",
            key="recipe.prepare",
            advice=f"return them as they stand in the rows, or as class numbers 0 … {classes - 1}",
        )
    outside = np.flatnonzero((targets < 0) | (targets >= classes))
    if len(outside):
        raise DataError(
            f"row {examples.index[outside[0]]} of split {split} has the target {targets[outside[0]]}:"
            f" allowed are 0 … {classes - 1}",
            key="recipe.prepare",
        )
    return targets


def _with_values(examples: Examples, rows: Rows, values: NumpyArray, split: str) -> Examples:
    """The examples of a regression with float32 targets: those of the rows, or what `prepare` made of them."""
    import numpy as np

    targets = examples.targets
    if _equal(targets, rows.targets):
        targets = values
    elif targets.ndim != 1 or targets.dtype.kind not in NUMBERS:
        raise RecipeError(
            f"prepare gives targets of {targets.dtype} with {targets.ndim} axes for split {split}",
            key="recipe.prepare",
        )
    return Examples(examples.inputs, targets.astype(np.float32), examples.index)


def _equal(one: NumpyArray, other: NumpyArray) -> bool:
    return one is other or (one.shape == other.shape and one.dtype == other.dtype and bool((one == other).all()))


def _form(form: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{f'{name} ' if name else ''}{dtype} [N{''.join(f', {size}' for size in shape)}]"
        for name, (dtype, shape) in form.items()
    )
