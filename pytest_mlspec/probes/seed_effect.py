"""Whether another seed gives another training: the beginning of two, and the state in which each leaves the random generators.

Two seeds leave a global generator in one state only where the code seeds it again with a constant. Equal weights alone would
say nothing: a model may begin with stored ones. Of a team's own fit, the first optimiser steps on a few rows are looked at.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np

from pytest_mlspec.engines.assembly import assemble
from pytest_mlspec.engines.generators import seed_generators, torch_is_installed
from pytest_mlspec.engines.outside import from_outside
from pytest_mlspec.errors import MlspecError
from pytest_mlspec.evidence import SeedsTried
from pytest_mlspec.exports import first_line
from pytest_mlspec.jobs import TrySeeds
from pytest_mlspec.probes.gradients import steps_of
from pytest_mlspec.recipe.protocol import Examples
from pytest_mlspec.recipe.work import Result, Work

_STEPS, _ROWS = 2, 256
_OF_STEPS = frozenset({"torch", "transformers", "lightning", "keras"})
_OTHER = 7919
"""What the other seed is larger by."""


def try_seeds(job: TrySeeds, work: Work) -> Result:
    """Begins the training with the declared seed and with another; tells why, where an engine cannot be asked."""
    engine = work.spec.train.engine.use
    seed = work.spec.train.seed
    seeds = (seed, seed + _OTHER)
    if engine not in _OF_STEPS and engine != "callable":
        return Result(SeedsTried(seeds, left_out=f"the engine {engine} draws nothing that the team's code could seed"))
    with from_outside("the beginning of a training", key="recipe"):
        begin = _fit if engine == "callable" else _steps
        first, second = (_seen(begin, work, each) for each in seeds)
    if refused := first.refused or second.refused:
        return Result(SeedsTried(seeds, left_out=f"for a few of the rows, {refused}"))
    return Result(
        SeedsTried(
            seeds,
            same=tuple(name for name, state in first.states.items() if state == second.states.get(name)),
            places=tuple(place for place in dict.fromkeys(first.places) if place in second.places),
        )
    )


@dataclass
class _Seen:
    """The states of the generators when it was over, by name, and where the team's code seeded one, with what.

    `refused` is what the team's fit raised, for few rows alone.
    """

    root: Path
    states: dict[str, Any] = field(default_factory=dict)
    places: list[str] = field(default_factory=list)
    refused: str = ""

    def look(self) -> None:
        """Takes in the states as they are now."""
        self.states = {"random": random.getstate(), "numpy.random": _of_numpy()}
        if "torch" in sys.modules:
            import torch

            self.states["torch"] = torch.default_generator.get_state().numpy().tobytes()


def _of_numpy() -> Any:
    name, keys, *rest = np.random.get_state()
    return (name, np.asarray(keys).tobytes(), *rest)


def _seen(begin: Callable[[Work, int, _Seen], None], work: Work, seed: int) -> _Seen:
    seen = _Seen(work.root)
    with _seeding_watched(seen):
        begin(work, seed, seen)
    return seen


def _steps(work: Work, seed: int, seen: _Seen) -> None:
    """The first steps of a training whose steps an engine takes one by one."""
    other = replace(
        work, spec=work.spec.model_copy(update={"train": work.spec.train.model_copy(update={"seed": seed})})
    )
    assembly = assemble(other)
    order = assembly.settings.order(len(assembly.examples), seed)
    first = list(islice((step for epoch in count() for step in order.steps(epoch)), _STEPS))
    steps = steps_of(other, assembly, first)
    steps.walk(lambda model: None, lambda model: seen.look())


def _fit(work: Work, seed: int, seen: _Seen) -> None:
    """The team's own fit on a few rows, ended after a few steps of torch's optimisers where it takes such."""
    recipe, splits = work.recipe, work.prepared.splits
    assert recipe.fit is not None, "a recipe for the engine callable has a fit"
    examples = {name: _few(splits[name]) for name in ("train", "val") if len(splits.get(name, ()))}
    seed_generators(seed, with_torch=torch_is_installed())
    with ExitStack() as stack:
        if torch_is_installed():
            stack.enter_context(_ended_after(_STEPS))
        try:
            recipe.fit(examples, seed=seed)
        except _EnoughError:
            seen.look()
        except Exception as error:  # whatever the team's fit raises for so few rows
            seen.refused = error.message if isinstance(error, MlspecError) else first_line(error)
        else:
            seen.look()


def _few(examples: Examples) -> Examples:
    return examples.take(np.unique(np.linspace(0, len(examples) - 1, min(_ROWS, len(examples))).astype(np.int64)))


class _EnoughError(BaseException):
    """Ends a fit; no handler of exceptions stops it."""


@contextmanager
def _ended_after(steps: int) -> Iterator[None]:
    from torch.optim.optimizer import register_optimizer_step_post_hook

    taken = 0

    def after_step(*arguments: Any) -> None:
        nonlocal taken
        taken += 1
        if taken >= steps:
            raise _EnoughError

    handle = register_optimizer_step_post_hook(after_step)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _seeding_watched(seen: _Seen) -> Iterator[None]:
    """Notes where code below the root calls a function that seeds a global generator."""
    holders: list[tuple[Any, str, str]] = [(random, "seed", "random.seed"), (np.random, "seed", "numpy.random.seed")]
    if torch_is_installed():
        import torch

        holders.append((torch, "manual_seed", "torch.manual_seed"))
    with ExitStack() as stack:
        for holder, name, told in holders:
            before = getattr(holder, name)
            stack.callback(setattr, holder, name, before)
            setattr(holder, name, _noting(before, told, seen))
        yield


def _noting(before: Callable[..., Any], told: str, seen: _Seen) -> Callable[..., Any]:
    def noting(*arguments: Any, **named: Any) -> Any:
        frame = sys._getframe(1)
        file = Path(frame.f_code.co_filename)
        if file.is_relative_to(seen.root) and "site-packages" not in file.parts:
            given = ", ".join(map(repr, (*arguments, *named.values())))
            seen.places.append(f"{file.relative_to(seen.root)}:{frame.f_lineno} {told}({given:.40})")
        return before(*arguments, **named)

    return noting
