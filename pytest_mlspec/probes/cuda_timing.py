"""The time of a call on a CUDA device, by its events, and the clock that the device runs at. Untested without one."""

from __future__ import annotations

import time

import torch

from pytest_mlspec.probes.stopwatch import Call, Lap
from pytest_mlspec.training.instruments import nvml_handle


class EventStopwatch:
    """Events in the device's own stream: a call is as long as the device has from its first work to its last."""

    tells_waits = False

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def lap(self, call: Call) -> Lap:
        """How long `call` takes: on the wall until its last result is there, and by the events."""
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        torch.cuda.synchronize(self._device)  # synchronises: nothing of an earlier call may still run
        began = time.perf_counter_ns()
        begin.record(torch.cuda.current_stream(self._device))
        call()
        end.record(torch.cuda.current_stream(self._device))
        end.synchronize()  # synchronises: the call ends here
        return Lap(time.perf_counter_ns() - began, 1e6 * begin.elapsed_time(end))


def device_products(device: torch.device) -> Call:
    """The reference for a device: a product of matrices, some tens of microseconds and more."""
    left = torch.rand(1024, 1024, device=device)
    product = torch.empty_like(left)

    def reference() -> None:
        torch.mm(left, left, out=product)

    return reference


def described(device: torch.device) -> str:
    """The name of the device, with its clock where NVML tells it."""
    name = torch.cuda.get_device_name(device)
    nvml, reason = nvml_handle(device)
    if nvml is None:
        return f"{name}, clock unknown: {reason}"
    pynvml, handle = nvml
    try:
        clock = pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_SM)
        highest = pynvml.nvmlDeviceGetMaxClockInfo(handle, pynvml.NVML_CLOCK_SM)
    except pynvml.NVMLError as error:  # a part of a GPU does not tell
        return f"{name}, clock unknown: {error}"
    return f"{name} at {clock} MHz (at most {highest})"
