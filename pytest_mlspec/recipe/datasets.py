"""The team's torch `Dataset`: rows that are read one by one when they are needed, and never lie in memory as a whole.

A `load` may return a map-style Dataset of (inputs, target), a DataLoader around one, or these by split. What is read when:
the job that prepares data reads every item once, for its target and a fingerprint of its inputs, so splits, classes, equal
rows and the digest are those of the content; a training and an evaluation read the items of each batch again. Items go to the
model as they are: `prepare` has nothing to fit on. Whatever an item draws from the global generators is a function of
(seed, epoch, row) in training, and of the row alone elsewhere.

Shape letters: N rows.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_mlspec.errors import DataError, RecipeError
from pytest_mlspec.language.spec import Spec, Training
from pytest_mlspec.quantities import SPLITS
from pytest_mlspec.recipe.calls import call_user
from pytest_mlspec.recipe.protocol import Examples, Rows

if TYPE_CHECKING:
    from torch.utils.data import DataLoader

    from pytest_mlspec.recipe.protocol import Prepared

INPUTS = "rows of the Dataset"
"""The one input of examples that stand in a Dataset: [N, 3, int64], its number, the row in it and its fingerprint."""

_COLUMNS = ["number of the Dataset", "row of the Dataset"]
_RETURN = "return tensors: (inputs, target) for each row, inputs one tensor or several by name"


@dataclass(frozen=True)
class Datasets:
    """The opened Datasets of a loader: by split, or one under the empty name. `collate` makes a batch of a list of items."""

    name: str
    key: str
    by_split: Mapping[str, Any]
    collate: Callable[[list[Any]], Any]
    target: str | None = None

    def item(self, number: int, row: int) -> tuple[Any, Any]:
        """The inputs and the target of one row; raises UserCodeError with the row for what the team's code raises."""
        split, dataset = self._dataset(number)
        where = f"row {row} of {self.name}{f', split {split!r}' if split else ''}"
        found = call_user(dataset.__getitem__, row, key=self.key, name=where)
        match found:
            case Mapping() if self.target is not None and self.target in found:
                inputs: Any = {name: value for name, value in found.items() if name != self.target}
                return _checked(inputs, where, self.key), found[self.target]
            case (inputs, target) if self.target is None:
                return _checked(inputs, where, self.key), target
        names = f"a mapping of {', '.join(map(str, found))}" if isinstance(found, Mapping) else f"a {_kind(found)}"
        advice = f"{_RETURN}; of a mapping, `data.target` names the target" if self.target is None else _RETURN
        raise RecipeError(f"{where} is {names}", key=self.key, advice=advice)

    def batch(self, items: list[tuple[Any, Any]]) -> Any:
        """The items as one batch, by the team's `collate_fn` where its DataLoader has one."""
        return call_user(self.collate, items, key=self.key, name=f"collate_fn of {self.name}")

    def rows(self) -> Rows | dict[str, Rows]:
        """The rows of each Dataset; reads every item once.

        Raises DataError that names a row with NaN or infinity, and RecipeError for one that makes no batch with the others.
        """
        read = {split: self._read(number) for number, split in enumerate(self.by_split)}
        alone = read.get("")
        return read if alone is None else alone

    def _read(self, number: int) -> Rows:
        import numpy as np
        import pandas as pd
        from torch.utils.data import default_collate

        from pytest_mlspec.training.loader import Draws
        from pytest_mlspec.training.seeding import kept_generators

        _, dataset = self._dataset(number)
        count = call_user(dataset.__len__, key=self.key, name=f"the length of {self.name}")
        targets, fingerprints = [], np.empty((count, 1), dtype=np.int64)
        shapes: dict[str, list[int]] = {}
        draws = Draws()
        with kept_generators():
            for row in range(count):
                draws.begin(row)
                inputs, target = self.item(number, row)
                targets.append(target.item() if hasattr(target, "item") else target)
                fingerprints[row] = _fingerprint(inputs)
                shapes = shapes or _shapes(inputs)
                if self.collate is default_collate and _shapes(inputs) != shapes:
                    raise RecipeError(
                        f"row {row} of {self.name} has inputs {_told(_shapes(inputs))}, and row 0 {_told(shapes)}",
                        key=self.key,
                        advice="give every row one shape, or return a DataLoader with a collate_fn that pads",
                    )
        places = pd.DataFrame({_COLUMNS[0]: number, _COLUMNS[1]: np.arange(count)})
        return Rows(fingerprints, np.asarray(targets), np.arange(count), others=places)

    def _dataset(self, number: int) -> tuple[str, Any]:
        return list(self.by_split.items())[number]


def is_one(value: Any) -> bool:
    """True for a Dataset, a DataLoader, or a mapping of them by split."""
    data = sys.modules.get("torch.utils.data")
    if data is None:  # nobody can have made one
        return False
    parts = list(value.values()) if isinstance(value, Mapping) else [value]
    return bool(parts) and all(isinstance(part, (data.Dataset, data.DataLoader)) for part in parts)


def read_once(value: Any, spec: Spec, *, key: str, name: str) -> Any:
    """What a loader called `name` returned; of Datasets the rows, each item read once."""
    return datasets_of(lambda: value, spec, key=key, name=name).rows() if is_one(value) else value


def datasets_of(load: Callable[[], Any], spec: Spec, *, key: str, name: str) -> Datasets:
    """The Datasets that `load` returns, opened as the spec has it."""
    target = spec.data.target if spec.data else None
    return opened(load(), key=key, name=name, target=target, training=spec.train)


def opened(value: Any, *, key: str, name: str, target: str | None, training: Training) -> Datasets:
    """The Datasets in what a loader called `name` returned; no item is read.

    Raises RecipeError for a Dataset without rows by number, and for a DataLoader that contradicts the spec.
    """
    import torch
    from torch.utils.data import DataLoader, default_collate

    by_split: dict[str, Any] = {}
    collate: Callable[[list[Any]], Any] = default_collate
    parts: Mapping[str, Any] = value if isinstance(value, Mapping) else {"": value}
    for split, part in parts.items():
        if split and split not in SPLITS:
            raise RecipeError(f"{name} returned the split {split!r}", key=key, advice=f"splits: {', '.join(SPLITS)}")
        if isinstance(part, DataLoader):
            _demand_agreement(part, training, key=key, name=name, trained=split in ("", "train"))
            if split in ("", "train"):
                collate = part.collate_fn
        dataset = part.dataset if isinstance(part, DataLoader) else part
        if isinstance(dataset, torch.utils.data.IterableDataset) or not hasattr(dataset, "__len__"):
            raise RecipeError(
                f"{name} gives a {_kind(dataset)}, whose rows have no numbers: no split, shuffle or resume could name one",
                key=key,
                advice="give a map-style Dataset, with __len__ and __getitem__",
            )
        by_split[split] = dataset
    if "" not in by_split and "train" not in by_split:
        raise RecipeError(f"{name} returned no split called 'train'", key=key, advice=f"splits: {', '.join(SPLITS)}")
    return Datasets(name, key, by_split, collate, target)


def with_datasets(points: Mapping[str, Callable[..., Any]], spec: Spec, given: frozenset[str]) -> dict[str, Any]:
    """The points of a recipe, so that rows of a Dataset pass them as numbers; `given` are those of the team."""
    fit_prepare, prepare, build_model = (points.get(name) for name in ("fit_prepare", "prepare", "build_model"))
    assert fit_prepare is not None, "every recipe has a fit_prepare"
    assert prepare is not None, "every recipe has a prepare"
    is_declared = spec.data is not None and "prepare" in spec.data.model_fields_set
    has_steps = is_declared and any(step.use != "none" for step in spec.data.prepare) if spec.data else False

    def fit(rows: Rows) -> Any:
        if not rows_stand_in_a_dataset(rows):
            return fit_prepare(rows)
        if has_steps or given & {"fit_prepare", "prepare"}:
            raise RecipeError(
                "the rows stand in a Dataset, whose items enter the model as they are",
                key="data.prepare" if has_steps else "recipe.prepare",
                advice="prepare each item in the Dataset, or let load return arrays",
            )
        if spec.train.engine.use != "torch":
            raise RecipeError(
                f"the engine {spec.train.engine.use} fits arrays, and the rows stand in a Dataset", key="data.source"
            )
        return None

    def numbered(rows: Rows, fitted: Any) -> Examples:
        if not rows_stand_in_a_dataset(rows):
            found: Examples = prepare(rows, fitted)
            return found
        import numpy as np

        assert rows.others is not None, "rows of a Dataset tell where they stand"
        places = rows.others[_COLUMNS].to_numpy(dtype=np.int64)
        return Examples({INPUTS: np.concatenate([places, rows.features], axis=1)}, rows.targets, rows.index)

    wrapped: dict[str, Any] = {**points, "fit_prepare": fit, "prepare": numbered}
    if build_model is not None and "build_model" not in given:

        def build(prepared: Prepared) -> Any:
            if stand_in_a_dataset(prepared.splits["train"]):
                raise RecipeError(
                    "a model by name takes its sizes from arrays, and the rows stand in a Dataset",
                    key="model",
                    advice="name your own model: package.module:Class",
                )
            return build_model(prepared)

        wrapped["build_model"] = build
    return wrapped


def stand_in_a_dataset(examples: Examples) -> bool:
    """True where `examples` hold the numbers of rows in a Dataset."""
    return isinstance(examples.inputs, Mapping) and INPUTS in examples.inputs


def rows_stand_in_a_dataset(rows: Rows) -> bool:
    """True where `rows` are those of a Dataset, which stand there alone."""
    return rows.others is not None and set(_COLUMNS) <= set(rows.others.columns)


def _demand_agreement(loader: DataLoader[Any], training: Training, *, key: str, name: str, trained: bool) -> None:
    """Raises where a DataLoader asks for what the spec declares otherwise, or for what only the spec can give."""
    from torch.utils.data import BatchSampler, RandomSampler, SequentialSampler

    is_random = type(loader.sampler) is RandomSampler and not loader.sampler.replacement
    if type(loader.batch_sampler) is not BatchSampler or not (is_random or type(loader.sampler) is SequentialSampler):
        raise RecipeError(
            f"the DataLoader of {name} has a sampler of its own, and the order of rows is the spec's",
            key=key,
            advice="leave it out; `train.sampler: balanced` draws each class as often",
        )
    if loader.worker_init_fn is not None:
        raise RecipeError(
            f"the DataLoader of {name} has a worker_init_fn, and rows are seeded one by one",
            key=key,
            advice="leave it out: Python's, NumPy's and torch's generators are seeded for each row",
        )
    if not trained:
        return
    declared = {
        "batch_size": (loader.batch_size, training.batch_size),
        "drop_last": (loader.drop_last, training.drop_last),
        "workers": (loader.num_workers, training.workers),
        "shuffle": (is_random, training.shuffle),
    }
    for option, (found, expected) in declared.items():
        if found != expected:
            raise RecipeError(
                f"the DataLoader of {name} has {option} {_as_written(found)}, and the spec {_as_written(expected)}",
                key=f"train.{option}",
                advice=f"write train.{option}: {_as_written(found)}, or return the Dataset alone",
            )


def _checked(inputs: Any, where: str, key: str) -> Any:
    """The inputs of an item as tensors: arrays and numbers become such, in single precision where they are in double."""
    if isinstance(inputs, Mapping):
        return {str(name): _as_tensor(value, where, key) for name, value in inputs.items()}
    return _as_tensor(inputs, where, key)


def _as_tensor(value: Any, where: str, key: str) -> Any:
    import numpy as np
    import torch

    if isinstance(value, np.ndarray | np.number | int | float) and np.asarray(value).dtype.kind in "biuf":
        value = torch.as_tensor(np.asarray(value))
    if not isinstance(value, torch.Tensor):
        raise RecipeError(f"{where} has inputs that are a {_kind(value)}", key=key, advice=_RETURN)
    if value.is_floating_point() and not bool(value.isfinite().all()):
        raise DataError(f"{where} holds NaN or infinity", key=key, advice="repair the row, or leave it out")
    return value.float() if value.dtype == torch.float64 else value


def _shapes(inputs: Any) -> dict[str, list[int]]:
    """The shape of each tensor of an item by name; the empty name where there is one tensor."""
    return {name: list(tensor.shape) for name, tensor in _by_name(inputs).items()}


def _told(shapes: Mapping[str, list[int]]) -> str:
    return ", ".join(f"{name} {shape}".lstrip() for name, shape in shapes.items())


def _by_name(inputs: Any) -> Mapping[str, Any]:
    return inputs if isinstance(inputs, Mapping) else {"": inputs}


def _fingerprint(inputs: Any) -> int:
    """64 bits of the SHA-256 over names, types, shapes and bytes: equal for equal inputs."""
    digest = hashlib.sha256()
    for name, tensor in _by_name(inputs).items():
        digest.update(repr((name, str(tensor.dtype), tuple(tensor.shape))).encode())
        digest.update(tensor.detach().contiguous().numpy().tobytes())
    return int.from_bytes(digest.digest()[:8], "big", signed=True)


def _as_written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _kind(value: Any) -> str:
    return f"tuple of {len(value)}" if isinstance(value, tuple) else type(value).__name__
