"""What became of gradients, parameters and buffers in a watched training: from what the watch saw to fields of a `LoopTrace`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pytest_mlspec.training.watch import Seen
from pytest_mlspec.training.watch_rows import RowFinder
from pytest_mlspec.training.watch_state import Forward, Root, depends_on_mode, sample

# What wraps a module puts its own name in front of those of the parameters.
_WRAPPERS = ("module.", "_orig_mod.")


def state_fields(seen: Seen, finder: RowFinder | None, evaluated: Iterable[nn.Module]) -> dict[str, Any]:
    """Fields of a `LoopTrace`; `evaluated` are the modules that are evaluated at the end."""
    evaluated = list(evaluated)
    unheld, stale = _unheld(seen, evaluated)
    accumulated, dropped = _windows(seen)
    outside = [] if finder is None else [one for one in seen.forwards if _is_outside(one, finder)]
    mixed = finder is not None and _trains_on_others(seen, finder)
    by_mode = [one for one in outside if not one.used and depends_on_mode(one.root.module)]
    return {
        "steps": seen.count,
        "leftover": seen.leftover,
        "leftover_name": seen.leftover_name,
        "late": 0 if seen.within_backward else seen.late,
        "restarts": seen.restarts,
        "accumulated": accumulated,
        "dropped": 0 if seen.within_backward else dropped,
        "unheld": unheld,
        "stale": stale,
        "idle": tuple(holder.name for holder in seen.holders if holder.steps and not holder.with_gradients),
        "half": seen.half,
        "lost": float(np.mean(seen.lost)) if seen.lost else None,
        "single_rows": seen.single_rows,
        "changed": tuple(dict.fromkeys(name for one in seen.forwards if not one.training for name in one.changed)),
        "evaluation_backward": 0 if mixed else sum(one.used for one in outside),
        "evaluation_in_training": sum(one.training for one in by_mode),
        "stands": _stands(seen, evaluated),
    }


def equal_starts(first: Seen, second: Seen) -> bool | None:
    """Whether two trainings began with equal weights; None where they have other modules."""
    ones, others = ([root.start for root in seen.roots if root.start] for seen in (first, second))
    if not ones or [list(each) for each in ones] != [list(each) for each in others]:
        return None
    return all(torch.equal(one[name], other[name]) for one, other in zip(ones, others, strict=True) for name in one)


def _unheld(seen: Seen, evaluated: list[nn.Module]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Parameters that get gradients, do not move and are in no optimiser that steps; and modules of which all are such.

    A module as a whole may be a teacher that nobody detached. It counts where it is what is evaluated at the end, or where an
    optimiser steps that never finds a gradient.
    """
    watched = {id(one.tensor): one for one in seen.parameters}
    idle = any(holder.steps and not holder.with_gradients for holder in seen.holders)
    names: list[str] = []
    whole: list[str] = []
    for root in seen.roots:
        learning = [
            (name, parameter)
            for name, parameter in root.module.named_parameters()
            if id(parameter) in watched and watched[id(parameter)].ever
        ]
        left = [name for name, parameter in learning if not watched[id(parameter)].stepped and _stayed(root, name)]
        if not left or not seen.count:
            continue
        if len(left) < len(learning):
            names += left
        elif idle or any(root.module is module for module in evaluated) or not any(one.steps for one in seen.roots):
            whole.append(type(root.module).__name__)
    return tuple(dict.fromkeys(names)), tuple(dict.fromkeys(whole))


def _stayed(root: Root, name: str) -> bool:
    now = dict(root.module.named_parameters()).get(name)
    return now is not None and name in root.start and torch.equal(sample(now), root.start[name])


def _windows(seen: Seen) -> tuple[int, int]:
    """The backward passes of the most steps, and how many windows of fewer were lost.

    A window that is not thrown away at the end of an epoch goes into the first step of the next one: that step then has more
    passes than others, and the last window of all is left over.
    """
    passes = [step.backwards for step in seen.steps if step.backwards]
    if not passes:
        return 1, 0
    [(usual, _)] = Counter(passes).most_common(1)
    lost = sum(0 < count < usual for count in seen.dropped)
    carried = 0 < seen.pending < usual and len(set(passes)) > 1
    return usual, lost + carried


def _is_outside(forward: Forward, finder: RowFinder) -> bool:
    rows = forward.rows
    return rows is not None and len(rows) > 0 and bool(((rows >= finder.train) & (rows < finder.all)).all())


def _trains_on_others(seen: Seen, finder: RowFinder) -> bool:
    """Whether some batch holds rows for training together with those of other splits: the loop trains on both."""
    for step in seen.steps:
        for forward in step.forwards:
            rows = forward.rows
            if rows is None or not (rows < finder.train).any():
                continue
            if ((rows >= finder.train) & (rows < finder.all)).any():
                return True
    return False


def _stands(seen: Seen, evaluated: list[nn.Module]) -> str:
    """The class of what is evaluated with the weights of the beginning, while those that were trained have moved."""
    stepped = {id(one.tensor) for one in seen.parameters if one.stepped}
    trained = [root for root in seen.roots if root.steps and root.start]
    for module in evaluated:
        own = {_plain(name): parameter for name, parameter in module.named_parameters()}
        if not own or any(id(parameter) in stepped for parameter in own.values()):
            continue
        for root in trained:
            start = {_plain(name): value for name, value in root.start.items()}
            now = {_plain(name): parameter for name, parameter in root.module.named_parameters()}
            shared = [name for name in own if name in start and name in now and now[name].shape == own[name].shape]
            moved = [name for name in shared if not _equal(now[name], start[name])]
            if len(shared) == len(own) and moved and all(_equal(own[name], start[name]) for name in moved):
                return type(module).__name__
    return ""


def _equal(parameter: Tensor, value: Tensor) -> bool:
    return torch.equal(sample(parameter), value)


def _plain(name: str) -> str:
    for wrapper in _WRAPPERS:
        name = name.removeprefix(wrapper)
    return name
