"""`independence`: in evaluation mode the output for a row depends on that row alone."""

from __future__ import annotations

import math

from pydantic import Field

from pytest_mlspec.check import Params, Status, Verdict, at_least, at_most, check, errored, first_red, shown
from pytest_mlspec.evidence import Independence
from pytest_mlspec.jobs import RowIndependence


class IndependenceParams(Params):
    """`tolerance` is the largest difference of two outputs, in their units; null for what rounding explains."""

    tolerance: float | None = Field(None, ge=0)


@check("independence", needs=lambda p: {"rows": RowIndependence()})
def independence(params: IndependenceParams, rows: Independence) -> Verdict:
    """The output for a row is the same alone, in a batch, in another order, and when it is evaluated again."""
    tolerance = rows.tolerance if params.tolerance is None else params.tolerance
    return _judged(rows, tolerance).on(n=rows.rows, device=rows.device)


def _judged(rows: Independence, tolerance: float) -> Verdict:
    if at_least(rows.rows, 2).status is Status.FAILED:
        return errored(f"{rows.rows} rows: at least 2 are needed to compare a row alone with a batch")
    if not math.isfinite(rows.scale):
        return errored(f"the largest output is {rows.scale}")
    if not math.isfinite(tolerance):
        return errored(f"the difference that rounding explains is {tolerance}")
    if at_least(tolerance, rows.scale).status is Status.PASSED:
        return errored(
            f"the largest output is {shown(rows.scale)}, the allowed difference {shown(tolerance)}: none could be seen"
        ).explained(advice="are the outputs all 0?")
    repeat = at_most(rows.repeat, tolerance, of="two evaluations of the same batch differ by")
    alone = at_most(
        rows.alone, tolerance, of=f"row {rows.worst_row} alone differs from itself in a batch of {rows.rows} by"
    )
    order = at_most(rows.order, tolerance, of="a row differs from itself in the batch in another order by")
    verdict = first_red(
        repeat.explained(
            "something random is left on in evaluation mode" if repeat.status is Status.FAILED else "",
            advice="functional dropout without `training=self.training`, or an augmentation in the evaluation path?",
        ),
        alone.explained(advice="a mean, softmax or sort over the batch axis, or batch statistics in evaluation mode?"),
        order.explained(advice="does the output depend on the position of a row in its batch?"),
    )
    return verdict.explained(f"compared in {rows.dtype}; the largest output is {shown(rows.scale)}")
