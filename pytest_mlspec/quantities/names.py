"""What one gate measures, read from its name: a metric of a split, the loss of a split, or a measure with its selectors."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from pytest_mlspec.errors import MlspecError, did_you_mean
from pytest_mlspec.evidence import Evidence
from pytest_mlspec.jobs import Job, MetricRequest, Train
from pytest_mlspec.quantities.measures import MEASURES, Measure, Reading, Selectors
from pytest_mlspec.quantities.metrics import CLASSIFICATION, METRICS, SHORT, Metric

SPLITS = ("train", "val", "test")
FOLD_KINDS = ("cv", "cv_std")


@dataclass(frozen=True)
class Quantity:
    """What one gate measures, read from its name.

    `kind` is `metric`, `gap`, `cv`, `cv_std`, `loss` or `measure`. `split` and `metric` are set for metrics and losses, `split`
    of a cross-validation being the test split of each fold; `where` and `class_label` are the selectors of the brackets.
    `measure` and its `selectors` are set for what a job measures.
    """

    name: str
    kind: str
    split: str = ""
    metric: Metric | None = None
    where: tuple[tuple[str, str], ...] = ()
    class_label: str | None = None
    measure: Measure | None = None
    selectors: Selectors | None = None

    @property
    def higher_is_better(self) -> bool | None:
        """The direction; None where neither is better in itself."""
        if self.kind == "gap":
            return None
        if self.kind == "cv_std":
            return False
        if self.metric is not None:
            return self.metric.higher_is_better
        return self.measure.higher_is_better if self.measure else False

    @property
    def range(self) -> tuple[float, float]:
        """The lowest and the highest value that it can have; the least that is known."""
        if self.measure is not None:
            return (self.measure.lowest, self.measure.highest)
        if self.metric is None:
            return (-math.inf, math.inf)
        lowest, highest = self.metric.lowest, self.metric.highest
        match self.kind:
            case "gap":
                return (lowest - highest, highest - lowest)
            case "cv_std":
                return (0.0, math.inf)
            case _:
                return (lowest, highest)

    @property
    def unit(self) -> str:
        """The unit of the measured value; empty for a plain number."""
        return self.measure.unit if self.measure else ""

    @property
    def of_folds(self) -> bool:
        """True for what a cross-validation measures."""
        return self.kind in FOLD_KINDS

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that must exist for it to be measured; those of each fold for a cross-validation."""
        return ("train", "test") if self.kind == "gap" else ((self.split,) if self.split else ())

    def requests(self, *, of: str = "model") -> tuple[MetricRequest, ...]:
        """The metrics behind it, in the order of `splits`; none where it is read from the run."""
        if self.metric is None:
            return ()
        return tuple(MetricRequest(self.metric.name, split, self.where, self.class_label, of) for split in self.splits)

    def read(self, evidence: Evidence) -> Reading:
        """What a measure finds in the evidence of its job."""
        assert self.measure is not None, f"{self.name} is a measure"
        assert self.selectors is not None, f"{self.name} is a measure"
        return self.measure.reading(self.selectors, evidence)

    @property
    def job(self) -> Job:
        """The job that gives it: that of the measure, else the training."""
        return Train() if self.measure is None else self.measure.needs(self.selectors)


_GATE = re.compile(r"(?P<scope>\w+)\.(?P<name>[^\[\]\s]+)(?:\[(?P<selectors>.+)\])?", re.ASCII)
_SELECTOR = re.compile(r"(?P<column>[^=]+)=(?P<value>.+)")


def parse(text: str) -> Quantity:
    """The quantity that the gate `text` names; raises MlspecError that says what is allowed.

    >>> parse("test.recall[plan=basic]").where
    (('plan', 'basic'),)
    """
    match = _GATE.fullmatch(text)
    if match is None:
        raise MlspecError(
            f"{text!r} is no name of a quantity",
            advice="write SPLIT.METRIC, such as test.accuracy or test.recall[class=x]",
        )
    scope, name = match["scope"], match["name"]
    where, class_label = _selectors(match["selectors"], text)
    plain = f"{scope}.{name}"
    for measure in map(MEASURES.find, MEASURES):
        if (named := measure.pattern.fullmatch(plain)) is not None:
            given = {**named.groupdict(), **dict(where), **({} if class_label is None else {"class": class_label})}
            return Quantity(text, "measure", measure=measure, selectors=measure.select(given))
    if scope == "gap":
        if name == "loss":
            raise MlspecError("gap.loss is not defined", advice="gap goes with metrics, such as gap.accuracy")
        return Quantity(text, "gap", "", _metric(name, class_label, others=()), where, class_label)
    if scope in FOLD_KINDS:
        if name == "loss":
            raise MlspecError(f"{plain} is not defined", advice=f"{scope} goes with metrics, such as {scope}.accuracy")
        return Quantity(text, scope, "test", _metric(name, class_label, others=()), where, class_label)
    if scope not in SPLITS:
        raise MlspecError(
            f"unknown quantity {plain!r}", advice=did_you_mean(plain, [*known_names(), *_filled_in(plain)])
        )
    if name == "loss":
        if where or class_label is not None:
            raise MlspecError(f"{plain} takes no selector in brackets")
        return Quantity(text, "loss", scope)
    others = ["loss", *(value.rpartition(".")[2] for value in MEASURES if value.startswith(f"{scope}."))]
    return Quantity(text, "metric", scope, _metric(name, class_label, others=others), where, class_label)


def check_task(quantity: Quantity, task: str) -> None:
    """Raises MlspecError where the quantity is not defined for `task`, with the names that are."""
    metric = quantity.metric
    if metric is None or task in metric.tasks or (quantity.class_label is not None and task in CLASSIFICATION):
        return
    family = [name for name in METRICS if name.startswith(f"{metric.name}_") and task in METRICS[name].tasks]
    if metric.per_class and task == "multiclass":
        averages = f"an average ({', '.join(family)}) or " if family else ""
        raise MlspecError(
            f"{metric.name} is defined for one class, and the task is multiclass",
            advice=f"name {averages}one class ({quantity.split or 'gap'}.{metric.name}[class=…])",
        )
    known = [name for name, other in METRICS.items() if task in other.tasks]
    raise MlspecError(f"{metric.name} is not defined for the task {task}", advice=did_you_mean(metric.name, known))


def known_names() -> Iterable[str]:
    """Every name that a gate may have, selectors left out."""
    yield from (name for name in MEASURES if "{" not in name)
    for scope in SPLITS:
        yield f"{scope}.loss"
        yield from (f"{scope}.{metric}" for metric in METRICS)
    for scope in ("gap", *FOLD_KINDS):
        yield from (f"{scope}.{metric}" for metric in METRICS)


def _filled_in(plain: str) -> Iterable[str]:
    """The names with a part that stands for any text, such as `export.{format}.size`, with that part as it stands in `plain`."""
    given = plain.split(".")
    for name in MEASURES:
        parts = name.split(".")
        if "{" in name and len(parts) == len(given):
            yield ".".join(one if part.startswith("{") else part for part, one in zip(parts, given, strict=True))


def _metric(name: str, class_label: str | None, *, others: Iterable[str]) -> Metric:
    if name not in METRICS:
        meant = f"did you mean {SHORT[name]!r}?" if name in SHORT else did_you_mean(name, [*METRICS, *others])
        raise MlspecError(f"unknown metric {name!r}", advice=meant)
    metric = METRICS[name]
    if class_label is not None and not metric.per_class:
        allowed = ", ".join(sorted(other for other in METRICS if METRICS[other].per_class))
        raise MlspecError(f"{name} is not defined for one class", advice=f"[class=…] goes with: {allowed}")
    return metric


def _selectors(text: str | None, gate: str) -> tuple[tuple[tuple[str, str], ...], str | None]:
    where: list[tuple[str, str]] = []
    class_label: str | None = None
    seen: set[str] = set()
    for part in text.split(",") if text else ():
        match = _SELECTOR.fullmatch(part.strip())
        if match is None:
            raise MlspecError(
                f"{gate!r}: cannot read the selector {part.strip()!r}", advice="write [column=value] or [class=label]"
            )
        column, value = match["column"].strip(), match["value"].strip()
        if column in seen:
            raise MlspecError(f"{gate!r} selects by {column!r} twice", advice="keep one of them")
        seen.add(column)
        if column == "class":
            class_label = value
        else:
            where.append((column, value))
    return tuple(where), class_label
