"""Gates on the time of a call that could not be trusted, or would mean nothing: each told before training."""

from __future__ import annotations

from pathlib import Path

import pytest
from churn_spec import remedy, spec

GATE = "test.accuracy: {at_least: 0.9}"
TRAIN = "epochs: 10"

MISTAKES = [
    (
        ((GATE, "'latency.p99[batch=256]': {at_most: 40ms}"),),
        "14:3  gates.latency.p99[batch=256]: latency.p99 tells of the neighbours on a machine that does anything else",
        "gate latency.min or latency.p50; or write `machine: quiet`",
    ),
    (((GATE, "latency.p90: {at_most: 40ms}"),), "latency.p90 tells of the neighbours", "machine: quiet"),
    (((GATE, "latency.p95: {at_most: 40ms}"),), "latency.p95 tells of the neighbours", "machine: quiet"),
    (
        (("name: churn", "name: churn\nmachine: quiet"),),
        "machine: no gate needs a quiet machine",
        "remove it, or gate one of: latency.p90, latency.p95, latency.p99",
    ),
    (
        (("name: churn", "name: churn\nmachine: quiet"), (GATE, "latency.min: {at_most: 40ms}")),
        "machine: no gate needs a quiet machine",
        "remove it",
    ),
    (
        ((GATE, "'latency.min[of=predict]': {at_most: 40ms}"),),
        "there is no serving path: only a recipe can give predict(trained, rows)",
        "write another form",
    ),
    (
        ((GATE, "'latency.min[threads=4]': {at_most: 40ms}"), (TRAIN, "epochs: 10\n  device: cuda:0")),
        "threads mean nothing to cuda:0",
        "remove threads=… from the brackets",
    ),
    (
        ((GATE, "latency.min: {at_most: 40 rows}"),),
        "'40 rows' is not a duration",
        "such as 90s",
    ),
    (
        ((GATE, "latency.min: {at_least: -1}"),),
        "this cannot fail: latency.min is never below 0",
        "",
    ),
]


@pytest.mark.parametrize(("changes", "message", "advice"), MISTAKES)
def test_a_mistake_is_told_with_its_remedy(
    tmp_path: Path, changes: tuple[tuple[str, str], ...], message: str, advice: str
) -> None:
    """One mistake gives one message, and the advice below it."""
    found, remedied = remedy(tmp_path, *changes)

    assert message in found
    assert advice in remedied


@pytest.mark.parametrize(
    "changes",
    [
        ((GATE, "latency.min: {at_most: 40ms}"),),
        ((GATE, "'latency.p50[batch=256, threads=2, of=onnx]': {within: [1ms, 1s]}"),),
        ((GATE, "latency.throughput: {at_least: 5000}"),),
        ((GATE, "latency.p99: {at_most: 40ms}"), ("name: churn", "name: churn\nmachine: quiet")),
        ((GATE, "'latency.min[threads=4, of=onnx]': {at_most: 40ms}"), (TRAIN, "epochs: 10\n  device: cuda")),
        ((GATE, "'latency.min[of=predict]': {at_most: 40ms}"), ("name: churn", "name: churn\nrecipe: serving")),
    ],
)
def test_a_gate_that_can_be_held_is_accepted(tmp_path: Path, changes: tuple[tuple[str, str], ...]) -> None:
    """With the promise of a quiet machine where it needs one."""
    assert spec(tmp_path, *changes).spec.gates
