"""The time of a call on the device: by its events, after a synchronisation, with the device and its clock named."""

from __future__ import annotations

import pytest
import torch

from .cuda import CUDA, on_cuda

pytestmark = on_cuda


def test_events_time_what_the_device_does() -> None:
    """A call that only queues its work is as long as that work, and no longer than on the wall."""
    from pytest_mlspec.probes.cuda_timing import EventStopwatch, device_products

    reference = device_products(CUDA)
    reference()

    def queues() -> None:
        for _ in range(200):
            reference()

    one, many = EventStopwatch(CUDA).lap(reference), EventStopwatch(CUDA).lap(queues)

    assert 0 < one.own < many.own <= many.wall


def test_the_device_and_its_clock_are_named() -> None:
    """Or why the clock is not known."""
    from pytest_mlspec.probes.cuda_timing import described

    found = described(CUDA)

    assert found.startswith(torch.cuda.get_device_name(CUDA))
    assert " MHz" in found or "clock unknown: " in found


@pytest.mark.slow
def test_a_gate_on_the_time_of_a_call(pytester: pytest.Pytester) -> None:
    """The report names the device."""
    pytester.makeini("[pytest]\n")
    (pytester.path / "digits.mlspec.yaml").write_text(SPEC, "utf-8")
    result = pytester.runpytest_subprocess("--mlspec", "-vv", timeout=600)

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines([f"*calls of eager, 64 rows, 1 thread, {torch.cuda.get_device_name(CUDA)}*"])


SPEC = """
mlspec: 1
name: digits
task: multiclass
data: {source: sklearn.digits}
model: {use: mlp, hidden: [64]}
train: {epochs: 1, device: cuda}
gates:
  "latency.min[batch=64]": {at_most: 10s}
  "latency.first[batch=64]": {at_most: 100s}
"""
