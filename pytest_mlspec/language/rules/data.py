"""The rules of `data`: source, target, split. Files are looked for, never read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlspec.language import names
from pytest_mlspec.language.complaints import described
from pytest_mlspec.language.rules import preparation, sources
from pytest_mlspec.language.rules.mistake import Mistake
from pytest_mlspec.language.task import facts_of, has_no_classes, task_of

if TYPE_CHECKING:
    from pytest_mlspec.language.load import KeyPath
    from pytest_mlspec.language.spec import Data, Spec, Use

_SOURCE = ("data", "source")


def mistakes(spec: Spec, root: Path, folder: Path | None = None) -> Iterator[Mistake]:
    """The mistakes of `data`; files are looked for below `root`. `folder` is that of the spec."""
    data = spec.data
    if data is None:
        return
    named: dict[KeyPath, Use] = {
        ("data", "split", "files", split): use for split, use in (data.split.files or {}).items()
    }
    if data.source is not None:
        named[_SOURCE] = data.source
    for key, source in named.items():
        yield from sources.mistakes(key, source, root, folder)
        yield from _target(spec, data, source, key)
    if data.target is not None and data.target in data.drop:
        yield Mistake(
            ("data", "drop"),
            f"the target {described(data.target)} is dropped",
            "remove it from the list; the target is never among the features",
        )
    if data.prepare_target and task_of(spec) not in (None, "regression"):
        advice = "remove this key; it goes with `task: regression`"
        yield Mistake(("data", "prepare_target"), f"the task {task_of(spec)} has no target to scale", advice)
    elif data.prepare_target and spec.train.engine.use != "torch":
        advice = "remove this key; scale in your own estimator, such as TransformedTargetRegressor"
        yield Mistake(("data", "prepare_target"), f"the engine {spec.train.engine.use} does not scale targets", advice)
    if not named and spec.recipe is None:
        advice = "name a data set, a file or your function, or write a `recipe` that gives load"
        yield Mistake(("data",), "the key 'source' is required", advice, lacks=(("data", "source"),))
    yield from preparation.mistakes(spec, data, root)
    yield from _files(data)
    yield from _split(spec, data)


def _target(spec: Spec, data: Data, source: Use, key: KeyPath) -> Iterator[Mistake]:
    facts = facts_of(spec)
    if data.target is not None and facts is not None and facts.target == "none":
        advice = "remove this key; `drop` takes a column from the features"
        yield Mistake(("data", "target"), f"the task {task_of(spec)} has no target", advice)
    elif data.target is not None and sources.brings_target(source):
        yield Mistake(("data", "target"), f"{source.use} brings its own target", "remove this key")
    entry = None if source.is_path else names.format_of(source.use)
    if entry is not None and entry.target == "none" and (facts is None or facts.supervised):
        advice = "write `task: language_model`, or give each text its class: a table, or a folder for each class"
        yield Mistake(key, f"{source.use} holds texts alone, without a target", advice, lacks=(("task",),))
    argument = sources.lacks_target(source)
    if argument and (facts is None or facts.supervised):
        advice = f"write {{use: {source.use}, {argument}: FILE}}"
        yield Mistake(key, f"{source.use} has no targets, and the task needs them", advice, lacks=(("task",),))
    if sources.has_columns(source) and data.target is None and (facts is None or facts.supervised):
        yield Mistake(
            ("data",),
            "the key 'target' is required for a table",
            "write the column to predict",
            lacks=(("data", "target"),),
        )


def _files(data: Data) -> Iterator[Mistake]:
    """The mistakes of `files` beside the keys that would give the same."""
    split, key = data.split, ("data", "split")
    if split.files is None:
        return
    if data.source is not None:
        yield Mistake((*key, "files"), "`data.source` and these files both give the rows", "keep one of them")
    for name in ("train", "test"):
        if name not in split.files:
            yield Mistake((*key, "files"), f"the file of the {name} split is required", f"write {name}: FILE")
    for name in ("test", "val"):
        if name in split.model_fields_set and name in split.files:
            yield Mistake((*key, name), f"the {name} split has a file of its own", "remove this share, or the file")
    if split.val or split.folds:
        return
    for way in ("stratify", "group", "time"):
        if getattr(split, way):
            advice = "remove it, or give `val` a share of the training file"
            yield Mistake((*key, way), "every split has its file, and nothing is drawn", advice)


def _split(spec: Spec, data: Data) -> Iterator[Mistake]:
    split, key = data.split, ("data", "split")
    if split.files is None and split.test + split.val >= 1:
        yield Mistake(key, f"test {split.test:g} and val {split.val:g} leave no row for training", "make one smaller")
    ways = [way for way in ("stratify", "group", "time") if getattr(split, way)]
    if len(ways) > 1:
        yield Mistake(key, f"{' and '.join(ways)} exclude each other", "keep one of them")
    if split.stratify and has_no_classes(spec):
        task = "a regression" if task_of(spec) == "regression" else f"the task {task_of(spec)} without a target"
        yield Mistake((*key, "stratify"), f"{task} has no classes to keep the shares of", "remove this key")
    for way in ("group", "time"):
        if data.target is not None and getattr(split, way) == data.target:
            yield Mistake(
                (*key, way), f"{described(data.target)} is the target", "split by another column, or use stratify: true"
            )
