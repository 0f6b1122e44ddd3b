"""The rows of a recipe as the core walks through them: in memory, from a file in memory pages, from a Dataset or a `collate`.

    rows                           evaluation            training
    arrays                         on the device         on the device
    arrays of more than 1 GB       read in batches       read in batches, by `train.workers`
    a Dataset, or a `collate`      made in batches       made in batches, by `train.workers`

`data.augment` changes what training sees, whichever row of the table it is.

Shape letters: N rows, B rows of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pytest_mlspec.engines.outside import from_outside
from pytest_mlspec.errors import RecipeError
from pytest_mlspec.language.spec import Training
from pytest_mlspec.recipe import datasets
from pytest_mlspec.recipe.packing import by_name
from pytest_mlspec.recipe.protocol import Examples, Inputs, NumpyArray, Recipe
from pytest_mlspec.training import augment
from pytest_mlspec.training.batches import Batch, ResidentSource, Source
from pytest_mlspec.training.batches import Inputs as Tensors
from pytest_mlspec.training.loader import Draws, LoadedSource, LoadRows
from pytest_mlspec.training.seeding import kept_generators

RESIDENT_BYTES = 1_000_000_000
"""Arrays that lie in a file, mapped into memory, are copied into memory up to this size."""


def source_of(examples: Examples, recipe: Recipe, device: torch.device) -> Source:
    """`examples` as evaluation sees them."""
    load = _loader(examples, recipe)
    if load is None:
        return ResidentSource(_tensors(examples.inputs), as_tensor(examples.targets), device)
    return LoadedSource(len(examples), load, device)


@contextmanager
def training_source(
    examples: Examples, recipe: Recipe, training: Training, device: torch.device, *, seed: int
) -> Iterator[Source]:
    """`examples` as a training with `seed` sees them: loaded by workers, and changed by `data.augment`.

    Raises RecipeError for workers that would have nothing to do, and where the inputs are nothing that can be augmented.
    """
    load = _loader(examples, recipe)
    if load is None:
        if training.workers:
            raise RecipeError(
                "the rows lie in memory, so workers have nothing to load", key="train.workers", advice="remove this key"
            )
        yield _augmented(source_of(examples, recipe, device), recipe, seed)
        return
    loaded = LoadedSource(
        len(examples),
        load,
        device,
        seed=seed,
        workers=training.workers,
        timeout=training.timeout if training.workers else 0.0,
        name_row=lambda row: f"row {examples.index[row]}",
    )
    with closing(loaded):
        yield _augmented(loaded, recipe, seed)


def _augmented(source: Source, recipe: Recipe, seed: int) -> Source:
    """`source` with the changes of the recipe, which are tried on its first row."""
    if not recipe.augment:
        return source
    augmented = augment.AugmentedSource(source, recipe.augment, seed)
    with from_outside("augment", key="data.augment"):
        first = torch.zeros(1, dtype=torch.int64)
        augmented.changed(source.fetch(first), epoch=0, repeat_B=first)
    return augmented


def drawn_anew(examples: Examples, recipe: Recipe, *, draws: int) -> list[Batch]:
    """`examples` as evaluation sees them, `draws` times with other random numbers; empty where no code of the team makes rows."""
    load = _loader(examples, recipe)
    if load is None:
        return []
    with kept_generators():
        return [load(torch.arange(len(examples)), Draws(seed)) for seed in range(draws)]


def as_tensor(values: np.ndarray[Any, Any]) -> Tensor:
    """A tensor on the CPU of its own; float64 becomes float32, the type that models have."""
    if values.dtype.kind not in "biuf":
        raise RecipeError(
            f"the prepared inputs are of type {values.dtype}, which no tensor holds",
            key="data.prepare",
            advice="encode them in `prepare`, or give the recipe a `collate`",
        )
    return torch.from_numpy(np.array(values, dtype=np.float32 if values.dtype == np.float64 else values.dtype))


def _loader(examples: Examples, recipe: Recipe) -> LoadRows | None:
    """What makes batches of `examples`; None where they lie in memory and a batch is an index operation."""
    if datasets.stand_in_a_dataset(examples):
        assert recipe.datasets is not None, "rows of a Dataset come from a recipe that opens it"
        return partial(_checked, partial(_from_datasets, recipe.datasets(), examples), recipe.labels, examples.index)
    if "collate" in recipe.given and recipe.collate is not None:
        return partial(_checked, partial(_collated, recipe.collate, examples), recipe.labels, examples.index)
    if sum(values.nbytes for values in by_name(examples.inputs).values() if _is_mapped(values)) > RESIDENT_BYTES:
        return partial(_mapped, examples)
    return None


def _checked(
    load: LoadRows, labels: Callable[[Any, Any], None] | None, rows_N: NumpyArray, index: Tensor, draws: Draws
) -> Batch:
    """A batch of the team's own code, whose targets the loss can take."""
    batch = load(index, draws)
    if labels is not None and batch.targets is not None:
        labels(batch.targets, rows_N[index.numpy()])
    return batch


def _from_datasets(opened: datasets.Datasets, examples: Examples, index: Tensor, draws: Draws) -> Batch:
    assert isinstance(examples.inputs, Mapping), "rows of a Dataset stand under a name"
    targets_B = as_tensor(examples.targets[index.numpy()])
    items = []
    for position, target in zip(index.tolist(), targets_B, strict=True):
        number, row, _ = examples.inputs[datasets.INPUTS][position].tolist()
        # Evaluation knows a row by its number; in training, repeats of a row are rows of their own.
        draws.begin(position, stream=row if draws.epoch is None else position)
        items.append((opened.item(number, row)[0], target))
    return _batch(opened.batch(items), index, who="collate_fn", key=opened.key)


def _collated(collate: Callable[[Examples], Any], examples: Examples, index: Tensor, draws: Draws) -> Batch:
    draws.begin(int(index[0]))
    return _batch(collate(examples.take(index.numpy())), index, who="collate", key="recipe.collate")


def _mapped(examples: Examples, index: Tensor, draws: Draws) -> Batch:
    rows = examples.take(index.numpy())
    return Batch(_tensors(rows.inputs), as_tensor(rows.targets), index)


def _is_mapped(values: Any) -> bool:
    while values is not None and not isinstance(values, np.memmap):
        values = getattr(values, "base", None)
    return values is not None


def _tensors(inputs: Inputs) -> Tensors:
    if isinstance(inputs, Mapping):
        return {name: as_tensor(values) for name, values in inputs.items()}
    return as_tensor(inputs)


def _batch(collated: Any, index: Tensor, *, who: str, key: str) -> Batch:
    """What the team's code made of the rows `index`, as a batch of them."""
    match collated:
        case Batch():
            return replace(collated, index=index)
        case (Tensor() | dict() as inputs, Tensor() | None as targets):
            return Batch(inputs, targets, index)
    raise RecipeError(
        f"{who} returned a {type(collated).__name__}",
        key=key,
        advice="return (inputs, targets): a tensor, or tensors by name, and the targets",
    )
