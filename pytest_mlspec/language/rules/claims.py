"""The rules of `checks` and `gates`: what is claimed can be asked of this training, and can fail."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import ValidationError

from pytest_mlspec import quantities
from pytest_mlspec.check import CHECKS
from pytest_mlspec.checks import STANDARD
from pytest_mlspec.errors import MlspecError, did_you_mean
from pytest_mlspec.language.complaints import described, worded
from pytest_mlspec.language.rules.mistake import Mistake
from pytest_mlspec.language.rules.training import splits_of
from pytest_mlspec.language.rules.uses import unknown
from pytest_mlspec.language.task import has_no_target, task_of
from pytest_mlspec.language.units import seconds, size

if TYPE_CHECKING:
    from pytest_mlspec.language.load import KeyPath
    from pytest_mlspec.language.spec import Bound, CheckUse, Spec, Use

_OF_FOLDS = tuple(f"{kind}." for kind in quantities.FOLD_KINDS)

KINDS = ("at_least", "at_most", "within", "better_than", "no_worse_than")
"""The bounds of which a gate has one."""


def mistakes(spec: Spec) -> Iterator[Mistake]:
    """The mistakes of `checks` and `gates`."""
    yield from _checks(spec)
    yield from _gates(spec)


def bound_values(quantity: quantities.Quantity, bound: Bound) -> tuple[float, ...]:
    """The numbers of a bound in the unit of its quantity; raises MlspecError where they cannot be read."""
    given = (bound.at_least, bound.at_most, *(bound.within or ()))
    return tuple(_number(quantity, value) for value in given if value is not None)


def _checks(spec: Spec) -> Iterator[Mistake]:
    seen: set[str] = set()
    for number, use in enumerate(spec.checks):
        key: KeyPath = ("checks", number)
        if use.check in seen:
            yield Mistake(key, f"{described(use.check)} is listed twice", "keep one of them")
        seen.add(use.check)
        if use.check == "standard":
            if use.params or use.skip:
                yield Mistake(key, "standard takes no parameters", f"it stands for: {', '.join(STANDARD)}")
        elif use.check not in CHECKS:
            yield Mistake(key, f"unknown check {described(use.check)}", did_you_mean(use.check, ["standard", *CHECKS]))
        else:
            yield from _parameters((*key, use.check), use)


def _parameters(key: KeyPath, use: CheckUse) -> Iterator[Mistake]:
    params = CHECKS.find(use.check).params
    try:
        params.model_validate(dict(use.params))
    except ValidationError as error:
        for details in error.errors(include_url=False):
            where = tuple(part for part in details["loc"] if part in use.params) or details["loc"][:1]
            if details["type"] == "extra_forbidden":
                known = did_you_mean(str(where[0]), params.model_fields)
                yield Mistake((*key, *where), f"{use.check} has no parameter {described(where[0])}", known)
            else:
                yield Mistake((*key, *where), *worded(details, details["input"]))


def _gates(spec: Spec) -> Iterator[Mistake]:
    task = task_of(spec)
    for name, bound in spec.gates.items():
        key: KeyPath = ("gates", name)
        try:
            quantity = quantities.parse(name)
            if task is not None:
                quantities.check_task(quantity, task)
        except MlspecError as error:
            yield Mistake(key, error.message, error.advice)
            continue
        if quantity.metric is not None and quantity.metric.reads == "clusters" and has_no_target(spec):
            advice = "name the column of the classes under data.target: metrics alone read it, no fit"
            yield Mistake(key, f"{quantity.metric.name} compares with classes", advice, lacks=(("data", "target"),))
        if quantity.of_folds and spec.train.engine.use == "trained":
            yield Mistake(key, "the model is trained already, so no fold trains", "gate a metric such as test.accuracy")
        if quantity.of_folds and not (spec.data and spec.data.split.folds):
            lacking: KeyPath = ("data", "split", "folds")
            yield Mistake(
                key, "there are no folds", "write how many under data.split.folds, such as 5", lacks=(lacking,)
            )
        for split in () if quantity.of_folds else quantity.splits:
            if split not in splits_of(spec):
                advice = f"give data.split.{split} a share, such as 0.1"
                yield Mistake(key, f"there is no split {split!r}", advice, lacks=(("data", "split", split),))
        yield from _bound(key, quantity, bound)
    if spec.data and spec.data.split.folds and not any(name.startswith(_OF_FOLDS) for name in spec.gates):
        advice = "write one such as cv.accuracy: {at_least: 0.9}, or remove this key"
        yield Mistake(("data", "split", "folds"), "no gate looks at the folds", advice, lacks=(("gates",),))
    if spec.train.seeds > 1 and all(name.startswith(_OF_FOLDS) for name in spec.gates):
        advice = "write one such as test.accuracy: {at_least: 0.9}, or remove this key: checks and folds have one seed"
        yield Mistake(("train", "seeds"), "no gate looks at the seeds", advice, lacks=(("gates",),))


def _bound(key: KeyPath, quantity: quantities.Quantity, bound: Bound) -> Iterator[Mistake]:
    given = [kind for kind in KINDS if getattr(bound, kind) is not None]
    if len(given) != 1:
        advice = (
            "write within: [LOW, HIGH]" if given == ["at_least", "at_most"] else f"write one of: {', '.join(KINDS)}"
        )
        yield Mistake(key, f"a gate has one bound, not {' and '.join(given) or 'none'}", advice, lacks=(key,))
        return
    here = (*key, given[0])
    if bound.by is not None and bound.better_than is None and bound.no_worse_than is None:
        advice = "remove it, or write better_than: dummy"
        yield Mistake((*key, "by"), "`by` goes with better_than and no_worse_than alone", advice)
    if bound.better_than is not None:
        yield from _better_than(here, quantity, bound.by or 0.0)
        return
    if bound.no_worse_than is not None:
        yield from _no_worse_than(here, quantity, bound.no_worse_than)
        return
    try:
        values = bound_values(quantity, bound)
    except MlspecError as error:
        yield Mistake(here, error.message, error.advice)
        return
    if values[0] > values[-1]:
        yield Mistake(
            here, f"the lower end {values[0]:g} is above the upper one {values[-1]:g}", "write within: [LOW, HIGH]"
        )
    else:
        yield from _can_fail(here, quantity, values)


def _better_than(key: KeyPath, quantity: quantities.Quantity, by: float) -> Iterator[Mistake]:
    if quantity.kind not in ("metric", "cv"):
        yield Mistake(
            key, f"{quantity.name} has no value for a constant baseline", "compare a metric of a split, such as test.r2"
        )
        return
    if quantity.metric is not None and quantity.metric.tasks == quantities.CLUSTERING:
        advice = "write at_least, or at_most; chance has an adjusted_rand_score of 0"
        yield Mistake(key, "a clustering has no constant baseline: all rows in one cluster are none", advice)
        return
    lowest, highest = quantity.range
    if by > highest - lowest:
        yield Mistake((*key[:-1], "by"), f"no model can be better by {by:g}: {_range(quantity)}", _shares(by, quantity))


def _no_worse_than(key: KeyPath, quantity: quantities.Quantity, reference: Use) -> Iterator[Mistake]:
    references = {} if quantity.measure is None else quantity.measure.references
    if not references:
        yield Mistake(key, f"{quantity.name} has nothing to be compared with", "write at_least, or at_most")
    elif reference.use not in references:
        yield unknown(key, reference.use, dict.fromkeys(references), "reference")
    else:
        takes = list(inspect.signature(references[reference.use]).parameters)[1:]
        for name in [name for name in reference.arguments if name not in takes]:
            yield Mistake((*key, name), f"{reference.use} has no argument {described(name)}", did_you_mean(name, takes))
        for name in [name for name in takes if name not in reference.arguments]:
            yield Mistake(
                key, f"{reference.use} needs the key {described(name)}", f"write {{use: {reference.use}, {name}: …}}"
            )


def _can_fail(key: KeyPath, quantity: quantities.Quantity, values: tuple[float, ...]) -> Iterator[Mistake]:
    """A bound outside the range of its quantity would be broken by every training, or by none."""
    has_low, has_high = key[-1] != "at_most", key[-1] != "at_least"
    low, high = values[0], values[-1]
    lowest, highest = quantity.range
    if (has_low and low > highest) or (has_high and high < lowest):
        yield Mistake(key, f"no training can reach this: {_range(quantity)}", _shares(low, quantity))
    elif (low < lowest or not has_low) and (high > highest or not has_high):
        yield Mistake(key, f"this cannot fail: {_range(quantity)}", _shares(high, quantity))


def _range(quantity: quantities.Quantity) -> str:
    lowest, highest = quantity.range
    if math.isinf(highest):
        return f"{quantity.name} is never below {lowest:g}"
    if math.isinf(lowest):
        return f"{quantity.name} is never above {highest:g}"
    return f"{quantity.name} lies between {lowest:g} and {highest:g}"


def _shares(value: float, quantity: quantities.Quantity) -> str:
    is_percentage = quantity.range[1] == 1 and 1 < value <= 100
    return f"metrics are shares, not percentages: {value / 100:g}" if is_percentage else ""


def _number(quantity: quantities.Quantity, value: float | str) -> float:
    if not isinstance(value, str):
        return float(value)
    match quantity.unit:
        case "s":
            return seconds(value)
        case "ms":
            return 1000 * seconds(value)
        case "bytes":
            return float(size(value))
    raise MlspecError(f"a number is needed, not {described(value)}", advice=f"{quantity.name} has no unit")
