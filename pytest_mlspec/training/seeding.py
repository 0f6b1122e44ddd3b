"""Random states: set from a seed, derived from one, made unlike any other, saved and put back.

Covered are Python's `random`, NumPy's global generator and torch's default generators (CPU, CUDA, MPS). A generator that
the user's code made for itself is not: what it draws differs after a resume, and the check `resumes` says so.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

RandomState = dict[str, Any]
"""Plain values and tensors, as `rng_state` returns them; what a checkpoint stores."""


def seed_everything(seed: int) -> None:
    """Sets every global generator from `seed`."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def generator(seed: int, *stream: int | str) -> torch.Generator:
    """A CPU generator of its own for each `seed` and `stream`, independent of the global ones.

    >>> int(generator(0, "order", 3).initial_seed()) == int(generator(0, "order", 4).initial_seed())
    False
    """
    return torch.Generator().manual_seed(derived_seed(seed, *stream))


def derived_seed(seed: int, *stream: int | str | None) -> int:
    """A seed of 63 bits for each `seed` and `stream`."""
    digest = hashlib.sha256(repr((seed, *stream)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def seed_generators(seed: int) -> None:
    """Sets the global generators of the CPU from `seed`; those of a device, which nothing that loads rows uses, stay."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed)


@contextmanager
def kept_generators() -> Iterator[None]:
    """Afterwards the global generators of the CPU are as they were before."""
    python, numpy, of_torch = random.getstate(), np.random.get_state(), torch.default_generator.get_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.default_generator.set_state(of_torch)


def perturb() -> None:
    """Sets every global generator to a state that the operating system draws, unlike that of any other process."""
    random.seed(os.urandom(32))
    np.random.seed(np.frombuffer(os.urandom(16), dtype=np.uint32))
    torch.manual_seed(int.from_bytes(os.urandom(8), "big") >> 1)


def rng_state() -> RandomState:
    """The state of every global generator. Costs a synchronisation per CUDA device that is in use."""
    version, words, gauss = random.getstate()
    twister = np.random.get_state(legacy=False)
    state: RandomState = {
        "python": [version, list(words), gauss],
        "numpy": {
            "key": twister["state"]["key"].tolist(),
            "pos": int(twister["state"]["pos"]),
            "has_gauss": int(twister["has_gauss"]),
            "gauss": float(twister["gauss"]),
        },
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        state["cuda"] = torch.cuda.get_rng_state_all()
    if torch.backends.mps.is_available():
        state["mps"] = torch.mps.get_rng_state()
    return state


def set_rng_state(state: RandomState) -> None:
    """Puts back what `rng_state` returned; a device that this process does not have is left out."""
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    numpy = state["numpy"]
    key = np.array(numpy["key"], dtype=np.uint32)
    np.random.set_state(("MT19937", key, numpy["pos"], numpy["has_gauss"], numpy["gauss"]))
    torch.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.device_count() == len(state["cuda"]):
        torch.cuda.set_rng_state_all(state["cuda"])
    if "mps" in state and torch.backends.mps.is_available():
        torch.mps.set_rng_state(state["mps"])
