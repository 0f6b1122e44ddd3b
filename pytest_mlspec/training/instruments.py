"""What a training takes of its machine, and which of its steps are looked at more closely (`sample.py`).

The utilisation of a GPU is what NVML answers (extra `nvml`), the peak of its memory what torch's allocator counts.
Untested on CUDA and MPS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch

from pytest_mlspec.training.resident import peak_memory

# A sampled step of a small model takes a third longer, so where epochs are short, at most one in so many is.
_STEPS_BETWEEN_SAMPLES = 100


class Clock(Protocol):
    """Is told of the end of each phase of one step: `forward and backward`, then `update`."""

    def lap(self, phase: str) -> None:
        """The phase that ends now."""


def steps_between_samples(steps_per_epoch: int, total_steps: int) -> int:
    """Of so many steps the last one is sampled; a whole number of epochs, or the whole of a short training."""
    return min(steps_per_epoch * max(1, -(-_STEPS_BETWEEN_SAMPLES // steps_per_epoch)), total_steps)


@dataclass(frozen=True)
class Utilisation:
    """The share of time in which a GPU was busy, from 0 to 1; None, with the reason, where nothing tells."""

    share: float | None
    reason: str = ""


class Machine:
    """What a training takes of its machine; made before the training, read after it."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._shares: list[float] = []
        self._nvml, self._reason = nvml_handle(device)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    def sample(self) -> None:
        """Looks at the utilisation, as after an epoch."""
        if self._nvml is not None:
            pynvml, handle = self._nvml
            self._shares.append(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100)

    @property
    def utilisation(self) -> Utilisation:
        """The mean of what was sampled."""
        if not self._shares:
            return Utilisation(None, self._reason or "no epoch was long enough to look")
        return Utilisation(sum(self._shares) / len(self._shares))

    @property
    def peak_memory(self) -> int:
        """The largest resident memory of this process so far, in bytes."""
        return peak_memory()

    @property
    def peak_device_memory(self) -> int | None:
        """The most that torch has held on the GPU since the beginning, in bytes; None on the CPU and on MPS."""
        return torch.cuda.max_memory_allocated(self._device) if self._device.type == "cuda" else None


def nvml_handle(device: torch.device) -> tuple[tuple[Any, Any] | None, str]:
    """The module of NVML and its handle of `device`; or None, and why there is none."""
    if device.type != "cuda":
        return None, f"NVML knows nothing of {device.type}"
    try:
        import pynvml
    except ImportError:
        return None, "the package pynvml is not installed: pip install 'pytest-mlspec[nvml]'"
    try:
        pynvml.nvmlInit()
        uuid = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
        return (pynvml, pynvml.nvmlDeviceGetHandleByUUID(uuid)), ""
    except (pynvml.NVMLError, AttributeError) as error:
        return None, f"NVML does not answer: {error}"
