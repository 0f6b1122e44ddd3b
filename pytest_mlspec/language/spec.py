"""The language that users write: pydantic models, frozen and strict, that refuse what they do not know.

These models say which keys there are, their types and defaults. Names and combinations are held against their tables in
`rules/`; `declared.py` turns a file into specs. Nothing is imported here: an import path is only text until a worker
resolves it (`recipe/resolve.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from pytest_mlspec.errors import MlspecError
from pytest_mlspec.language import units
from pytest_mlspec.language.complaints import described, needed, reading, refusal
from pytest_mlspec.language.invariances import Invariances
from pytest_mlspec.language.node import Node, Text, Texts, as_tuple

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}(\[[A-Za-z0-9._+=, -]{1,400}\])?")


Duration = Annotated[float, Field(gt=0), reading(units.seconds)]
"""Seconds, written with a unit."""

Size = Annotated[int, Field(gt=0), reading(units.size)]
"""Bytes, written with a unit."""


class Use(Node):
    """A thing by its registered name or import path, with its arguments: `adamw`, or `{use: adamw, lr: 3e-3}`."""

    use: Text
    arguments: Mapping[str, Any] = Field(default_factory=dict)

    @property
    def is_path(self) -> bool:
        """True where `use` is an import path, `module:name`."""
        return ":" in self.use


def _as_use(value: object) -> object:
    match value:
        case str():
            return {"use": value}
        case {"use": use, **arguments}:
            return {"use": use, "arguments": arguments}
        case Use():
            return value
        case dict():
            raise refusal("the key 'use' is missing", "`use` names what the other keys are arguments of")
    raise needed("a name, or a mapping with the key 'use',", value)


Usable = Annotated[Use, BeforeValidator(_as_use)]


def _with_warmup(schedule: Use) -> Use:
    """The schedule with a warm-up such as `5%` as a share; text that is none stays, for `rules/` to refuse in its place."""
    warmup = schedule.arguments.get("warmup")
    if schedule.is_path or not isinstance(warmup, str):
        return schedule
    try:
        share = units.share(warmup)
    except MlspecError:
        return schedule
    return Use(use=schedule.use, arguments={**schedule.arguments, "warmup": share})


def _as_named(value: object) -> object:
    return {"use": value} if isinstance(value, str) else value


class Limits(Node):
    """What one job may take: seconds of wall-clock time, and bytes of resident memory of its process group."""

    time: Duration = 600.0
    memory: Size | None = None


def _as_label(value: object) -> object:
    if value is None or (isinstance(value, (str, int)) and value != ""):
        return value
    raise needed("the label of a class (a text, a whole number, true or false)", value)


class Task(Node):
    """What is learned. `positive` is the class that binary metrics count, by default the last in sorted order.

    Three tasks learn from no target: a reconstruction gives back its prepared inputs; a language model predicts each token
    from those before it; a clustering is held against `data.target`, where that is named, by metrics alone.
    """

    use: Literal["binary", "multiclass", "regression", "reconstruction", "clustering", "language_model", "embedding"]
    positive: Annotated[str | int | bool | None, BeforeValidator(_as_label)] = None


class Split(Node):
    """How rows become training, validation and test rows.

    `test` and `val` are shares of all rows; the draw is seeded. `stratify` keeps the shares of the classes, `group` keeps
    rows with an equal value of that column together, `time` puts the latest rows by that column last (no draw). `files`
    names the file of each split, in place of `data.source`; `val` is then a share of the training file. `folds` divides the
    rows outside the test split for cross-validation: a training for each fold, beside the one on all of them.
    """

    test: float = Field(0.2, gt=0, lt=1)
    val: float = Field(0.0, ge=0, lt=1)
    seed: int = Field(0, ge=0, lt=2**32)
    stratify: bool = False
    group: Text | None = None
    time: Text | None = None
    files: Mapping[Literal["train", "val", "test"], Usable] | None = None
    folds: int | None = Field(None, ge=2, le=100)


def _as_steps(value: object) -> object:
    return (value,) if isinstance(value, (str, dict)) else as_tuple(value)


class Data(Node):
    """Where rows come from, which column is the target, how they are split and prepared.

    `columns` names the columns of the task embedding: anchor and positive (and negative) texts, first and second text with their
    score, or text and label. `prepare` is fitted on the training rows alone, and so is `prepare_target`, which scales the
    targets of a regression for the loss. `drop` removes columns from the features only. `augment` changes the
    images of a training batch at random, seeded by (seed, epoch, row). `oversample` repeats training rows at random until all
    classes have as many.
    """

    source: Usable | None = None
    target: Text | None = None
    columns: Mapping[Literal["anchor", "positive", "negative", "first", "second", "score", "text", "label"], Text] = (
        Field(default_factory=dict)
    )
    drop: Texts = ()
    split: Split = Split()
    prepare: Annotated[tuple[Usable, ...], BeforeValidator(_as_steps)] = (Use(use="standard"),)
    prepare_target: Annotated[tuple[Literal["log1p", "standardize"], ...], BeforeValidator(_as_steps)] = ()
    augment: Annotated[tuple[Usable, ...], BeforeValidator(_as_steps)] = ()
    oversample: bool = False


class EarlyStop(Node):
    """Stops when `monitor` has not become better by `min_delta` for `patience` epochs in a row; restores the best weights."""

    monitor: str = "val.loss"
    patience: int = Field(3, ge=1)
    min_delta: float = Field(0.0, ge=0)
    restore_best: bool = True


class Ema(Node):
    """An exponential moving average of the weights, `decay` after each optimiser step; evaluated and kept in their place."""

    decay: float = Field(0.999, gt=0, lt=1)


def _as_decay(value: object) -> object:
    return {"decay": value} if isinstance(value, (int, float)) and not isinstance(value, bool) else value


class Checkpoints(Node):
    """A checkpoint every `steps` optimiser steps, or every `time`; the last `keep` of them and the best are kept."""

    steps: int | None = Field(None, ge=1)
    time: Duration | None = None
    keep: int = Field(2, ge=1)


class Training(Node):
    """How the model is trained.

    `engine` names what trains; its arguments go to the engine's own trainer, beside what the other keys say. The length is
    `epochs`, or `steps`, optimiser steps. `loss` None is that of the task: cross_entropy, or mse for a regression or a
    reconstruction. `clip_norm` bounds the norm of all gradients together; `accumulate` is a number of
    batches for each optimiser step. `sampler` balanced draws training rows with replacement, each class as often. `freeze`
    names modules whose parameters do not learn. `precision` auto is fp32. `workers` are processes that load data, each batch
    within `timeout`. `seeds` n trains with the seeds seed … seed + n − 1, and gates on metrics judge the mean over them;
    checks and folds train with `seed` alone.
    """

    engine: Usable = Use(use="torch")
    loss: Usable | None = None
    optimizer: Usable = Use(use="adamw", arguments={"lr": 1e-3})
    schedule: Annotated[Usable, AfterValidator(_with_warmup)] | None = None
    epochs: int = Field(10, ge=1)
    steps: int | None = Field(None, ge=1)
    batch_size: int = Field(64, ge=1)
    accumulate: int = Field(1, ge=1)
    clip_norm: float | None = Field(None, gt=0)
    shuffle: bool = True
    sampler: Literal["balanced"] | None = None
    drop_last: bool = False
    early_stop: EarlyStop | None = None
    ema: Annotated[Ema | None, BeforeValidator(_as_decay)] = None
    freeze: Texts = ()
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    deterministic: bool = False
    compile: bool = False
    channels_last: bool = False
    workers: int = Field(0, ge=0, le=64)
    timeout: Duration = 60.0
    checkpoint: Checkpoints | None = None
    device: str = "auto"
    seed: int = Field(0, ge=0, lt=2**32)
    seeds: int = Field(1, ge=1, le=1000)


class MtebTask(Node):
    """Where the data of a task of MTEB lie, which of them are evaluated, and what the task is.

    `data` is a folder of the project, or the import path of a function that gives one; by default the hub. `revision` is the
    commit of the data on the hub; by default the one that mteb pins. A task of the team's own is `use`, the import path of a
    subclass of mteb's `AbsTask`, or a `type` with its `data`. `columns` names the columns of files by what the task calls them.
    `splits` and `subsets` (most often languages) leave out the others.
    """

    data: Text | None = None
    revision: Text | None = None
    use: Text | None = None
    type: Literal["classification", "clustering", "pair_classification", "retrieval", "sts"] | None = None
    columns: Mapping[Text, Text] = Field(default_factory=dict)
    splits: Texts = ()
    subsets: Texts = ()


class RecipeUse(Node):
    """The team's own pipeline: a module that holds extension points, or the import path of an object or factory."""

    use: Text
    arguments: Mapping[str, Any] = Field(default_factory=dict, alias="with")


class Requires(Node):
    """What the machine must have; where it has not, every item of the spec is skipped and says what is missing."""

    gpu: int = Field(0, ge=0)
    packages: Texts = ()
    environment: Texts = ()


def _as_number(value: object) -> object:
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return value
    raise needed("a number", value)


def _as_ends(value: object) -> object:
    if isinstance(value, (list, tuple)) and len(value) == 2:
        return tuple(value)
    read = f"a list of {len(value)}" if isinstance(value, (list, tuple)) else described(value)
    raise refusal(f"two numbers are needed, not {read}", "write within: [LOW, HIGH]")


Number = Annotated[float | str, BeforeValidator(_as_number)]
"""A number, or a text that holds one with its unit."""


class Bound(Node):
    """What a gate allows: one of `at_least`, `at_most`, `within`, `better_than`.

    Values may carry the unit of the quantity (`30s`). `better_than: dummy` compares with scikit-learn's DummyClassifier
    (prior) or DummyRegressor (mean) fitted on the training rows, or a language model with the frequencies of their tokens,
    in the direction of the metric: better by `by` absolute, or by anything at all where `by` is left out. `no_worse_than`
    names what a measure is compared with, such as `base`, the model before the training; `by` is how much worse it may be.
    """

    at_least: Number | None = None
    at_most: Number | None = None
    within: Annotated[tuple[Number, Number], BeforeValidator(_as_ends)] | None = None
    better_than: Literal["dummy"] | None = None
    no_worse_than: Usable | None = None
    by: float | None = Field(None, ge=0)


class CheckUse(Node):
    """An entry of `checks`: a name with its parameters; `skip` holds the reason why it is left out."""

    check: str
    params: Mapping[str, Any] = Field(default_factory=dict)
    skip: str | None = None


_SKIP = "write {skip: {check: NAME, why: REASON}}"


def _as_check(value: object) -> CheckUse:
    match value:
        case str():
            return CheckUse(check=value)
        case {"skip": {"check": str(name), "why": str(why), **others}, **beside} if not others and not beside:
            if not why.strip():
                raise refusal("the reason of a skip is empty", _SKIP)
            return CheckUse(check=name, skip=why)
        case {"skip": _}:
            raise refusal("a skip names the check and says why", _SKIP)
        case dict() if len(value) == 1 and all(isinstance(params, dict) for params in value.values()):
            ((name, params),) = value.items()
            return CheckUse(check=name, params=params)
    read = f"a mapping with the keys {', '.join(value)}" if isinstance(value, dict) else described(value)
    raise refusal(f"a check is a name or {{NAME: {{PARAMETER: VALUE, …}}}}, not {read}")


def _as_checks(value: object) -> object:
    if isinstance(value, tuple):
        return value
    if isinstance(value, (str, dict)):
        value = [value]
    if not isinstance(value, list):
        raise needed("a list of checks", value, "write `standard`, or a list")
    return tuple(value)


def _as_format(value: object) -> object:
    if type(value) is int and value == 1:
        return value
    raise refusal(f"this version reads format 1, not {described(value)}", "write `mlspec: 1`")


def is_name(value: object) -> bool:
    """True for what can name a spec; a variant of a matrix has its values in brackets behind."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _as_name(value: object) -> object:
    if isinstance(value, str) and not is_name(value):
        raise refusal(
            f"{described(value)} is no name",
            "write at most 100 letters, digits, '.', '_' and '-', a letter or digit first",
        )
    return value


class Spec(Node):
    """One training and its claims.

    `machine: quiet` promises that nothing else runs while calls are timed, so that high percentiles may be gated. `mteb` says
    where the data of tasks lie. `invariant` lists what may be done to inputs without a change of any prediction.
    """

    mlspec: Annotated[Literal[1], BeforeValidator(_as_format)]
    name: Annotated[str, BeforeValidator(_as_name)]
    tags: Texts = ()
    limits: Limits = Limits()
    task: Annotated[Task | None, BeforeValidator(_as_named)] = None
    data: Data | None = None
    model: Usable | None = None
    train: Training = Training()
    recipe: Annotated[RecipeUse | None, BeforeValidator(_as_named)] = None
    inputs: Texts = ()
    requires: Requires = Requires()
    invariant: Invariances = ()
    machine: Literal["quiet"] | None = None
    mteb: Mapping[Text, MtebTask] = Field(default_factory=dict)
    checks: Annotated[tuple[Annotated[CheckUse, BeforeValidator(_as_check)], ...], BeforeValidator(_as_checks)] = ()
    gates: Mapping[str, Bound] = Field(default_factory=dict)

    def pipeline(self) -> dict[str, Any]:
        """The part that decides what a training does, with every default, as plain data; claims, tags and limits left out."""
        fields = {"task", "data", "model", "train", "recipe", "inputs"}
        return self.model_dump(mode="json", include=fields)
