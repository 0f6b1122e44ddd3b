"""The rules of the language that types cannot say: names, arguments, combinations. Each is a function that finds mistakes.

    task.py       what is learned, and the keys that a spec must have
    data.py       target, split;  sources.py  names and files of data, and how they are read;  preparation.py  its steps
    training.py   model, engine, and how they go together;  arguments.py  what optimisers, losses and schedules take
    embedding.py  columns with their roles, losses of embeddings;  pretrained.py  models that were trained before
    model.py      models by name: arguments, what enters them, task and loss;  what learns
    trainer.py    the engine transformers: what its Trainer takes
    loading.py    how rows reach a training: changed, drawn by class, repeated, loaded by workers
    claims.py     checks and gates;  export.py  formats and opsets;  latency.py  the time of a call, `machine`
    mteb.py       tasks of MTEB, their data, gates on them
    run.py        tags, and what the machine must have
    uses.py       names and import paths, wherever they stand;  mistake.py  what a rule finds

Everything here can be known without running code or reading data; what only a worker can find is a red item instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlspec.language.rules import (
    claims,
    data,
    embedding,
    export,
    latency,
    loading,
    mteb,
    pretrained,
    run,
    task,
    training,
)
from pytest_mlspec.language.rules.claims import bound_values
from pytest_mlspec.language.rules.mistake import Mistake

if TYPE_CHECKING:
    from pytest_mlspec.language.spec import Spec

__all__ = ["Mistake", "bound_values", "mistakes"]


def mistakes(spec: Spec, *, root: Path, folder: Path | None = None) -> Iterator[Mistake]:
    """Every mistake in `spec`; paths of data are relative to `root`. `folder` is that of the file."""
    yield from task.mistakes(spec)
    yield from data.mistakes(spec, root, folder)
    yield from embedding.mistakes(spec)
    yield from training.mistakes(spec)
    yield from pretrained.mistakes(spec, root)
    yield from loading.mistakes(spec)
    yield from claims.mistakes(spec)
    yield from export.mistakes(spec)
    yield from latency.mistakes(spec)
    yield from mteb.mistakes(spec, root, folder)
    yield from run.mistakes(spec)
