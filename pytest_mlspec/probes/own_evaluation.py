"""The team's own `evaluate`, called several times: what it says, what it changes, and what it asks the model for.

    whole   the test split, and the validation split
    again   the same rows once more, with other random numbers
    order   the same rows in another order
    fewer   a part of them, of a size that leaves a short last batch, with the rows that are answered worst in that one

Shape letters: N rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from torch import Tensor, nn

from pytest_mlspec.engines.own_metrics import own_metrics
from pytest_mlspec.errors import MlspecError
from pytest_mlspec.evidence import OwnMetric
from pytest_mlspec.probes.evaluation_changes import Before, as_after_a_step
from pytest_mlspec.probes.expected_metrics import Expected, plainly_known
from pytest_mlspec.probes.scores import Bench
from pytest_mlspec.recipe.protocol import Examples
from pytest_mlspec.training.seeding import kept_generators, perturb
from pytest_mlspec.training.state import State

# What a kernel that is called with other batches may round otherwise, relative to the metric.
_ROUNDING = 1e-5


@dataclass(frozen=True)
class OwnEvaluation:
    """What was found of the team's own `evaluate`; see `Evaluation`."""

    metrics: tuple[OwnMetric, ...] = ()
    unknown: Mapping[str, float] = field(default_factory=dict)
    changed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    repeats: Mapping[str, float] = field(default_factory=dict)
    in_training: bool = False
    answered: int | None = None
    split: str = ""
    rows: int = 0


@dataclass
class _Calls:
    """What a module answered while it was watched, and whether a layer that minds was in training mode."""

    outputs: list[np.ndarray[Any, Any]] = field(default_factory=list)
    in_training: bool = False

    @property
    def rows(self) -> int | None:
        """The rows that it was asked for; None where it was never called as a whole."""
        return sum(len(each) for each in self.outputs) if self.outputs else None


@dataclass
class _Evaluator:
    """Calls `evaluate` on what `judged` is, and puts back what a call changed."""

    judged: Any
    bench: Bench
    failed: dict[str, str] = field(default_factory=dict)
    changed: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __call__(self, examples: Examples, case: str) -> tuple[dict[str, float], _Calls]:
        evaluate = self.bench.work.recipe.evaluate
        assert evaluate is not None, "it was asked for"
        if isinstance(self.judged, State):  # what a fit of the team returned is evaluated as the fit left it
            as_after_a_step(self.judged)
        before = Before(self.judged)
        with kept_generators(), _watched(self.judged) as calls:
            perturb()
            try:
                found = own_metrics(evaluate, self.judged, examples)
            except MlspecError as error:
                self.failed[case] = error.message
                found = {}
        for part, names in before.changes().items():
            self.changed[part] = tuple(dict.fromkeys((*self.changed.get(part, ()), *names)))
        before.put_back()
        return found, calls


def own_evaluation(judged: Any, expected: Expected) -> OwnEvaluation:
    """The team's `evaluate` on the splits of `expected`; `judged` is what it is given."""
    bench, splits, task = expected.bench, expected.splits, expected.bench.work.recipe.task
    evaluate = _Evaluator(judged, bench)
    asked = [name for name in ("test", "val") if len(splits.get(name, ()))] or ["train"]
    split = asked[0]
    examples = splits[split]
    metrics: list[OwnMetric] = []
    whole, calls = evaluate(examples, "whole")
    metrics += expected.held(whole, split, None, "whole")
    for other in asked[1:]:
        metrics += expected.held(evaluate(splits[other], f"whole {other}")[0], other, None, "whole")
    repeats: dict[str, float] = {}
    if whole:
        again, calls_again = evaluate(examples, "again")
        metrics += _against(whole, again, "again", split=split, rows=len(examples), task=task)
        if calls.rows is not None and calls_again.rows is not None:
            repeats["own"] = _difference_of_answers(calls, calls_again)
        mixed_N = np.random.default_rng(0).permutation(len(examples))
        mixed, _ = evaluate(examples.take(mixed_N), "order")
        metrics += _against(whole, mixed, "order", split=split, rows=len(examples), task=task)
        part = expected.fewer(split)
        if part is not None:
            metrics += expected.held(evaluate(examples.take(part), "fewer")[0], split, part, "fewer")
    return OwnEvaluation(
        metrics=tuple(metrics),
        unknown={f"{split}.{name}": value for name, value in whole.items() if not plainly_known(name, task)},
        changed=evaluate.changed,
        failed=evaluate.failed,
        repeats=repeats,
        in_training=calls.in_training,
        answered=calls.rows,
        split=split,
        rows=len(examples),
    )


def _against(
    first: Mapping[str, float],
    second: Mapping[str, float],
    case: Literal["again", "order"],
    *,
    split: str,
    rows: int,
    task: str,
) -> Iterator[OwnMetric]:
    """The numbers of a second call against those of the first, of metrics whose name is known: others may be times."""
    for name, value in second.items():
        if name in first and plainly_known(name, task):
            allowed = _ROUNDING * max(1.0, abs(first[name]))
            yield OwnMetric(name, split, case, value, name, first[name], allowed, rows)


@contextmanager
def _watched(judged: Any) -> Iterator[_Calls]:
    """Keeps what the module of `judged` answers while the block runs."""
    calls = _Calls()
    module = judged.evaluated if isinstance(judged, State) else getattr(judged, "model", judged)
    if not isinstance(module, nn.Module):
        yield calls
        return

    def keep(called: nn.Module, given: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.dim():
            calls.outputs.append(output.detach().cpu().double().reshape(len(output), -1).numpy())
            calls.in_training = calls.in_training or called.training

    handle = module.register_forward_hook(keep)
    try:
        yield calls
    finally:
        handle.remove()


def _difference_of_answers(one: _Calls, other: _Calls) -> float:
    """The largest difference of what was answered, whatever the order of the rows; infinite for other numbers of rows."""
    if len({each.shape[1] for calls in (one, other) for each in calls.outputs}) > 1:
        return 0.0  # texts that are as long as the longest of their batch: rows cannot be put side by side
    first, second = (np.sort(np.concatenate(calls.outputs), axis=0) for calls in (one, other))
    return largest_difference(first, second)


def largest_difference(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    """The largest |one − other| relative to the largest number; infinite where the shapes differ or something is not a number."""
    if one.shape != other.shape:
        return float("inf")
    if not one.size:
        return 0.0
    scale = max(float(np.abs(one).max()), float(np.finfo(np.float64).tiny))
    return float(np.nan_to_num(np.abs(one - other), nan=np.inf).max()) / scale
