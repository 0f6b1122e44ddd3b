"""The check `export`, on hand-made evidence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from pytest_mlspec.check import Status, Verdict
from pytest_mlspec.checks.export import ExportParams, export
from pytest_mlspec.evidence import Difference, Parity
from pytest_mlspec.jobs import Export, LoadExport

SOUND = Difference(64, absolute=3e-7, excess=-1e-6, scale=8.0, worst_row=3)
WRONG = Difference(64, absolute=0.5, excess=0.4, scale=8.0, decisions=7, worst_row=9)
REFUSED = Difference(1, error="RuntimeError: 64 rows are needed")
ONNX = Parity(
    format="onnx",
    differences={"1 row": replace(SOUND, rows=1), "64 rows": SOUND, "no row": Difference(0, 0.0, 0.0)},
    loaded_with="a fresh process",
    metric="test.accuracy",
    score=0.95,
    reference_score=0.95,
    rows=360,
    size=12_000,
    opset=18,
    notes=("written by torch",),
)
INT8 = replace(ONNX, format="onnx_int8", exact=False, differences={"64 rows": WRONG}, score=0.945)


def judged(parity: Parity = ONNX, *others: Parity, **params: Any) -> Verdict:
    found = {each.format: each for each in (parity, *others)}
    return export(ExportParams(to=tuple(found), **params), **found)


def with_case(name: str, difference: Difference) -> Parity:
    return replace(ONNX, differences={**ONNX.differences, name: difference})


def test_an_export_that_answers_as_the_model_passes() -> None:
    """With the largest difference, the metric, size and opset for a reader."""
    found = judged()

    assert found.status is Status.PASSED
    assert found.summary == "onnx: outputs differ by 3e-07 (1 row), at most 1e-05 + 0.0001 · |output|"
    assert found.n == 360
    assert "onnx: 12000 bytes, opset 18, loaded with a fresh process" in found.facts
    assert "written by torch" in found.facts


@pytest.mark.parametrize(
    ("parity", "told"),
    [
        (with_case("3 rows", WRONG), "onnx: outputs differ by 0.5 (3 rows), at most 1e-05 + 0.0001 · |output|"),
        (with_case("1 row", REFUSED), "onnx: 1 row: RuntimeError: 64 rows are needed"),
        (with_case("texts of 6 tokens", REFUSED), "onnx: texts of 6 tokens: RuntimeError: 64 rows are needed"),
        (
            with_case("3 rows", replace(SOUND, decisions=1)),
            "onnx: decisions that are others (3 rows, 64 rows): 1, at most 0",
        ),
        (
            replace(ONNX, score=0.94),
            "onnx: test.accuracy is 0.94 for the model's 0.95, at most 0 worse but for rounding",
        ),
        (replace(INT8, score=0.93), "onnx_int8: test.accuracy is 0.93 for the model's 0.95, at most 0.01 worse"),
        (replace(INT8, differences={"1 row": REFUSED}), "onnx_int8: 1 row: RuntimeError: 64 rows are needed"),
    ],
)
def test_an_export_that_does_not_fails_with_what_was_found(parity: Parity, told: str) -> None:
    """The case, what was measured, what is allowed."""
    found = judged(parity)

    assert (found.status, found.summary) == (Status.FAILED, told)


@pytest.mark.parametrize(
    ("parity", "told"),
    [
        (
            replace(ONNX, score=None, unscored="one class alone"),
            "onnx: test.accuracy was not measured: one class alone",
        ),
        (
            replace(ONNX, score=math.nan),
            "onnx: test.accuracy is nan for the model's 0.95, at most 0 worse but for rounding",
        ),
        (replace(ONNX, differences={}), "onnx: nothing was compared"),
        (
            replace(INT8, metric="", score=None, reference_score=None),
            "onnx_int8: its outputs are rounded, and there is no metric that tells whether too much",
        ),
        (with_case("3 rows", Difference(3)), "onnx: the outputs for 3 rows were not compared"),
        (with_case("3 rows", replace(SOUND, excess=math.nan)), "onnx: the outputs for 3 rows were not compared"),
    ],
)
def test_what_was_not_measured_is_an_error(parity: Parity, told: str) -> None:
    """Never a pass."""
    found = judged(parity)

    assert (found.status, found.summary) == (Status.ERROR, told)


def test_a_format_of_8_bits_is_held_by_its_metric_alone() -> None:
    """Outputs and decisions that are others are told, not judged; a budget may be given."""
    assert judged(INT8).status is Status.PASSED
    assert "decisions that are others: 7 of 64 (64 rows)" in judged(INT8).facts
    assert judged(INT8, metric_drop=0.001).status is Status.FAILED


def test_a_metric_that_is_better_lower_may_rise_by_its_budget() -> None:
    """The direction is that of the metric."""
    loss = replace(INT8, metric="test.log_loss", higher_is_better=False, reference_score=0.5, score=0.505)

    assert judged(loss).status is Status.PASSED
    assert judged(replace(loss, score=0.52)).status is Status.FAILED
    assert judged(replace(loss, score=0.4)).status is Status.PASSED


def test_rows_that_rounding_may_decide_otherwise_are_allowed_for() -> None:
    """Two of 360 rows lie on the fence: the metric may be that much worse."""
    on_the_fence = {"measured rows": replace(SOUND, rows=360, ties=2)}

    assert judged(replace(ONNX, differences=on_the_fence, score=0.95 - 2 / 360)).status is Status.PASSED
    assert judged(replace(ONNX, differences=on_the_fence, score=0.95 - 3 / 360)).status is Status.FAILED


def test_an_empty_batch_is_told_and_judged_where_it_is_asked_for() -> None:
    """Few callers send one."""
    refused = with_case("no row", REFUSED)

    assert judged(refused).status is Status.PASSED
    assert "an empty batch is refused: RuntimeError: 64 rows are needed" in judged(refused).facts
    assert judged(refused, empty_batch=True).status is Status.FAILED


def test_other_lengths_of_texts_need_not_work_where_there_is_one() -> None:
    """Where texts are padded to one length, that is all that is asked for."""
    refused = with_case("texts of 6 tokens", REFUSED)

    assert "one_length: true" in judged(refused).advice[0]
    assert judged(refused, one_length=True).status is Status.PASSED


def test_a_difference_tells_what_it_looks_like() -> None:
    """Exported in training mode, it has advice of its own."""
    seen = replace(
        with_case("3 rows", WRONG), hint="two calls differ: it was exported in training mode, with its dropout"
    )

    assert judged(seen).facts[0] == seen.hint
    assert "model.eval()" in judged(seen).advice[0]


def test_of_several_formats_the_red_one_is_told_first() -> None:
    """The verdict is one."""
    found = judged(ONNX, replace(INT8, score=0.5))

    assert found.status is Status.FAILED
    assert found.summary.startswith("onnx_int8: test.accuracy is 0.5")


@pytest.mark.parametrize(("to", "opset"), [("onnx", 17), ("onnx_int8", 17), ("torch_export", None)])
def test_the_opset_is_that_of_the_formats_that_have_one(to: str, opset: int | None) -> None:
    """So a gate on a format without one is about the same file."""
    needed: Mapping[str, object] = _needed(to)

    assert needed == {to: LoadExport(Export(to, opset))}


def _needed(to: str) -> Mapping[str, object]:
    from pytest_mlspec.check import CHECKS

    return CHECKS.find("export").needs(ExportParams(to=(to,), opset=17))
