"""`independence`: in evaluation mode the output for a row depends on that row alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from pydantic import Field

from pytest_mlspec.check import Params, Status, Verdict, at_least, at_most, check, errored, failed, first_red, shown
from pytest_mlspec.evidence import Independence
from pytest_mlspec.jobs import RowIndependence


class IndependenceParams(Params):
    """What an output may depend on.

    `tolerance` is the largest difference of two outputs, in their units; null for what rounding explains. `padding: false`
    where every text that will ever come is padded to one length; `causal: false` where a language model may look ahead.
    """

    tolerance: float | None = Field(None, ge=0)
    padding: bool = True
    causal: bool = True


@check("independence", needs=lambda p: {"rows": RowIndependence()})
def independence(params: IndependenceParams, rows: Independence) -> Verdict:
    """The output for a row is the same alone, in any batch, however it is padded, and when it is evaluated again."""
    tolerance = rows.tolerance if params.tolerance is None else params.tolerance
    return _judged(params, rows, tolerance).on(n=rows.rows, device=rows.device)


def _judged(params: IndependenceParams, rows: Independence, tolerance: float) -> Verdict:
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
    repeat = at_most(rows.repeat, tolerance, of="two evaluations of the same batch differ by").explained(
        advice="functional dropout without `training=self.training`, or an augmentation in the evaluation path?",
        finding="independence.repeat",
    )
    if repeat.status is Status.FAILED:
        repeat = repeat.explained("something random is left on in evaluation mode")
    others = list(_others(params, rows, tolerance))
    if repeat.status.red:  # the other differences follow from it, and point nowhere of their own
        others = [replace(each, advice=(), findings=()) for each in others]
    return first_red(repeat, *others).explained(
        f"compared in {rows.dtype}; the largest output is {shown(rows.scale)}",
        *(f"{name} was not compared: {why}" for name, why in rows.left_out.items()),
    )


def _others(params: IndependenceParams, rows: Independence, tolerance: float) -> Iterator[Verdict]:
    of_batch = "a mean, softmax or sort over the batch axis, or batch statistics in evaluation mode?"
    if rows.alone_error:
        yield failed(f"a row alone has no output: {rows.alone_error}").explained(
            advice=f"{of_batch} Or a squeeze() that takes the axis of the rows away?", finding="independence.alone"
        )
    else:
        of = f"row {rows.worst_row} alone differs from itself in a batch of {rows.rows} by"
        yield at_most(rows.alone, tolerance, of=of).explained(advice=of_batch, finding="independence.alone")
    order = at_most(rows.order, tolerance, of="a row differs from itself in the batch in another order by")
    yield order.explained(
        advice="does the output depend on the position of a row in its batch?", finding="independence.order"
    )
    if rows.large is not None:
        of = f"a row in a batch of {rows.large_rows} differs from itself in one of {rows.rows} by"
        yield at_most(rows.large, tolerance, of=of).explained(advice=of_batch, finding="independence.alone")
    looks_ahead = False
    if rows.causal is not None and params.causal:
        of = "outputs up to a position change with the ids behind it by"
        ahead = at_most(rows.causal, tolerance, of=of).explained(
            advice="is the causal mask of the attention missing, or the wrong way round?", finding="independence.causal"
        )
        looks_ahead = ahead.status.red
        yield ahead
    if rows.padding is not None and params.padding:
        padding = at_most(rows.padding, tolerance, of="a text padded to another length differs by").explained(
            advice="a pooling or attention without a mask? Where all texts have one length: `independence: {padding: false}`",
            finding="independence.padding",
        )
        # what looks ahead sees the padding too
        yield replace(padding, advice=(), findings=()) if looks_ahead else padding
