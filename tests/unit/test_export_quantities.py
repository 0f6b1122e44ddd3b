"""Gates on exported models: size, opset and difference, from hand-made evidence."""

from __future__ import annotations

import pytest

from pytest_mlspec import quantities
from pytest_mlspec.evidence import Difference, Exported, Parity
from pytest_mlspec.jobs import Export, LoadExport
from pytest_mlspec.quantities import Reading

ONNX = Exported("onnx", "model.onnx", 12_000, 18, "torch 2.13", ("1 row",), "test")
DIFFERENCES = {"1 row": Difference(1, absolute=1e-7), "2 rows": Difference(2, absolute=3e-7)}


def difference(**more: Difference) -> Reading:
    quantity = quantities.parse("export.onnx.difference")
    return quantity.read(Parity("onnx", {**DIFFERENCES, **more}, "a fresh process"))


def test_the_size_is_in_bytes() -> None:
    """With what wrote the file."""
    found = quantities.parse("export.onnx.size").read(ONNX)

    assert (found.value, found.facts) == (12_000.0, ("written by torch 2.13",))


def test_a_format_without_an_opset_is_skipped() -> None:
    """Never passed."""
    quantity = quantities.parse("export.onnx.opset")

    assert quantity.read(ONNX).value == 18.0
    without = Exported("torchscript", "model.ts", 1, None, "torch", (), "test")
    assert quantities.parse("export.torchscript.opset").read(without).missing == "torchscript has no opset"


def test_the_largest_difference_counts() -> None:
    """And its case is named."""
    found = difference()

    assert (found.value, found.n, found.facts) == (3e-7, 3, ("the largest is that of 2 rows",))


def test_a_case_that_was_refused_has_no_difference() -> None:
    """An empty batch may be refused, as in the check."""
    refused = Difference(0, error="RuntimeError: no")

    assert difference(**{"3 rows": refused}).value is None
    assert difference(**{"no row": refused}).value == 3e-7


@pytest.mark.parametrize(
    ("gate", "job"),
    [
        ("export.onnx.size", Export("onnx")),
        ("export.onnx.size[opset=17]", Export("onnx", 17)),
        ("export.torchscript.size[opset=17]", Export("torchscript")),
        ("export.onnx.difference", LoadExport(Export("onnx"))),
    ],
)
def test_a_gate_asks_for_the_file_of_its_opset(gate: str, job: object) -> None:
    """So that a check of the same opset shares it."""
    assert quantities.parse(gate).job == job
