"""The seed of a training, and the global random generators where torch may not be installed."""

from __future__ import annotations

import os
import random
from importlib.util import find_spec

import numpy as np

from pytest_mlspec.jobs import Interrupt, Resume, Train
from pytest_mlspec.recipe.work import Work


def seed_of(job: Train | Interrupt | Resume, work: Work) -> int:
    """The seed that `job` asks for, else that of its spec."""
    return work.spec.train.seed if isinstance(job, Interrupt | Resume) or job.seed is None else job.seed


def torch_is_installed() -> bool:
    """True where torch can be imported; nothing is imported to tell."""
    return find_spec("torch") is not None


def seed_generators(seed: int, *, with_torch: bool) -> None:
    """Sets the generators of Python and NumPy from `seed`, and those of torch, which that imports."""
    if with_torch:
        from pytest_mlspec.training.seeding import seed_everything

        seed_everything(seed)
        return
    random.seed(seed)
    np.random.seed(seed)


def perturb_generators(*, with_torch: bool) -> None:
    """Sets them to a state that the operating system draws, unlike that of any other process."""
    if with_torch:
        from pytest_mlspec.training.seeding import perturb

        perturb()
        return
    random.seed(os.urandom(32))
    np.random.seed(np.frombuffer(os.urandom(16), dtype=np.uint32))
