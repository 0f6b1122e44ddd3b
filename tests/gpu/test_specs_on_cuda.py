"""A spec with `device: cuda` through pytest: its jobs run in spawned processes, and what it claims holds there too."""

from __future__ import annotations

import pytest
import torch

from .cuda import CUDA, on_cuda

pytestmark = [*on_cuda, pytest.mark.slow]

SPEC = """
mlspec: 1
name: digits
task: multiclass
data: {source: sklearn.digits, split: {test: 0.2, val: 0.1, stratify: true}}
model: {use: mlp, hidden: [64], dropout: 0.1}
train:
  optimizer: {use: adamw, lr: 3e-3}
  schedule: {use: cosine, warmup: 5%}
  epochs: 20
  clip_norm: 1.0
  device: cuda
  deterministic: true
  PRECISION
checks: standard
gates:
  test.accuracy: {at_least: 0.9}
"""


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_spec_holds_on_the_device(pytester: pytest.Pytester, precision: str) -> None:
    """All checks and the gate; the report names the device."""
    pytester.makeini("[pytest]\n")
    (pytester.path / "digits.mlspec.yaml").write_text(SPEC.replace("PRECISION", f"precision: {precision}"), "utf-8")
    result = pytester.runpytest_subprocess("--mlspec", "-vv", timeout=600)

    result.assert_outcomes(passed=8)
    result.stdout.fnmatch_lines([f"*test.accuracy*passed*{torch.cuda.get_device_name(CUDA)}*"])
