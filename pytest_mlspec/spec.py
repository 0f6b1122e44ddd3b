"""The language that users write: pydantic models, frozen and strict, that refuse what they do not know.

These models say which keys there are, their types and defaults. Names and combinations are held against their tables in
`validate.py`, which also turns a file into specs. Nothing is imported here: an import path is only text until a worker
resolves it (`recipe/resolve.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from pytest_mlspec.units import Duration, Size


class Node(BaseModel):
    """A mapping of the spec."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=False, populate_by_name=True, hide_input_in_errors=True
    )


class Use(Node):
    """A thing by its registered name or import path, with its arguments: `adamw`, or `{use: adamw, lr: 3e-3}`."""

    use: Annotated[str, StringConstraints(min_length=1)]
    arguments: Mapping[str, Any] = Field(default_factory=dict)

    @property
    def is_path(self) -> bool:
        """True where `use` is an import path, `module:name`."""
        return ":" in self.use


def _as_use(value: object) -> object:
    match value:
        case str():
            return {"use": value, "arguments": {}}
        case {"use": use, **arguments}:
            return {"use": use, "arguments": arguments}
        case Use():
            return value
        case dict():
            raise PydanticCustomError("use", "the key `use` is missing: it names what the other keys are arguments of")
        case _:
            raise PydanticCustomError("use", "write a name, or a mapping with the key `use`")


Usable = Annotated[Use, BeforeValidator(_as_use)]
Names = Annotated[tuple[str, ...], BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)]


class Limits(Node):
    """What one job may take: seconds of wall-clock time, and bytes of resident memory of its process group."""

    time: Duration = 600.0
    memory: Size | None = None


def _as_named(value: object) -> object:
    return {"use": value} if isinstance(value, str) else value


class Task(Node):
    """What is learned. `positive` is the class that binary metrics count, by default the last in sorted order."""

    use: Literal["binary", "multiclass", "regression"]
    positive: str | int | bool | None = None


class Split(Node):
    """How rows become training, validation and test rows.

    `test` and `val` are shares of all rows; the draw is seeded. `stratify` keeps the shares of the classes, `group` keeps
    rows with an equal value of that column together, `time` puts the latest rows by that column last (no draw).
    """

    test: float = Field(0.2, gt=0, lt=1)
    val: float = Field(0.0, ge=0, lt=1)
    seed: int = Field(0, ge=0)
    stratify: bool = False
    group: str | None = None
    time: str | None = None


def _as_steps(value: object) -> object:
    if isinstance(value, (str, dict)):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


class Data(Node):
    """Where rows come from, which column is the target, how they are split and prepared.

    `prepare` is fitted on the training rows alone. `drop` removes columns from the features only.
    """

    source: Usable
    target: str | None = None
    drop: Names = ()
    split: Split = Split()
    prepare: Annotated[tuple[Usable, ...], BeforeValidator(_as_steps)] = (Use(use="standard"),)


class EarlyStop(Node):
    """Stops when `monitor` has not become better by `min_delta` for `patience` epochs in a row; restores the best weights."""

    monitor: str = "val.loss"
    patience: int = Field(3, ge=1)
    min_delta: float = Field(0.0, ge=0)
    restore_best: bool = True


class Training(Node):
    """How the model is trained.

    The length is `epochs`, or `steps`, optimiser steps. `loss` None is that of the task: cross_entropy, or mse for a
    regression. `clip_norm` bounds the norm of all gradients together; `accumulate` is a number of batches for each
    optimiser step. `precision` auto is fp32.
    """

    engine: str = "torch"
    loss: Usable | None = None
    optimizer: Usable = Use(use="adamw", arguments={"lr": 1e-3})
    schedule: Usable | None = None
    epochs: int = Field(10, ge=1)
    steps: int | None = Field(None, ge=1)
    batch_size: int = Field(64, ge=1)
    accumulate: int = Field(1, ge=1)
    clip_norm: float | None = Field(None, gt=0)
    shuffle: bool = True
    drop_last: bool = False
    early_stop: EarlyStop | None = None
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    device: str = "auto"
    seed: int = Field(0, ge=0, lt=2**32)


class RecipeUse(Node):
    """The team's own pipeline: a module that holds extension points, or the import path of an object or factory."""

    use: Annotated[str, StringConstraints(min_length=1)]
    arguments: Mapping[str, Any] = Field(default_factory=dict, alias="with")


class Requires(Node):
    """What the machine must have; where it has not, every item of the spec is skipped and says what is missing."""

    gpu: int = Field(0, ge=0)
    packages: Names = ()
    environment: Names = ()


class Bound(Node):
    """What a gate allows: one of `at_least`, `at_most`, `within`, `better_than`.

    Values may carry the unit of the quantity (`30s`). `better_than: dummy` compares with scikit-learn's DummyClassifier
    (prior) or DummyRegressor (mean) fitted on the training rows, in the direction of the metric, by `by` absolute.
    """

    at_least: float | str | None = None
    at_most: float | str | None = None
    within: Annotated[tuple[float | str, float | str] | None, BeforeValidator(_as_steps)] = None
    better_than: Literal["dummy"] | None = None
    by: float | None = Field(None, ge=0)


def _as_format(value: object) -> object:
    if value is not True and value == 1:
        return value
    raise PydanticCustomError("format", "this version reads format 1: write `mlspec: 1`")


class CheckUse(Node):
    """An entry of `checks`: a name with its parameters; `skip` holds the reason why it is left out."""

    check: str
    params: Mapping[str, Any] = Field(default_factory=dict)
    skip: Annotated[str, StringConstraints(min_length=1)] | None = None


def _as_check(value: object) -> object:
    match value:
        case str():
            return {"check": value}
        case {"skip": {"check": name, "why": why}} if len(value) == 1:
            return {"check": name, "skip": why}
        case {"skip": _}:
            raise PydanticCustomError("check", "a skip is written {skip: {check: NAME, why: REASON}}")
        case dict() if len(value) == 1:
            ((name, params),) = value.items()
            if isinstance(params, dict):
                return {"check": name, "params": params}
    raise PydanticCustomError("check", "write a check's name, or {NAME: {PARAMETER: VALUE, …}}")


def _as_checks(value: object) -> object:
    if isinstance(value, (str, dict)):
        value = [value]
    if not isinstance(value, (list, tuple)):
        raise PydanticCustomError("checks", "write `standard`, or a list of checks")
    return tuple(item if isinstance(item, CheckUse) else _as_check(item) for item in value)


class Spec(Node):
    """One training and its claims."""

    mlspec: Annotated[Literal[1], BeforeValidator(_as_format)]
    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._\-\[\]=, ]{0,99}$")]
    tags: Names = ()
    limits: Limits = Limits()
    task: Annotated[Task | None, BeforeValidator(_as_named)] = None
    data: Data | None = None
    model: Usable | None = None
    train: Training = Training()
    recipe: RecipeUse | None = None
    inputs: Names = ()
    requires: Requires = Requires()
    checks: Annotated[tuple[CheckUse, ...], BeforeValidator(_as_checks)] = ()
    gates: Mapping[str, Bound] = Field(default_factory=dict)

    def pipeline(self) -> dict[str, Any]:
        """The part that decides what a training does, with every default, as plain data; claims, tags and limits left out."""
        fields = {"task", "data", "model", "train", "recipe", "inputs"}
        return self.model_dump(mode="json", include=fields)
