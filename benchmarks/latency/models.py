"""What is timed: networks of a given number of layers, and processes that keep the processors busy meanwhile."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import torch
from torch import nn

NEIGHBOURS = 4


@dataclass(frozen=True)
class Size:
    """A network of `layers` layers of `width`, called with `batch` rows; `name` is about what a call takes where it was made."""

    name: str
    width: int
    layers: int
    batch: int


SIZES = (
    Size("0.3 ms", 256, 10, 16),
    Size("3 ms", 512, 8, 64),
    Size("30 ms", 1024, 11, 128),
    Size("100 ms", 1024, 19, 256),
)


@cache
def call_of(size: Size, *, slower: bool) -> Callable[[], object]:
    """A call of the network; of one and a half times the layers where it has become slower."""
    layers = round(1.5 * size.layers) if slower else size.layers
    torch.manual_seed(0)
    model = nn.Sequential(*(nn.Sequential(nn.Linear(size.width, size.width), nn.ReLU()) for _ in range(layers))).eval()
    inputs = torch.rand(size.batch, size.width)

    def call() -> object:
        with torch.no_grad():
            return model(inputs)

    return call


@contextmanager
def neighbours(count: int) -> Iterator[None]:
    """Within it, so many processes compute without a pause."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait(timeout=10)
