"""The rules of the language that types cannot say: names, arguments, combinations. Each is a function that finds mistakes.

    task.py       what is learned, and the keys that a spec must have
    data.py       source, split, preparation
    training.py   model, engine, and how they go together;  arguments.py  what optimisers, losses and schedules take
    claims.py     checks and gates
    run.py        tags, and what the machine must have
    uses.py       names and import paths, wherever they stand;  mistake.py  what a rule finds

Everything here can be known without running code or reading data; what only a worker can find is a red item instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlspec.language.rules import claims, data, run, task, training
from pytest_mlspec.language.rules.claims import bound_values
from pytest_mlspec.language.rules.mistake import Mistake

if TYPE_CHECKING:
    from pytest_mlspec.language.spec import Spec

__all__ = ["Mistake", "bound_values", "mistakes"]


def mistakes(spec: Spec, *, root: Path) -> Iterator[Mistake]:
    """Every mistake in `spec`; paths of data are relative to `root`."""
    yield from task.mistakes(spec)
    yield from data.mistakes(spec, root)
    yield from training.mistakes(spec)
    yield from claims.mistakes(spec)
    yield from run.mistakes(spec)
