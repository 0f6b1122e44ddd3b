"""The extension points of a training pipeline, and the values that pass between them.

A recipe is made from the spec (`built.py`); what the team's own code gives replaces points by name (`taken.py`). Each point
is a plain function:

    load() -> Rows                               every row, or {split name: Rows} where the source is split already;
                                                 or a torch Dataset, whose items are read when needed (`datasets.py`)
    split(rows) -> {name: Rows}                  train, val, test
    fit_prepare(train_rows) -> Fitted            anything; it sees the training rows alone
    prepare(rows, fitted) -> Examples            what enters the model
    collate(examples) -> Batch                   tensors of one batch, on the CPU
    build_model() -> nn.Module                   (or an estimator, for the engine sklearn)
    loss(outputs, batch) -> scalar tensor        mean over rows
    optimizer(model) -> Optimizer
    schedule(optimizer, steps) -> LRScheduler    stepped once for each optimiser step
    training_step(state, batch) -> loss          may own zero_grad, backward and step; all of them or none
    fit(examples, *, seed) -> fitted             the engine callable: the team's whole loop; examples by split
    predict(fitted, inputs) -> array             the engine callable: probabilities [N, C] or values [N]
    evaluate(state, examples) -> {metric: value} the team's metrics of one split; of what `fit` returned, for the engine
                                                 callable. Engine torch logs those of the validation split as `val.NAME`
    save(state, directory)                       engine torch: writes what `restore` needs; again into the same directory
    restore(state, directory)                    later. Both put back model, optimizer, schedule, scaler, average, and the
                                                 counts state.step and state.epoch; the loop keeps its own position,
                                                 history, early stop and the global generators beside them
    export(model, directory)                     writes model.onnx, model.pt2, … (`exports/`); a module is in training mode
    predict(trained, rows) -> outputs            every other engine: the serving path, from raw rows (`serving.py`)
    encode(model, texts) -> array [N, D]         the embeddings of texts, for tasks of MTEB

Shape letters: N rows, F features, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from pytest_mlspec.recipe.datasets import Datasets
    from pytest_mlspec.training.augment import Change

NumpyArray: TypeAlias = "np.ndarray[Any, Any]"
Inputs: TypeAlias = "np.ndarray[Any, Any] | Mapping[str, np.ndarray[Any, Any]]"
"""What enters a model: one array [N, …], or several by name."""

Origin: TypeAlias = Callable[[int], str]
"""Where the row with a number stands, as a message shows it: a file with its line where it has lines."""

POINTS = (
    "load",
    "split",
    "fit_prepare",
    "prepare",
    "collate",
    "build_model",
    "loss",
    "optimizer",
    "schedule",
    "training_step",
    "fit",
    "predict",
    "export",
    "encode",
    "evaluate",
    "save",
    "restore",
)


@dataclass(frozen=True)
class Rows:
    """Raw rows, as they were read.

    `features` is a DataFrame [N, F] or an array [N, …]; `targets` [N] holds labels or values as they stand in the source,
    and is [N, 0] where there are none; `index` [N] numbers the rows within the source, so that a message can name one.
    `others` are the columns that `data.drop` takes from the features: a split and a slice may still go by them.
    `target_name` is what messages call the target.
    `origin` tells where the row with a number stands, such as `data/churn.csv:17`, for rows that were read from files.
    """

    features: pd.DataFrame | NumpyArray
    targets: NumpyArray
    index: NumpyArray
    others: pd.DataFrame | None = None
    target_name: str = "target"
    origin: Origin | None = None

    def __len__(self) -> int:
        return len(self.index)

    def take(self, positions: NumpyArray) -> Rows:
        """The rows at `positions` [M], in that order."""
        import pandas as pd

        features = self.features
        taken = features.iloc[positions] if isinstance(features, pd.DataFrame) else features[positions]
        others = None if self.others is None else self.others.iloc[positions]
        return replace(
            self, features=taken, targets=self.targets[positions], index=self.index[positions], others=others
        )

    def place(self, position: int) -> str:
        """What a message calls the row at `position`: its file and line, or its number within the source."""
        number = int(self.index[position])
        return f"row {number}" if self.origin is None else self.origin(number)


@dataclass(frozen=True)
class Examples:
    """What enters the model.

    `inputs` is an array [N, …] or several by name; `targets` [N] holds class numbers (int64) or values (float32), or what
    `unsupervised.py` puts in the place of a target; `index` [N] numbers the rows as in `Rows`. What `prepare` returns may
    hold the targets as they stand in the rows: they become numbers afterwards, when the labels of every split are known.
    `notes` tell what was done to some of the rows alone, such as a text that was cut.
    """

    inputs: Inputs
    targets: NumpyArray
    index: NumpyArray
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.index)

    def take(self, positions: NumpyArray) -> Examples:
        """The examples at `positions` [M], in that order."""
        inputs = self.inputs
        taken = (
            {name: array[positions] for name, array in inputs.items()}
            if isinstance(inputs, Mapping)
            else inputs[positions]
        )
        return Examples(taken, self.targets[positions], self.index[positions])


@dataclass(frozen=True)
class Prepared:
    """The examples of each split, and what is known of the task.

    `classes` holds the labels as text in the order of their numbers (empty for a regression); `digest` is the SHA-256 of
    all examples. `vocabularies` holds, for each input of ids by name (empty for a single array), how many ids there are:
    one number for texts [N, L], one for each column of categories [N, K]. `notes` are those of the examples, with their split.
    """

    splits: Mapping[str, Examples]
    classes: tuple[str, ...]
    digest: str
    vocabularies: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trained:
    """What a serving path is given: a trained model, and what production has beside it.

    `model` is in evaluation mode: an nn.Module, an estimator, an encoder. `fitted` is the preparation: what `data.prepare`
    fitted, read from its files (`fitted.inputs(rows)`), or what the recipe's own `fit_prepare` returned. `classes` are the
    labels as text in the order of the model's outputs, empty for values. `folder` is the team's own to write its artefacts
    to, and to load them from; it is empty at first and lasts as long as the measurement.
    """

    model: Any
    fitted: Any
    classes: tuple[str, ...]
    folder: Path


@dataclass(frozen=True)
class Recipe:
    """A pipeline, complete for its engine: every point that the engine needs is set.

    `given` names the points that the team's own code supplies; what is not in it is built from the spec. `task` is one of
    `language/task.py`. `loss_floor` is the lowest value that the loss can take; `fold` gives the splits of one fold.
    `datasets` opens the Datasets of a `load` that returns such; `augment` changes the images of a training batch. `labels`
    is called with the targets of a batch and the numbers of its rows, and raises for what the loss cannot take. `predict`
    takes what the table above says for its engine.
    """

    task: str
    load: Callable[[], Rows | Mapping[str, Rows]]
    split: Callable[[Any], Mapping[str, Rows]]
    fit_prepare: Callable[[Rows], Any]
    prepare: Callable[[Rows, Any], Examples]
    given: frozenset[str] = field(default_factory=frozenset)
    fold: Callable[[Mapping[str, Rows], int], Mapping[str, Rows]] | None = None
    build_model: Callable[[Prepared], Any] | None = None
    collate: Callable[[Examples], Any] | None = None
    datasets: Callable[[], Datasets] | None = None
    augment: tuple[Change, ...] = ()
    labels: Callable[[Any, Any], None] | None = None
    loss: Callable[[Any, Any], Any] | None = None
    optimizer: Callable[[Any], Any] | None = None
    schedule: Callable[[Any, int], Any] | None = None
    training_step: Callable[[Any, Any], Any] | None = None
    fit: Callable[..., Any] | None = None
    predict: Callable[..., Any] | None = None
    encode: Callable[[Any, list[str]], Any] | None = None
    export: Callable[[Any, Path], Any] | None = None
    evaluate: Callable[[Any, Examples], Any] | None = None
    save: Callable[[Any, Path], Any] | None = None
    restore: Callable[[Any, Path], Any] | None = None
    loss_floor: float = 0.0
    notes: tuple[str, ...] = ()
