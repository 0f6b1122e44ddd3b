"""The rules of `export` under `checks`, and of gates on exported models."""

from __future__ import annotations

from pathlib import Path

import pytest
from churn_spec import remedy, spec

CHECKS = "checks: [standard]"
GATES = "test.accuracy: {at_least: 0.9}"
SKLEARN = (
    "model: {use: mlp, hidden: [8]}\ntrain:\n  optimizer: {use: adamw, lr: 3e-3}\n  epochs: 10\n",
    "model: LogisticRegression\ntrain: {engine: sklearn}\n",
)


def asked(params: str) -> tuple[str, str]:
    return (CHECKS, f"checks: [{{export: {params}}}]")


@pytest.mark.parametrize(
    ("params", "found", "advice"),
    [
        ("{to: [onx]}", "12:25  checks[0].export.to[0]: unknown format 'onx'", "did you mean 'onnx'?"),
        ("{to: [onnx, onnx]}", "12:31  checks[0].export.to[1]: onnx is listed twice", "keep one of them"),
        ("{opset: 12}", "12:20  checks[0].export.opset: opset 12 cannot be written", "write one from 16 to 26"),
        (
            "{to: [torchscript], opset: 18}",
            "12:39  checks[0].export.opset: torchscript has no opset",
            "remove this key: opsets are those of onnx",
        ),
        ("{metric: acuracy}", "12:20  checks[0].export.metric: unknown metric 'acuracy'", "did you mean 'accuracy'?"),
        ("{opsett: 18}", "12:20  checks[0].export.opsett: export has no parameter 'opsett'", "did you mean 'opset'?"),
    ],
)
def test_a_parameter_that_means_nothing_is_refused(tmp_path: Path, params: str, found: str, advice: str) -> None:
    """Before anything is trained, with its place and what to write."""
    assert remedy(tmp_path, asked(params)) == (found, advice)


def test_a_metric_of_another_task_is_refused(tmp_path: Path) -> None:
    """The metric of the exported model is measured as every metric is."""
    found, _ = remedy(tmp_path, asked("{metric: r2}"))

    assert found == "12:20  checks[0].export.metric: r2 is not defined for the task binary"


def test_a_format_that_is_not_written_from_an_estimator_is_refused(tmp_path: Path) -> None:
    """Nothing would write it."""
    with_sklearn = (
        "model: {use: mlp, hidden: [8]}\ntrain:\n  optimizer: {use: adamw, lr: 3e-3}\n  epochs: 10\nchecks: [standard]",
        "model: LogisticRegression\ntrain: {engine: sklearn}\nchecks: [{export: {to: [torch_export]}}]",
    )
    found, _ = remedy(tmp_path, with_sklearn)

    assert found == "10:25  checks[0].export.to[0]: the engine sklearn does not export to torch_export"


@pytest.mark.parametrize(
    ("gate", "found"),
    [
        ("export.onx.size: {at_most: 2MB}", "unknown format 'onx'"),
        ('"export.onnx.size[opset=12]": {at_most: 2MB}', "opset 12 cannot be written"),
        ("export.onnx.sise: {at_most: 2MB}", "unknown quantity 'export.onnx.sise'"),
        ('"export.onnx.size[batch=1]": {at_most: 2MB}', "has no selector 'batch'"),
    ],
)
def test_a_gate_on_what_is_not_there_is_refused(tmp_path: Path, gate: str, found: str) -> None:
    """With the nearest name."""
    assert found in remedy(tmp_path, (GATES, gate))[0]


def test_sizes_are_written_with_their_unit(tmp_path: Path) -> None:
    """As everywhere."""
    declared = spec(tmp_path, asked("{to: [onnx, onnx_int8]}"), (GATES, "export.onnx.size: {at_most: 2MB}"))

    assert declared.spec.gates["export.onnx.size"].at_most == "2MB"
