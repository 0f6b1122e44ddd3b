"""Runs in turn, medians with quartiles, and what is printed and written."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch

PACKAGES = ("torch", "pytest-mlspec", "lightning", "transformers", "skorch")


@dataclass
class Clock:
    """The CPU seconds between the end of the first epoch and the end of the training, so that no set-up is counted."""

    _started: float | None = field(default=None)
    seconds: float = 0.0

    def start(self) -> None:
        """To be called when the second epoch begins; later calls change nothing."""
        if self._started is None:
            self._started = time.process_time()

    def stop(self) -> None:
        """To be called when the training ends."""
        assert self._started is not None, "the training had no second epoch"
        self.seconds = time.process_time() - self._started


@dataclass(frozen=True)
class Ratio:
    """How often as fast as its reference: the median of n ratios, and their quartiles."""

    name: str
    median: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, name: str, ratios: Sequence[float]) -> Ratio:
        low, median, high = np.quantile(ratios, [0.25, 0.5, 0.75]).tolist()
        return cls(name, median, low, high, len(ratios))

    def __str__(self) -> str:
        return f"{self.name:<34} {self.median:>6.2f}  {self.low:>5.2f} .. {self.high:<5.2f} n={self.n}"


def machine() -> str:
    """Processor, threads and versions."""
    known = [f"{name} {found}" for name in PACKAGES if (found := _version(name))]
    threads = f"{torch.get_num_threads()} thread of {os.cpu_count()} cores"
    return ", ".join([platform.machine(), threads, f"Python {platform.python_version()}", *known])


def write(path: Path | None, name: str, rows: Mapping[str, Sequence[Any]]) -> None:
    """Writes `rows` with the machine as JSON to `path`, where it is given."""
    if path is not None:
        plain = {key: [asdict(row) for row in values] for key, values in rows.items()}
        path.write_text(json.dumps({"benchmark": name, "machine": machine(), **plain}, indent=1) + "\n")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
