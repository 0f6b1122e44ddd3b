"""`preparation`: what enters the model follows from the row, and from what was fitted on the training rows alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from pydantic import Field

from pytest_mlspec.check import (
    Names,
    Params,
    Verdict,
    at_most,
    check,
    errored,
    failed,
    first_red,
    listed,
    passed,
    shown,
)
from pytest_mlspec.evidence import Comparison, Refitted
from pytest_mlspec.jobs import Refit


class PreparationParams(Params):
    """What a preparation may do that others may not.

    `row_wise` false allows `prepare` to look at the other rows of a split, as features of time series do.
    `scaled_by_source` says that columns came scaled over all rows from where the data are from. The transformers of
    `fitted_on_all`, by the names of their classes, may learn from all rows. `tolerance` replaces what rounding is taken to
    explain, as a share of the scale of a column.
    """

    row_wise: bool = True
    scaled_by_source: bool = False
    fitted_on_all: Names = ()
    tolerance: float | None = Field(None, ge=0)


_WHAT: Mapping[str, str] = {
    "repeat": "prepared twice, the same rows of {split} differ by",
    "again": "loaded, split and fitted once more, the rows of {split} differ by",
    "part": "rows of {split} prepared without the others differ by",
    "order": "rows of {split} prepared in another order differ by",
    "alone": "a row of {split} prepared by itself differs by",
    "numbers": "under other row numbers the same rows of {split} differ by",
    "nudged": "rows of {split} changed by a rounding error differ in a share of their values of",
    "others": "the training rows differ with what stands in the held-out ones by",
}
_COULD_NOT: Mapping[str, str] = {
    "repeat": "the rows of {split} cannot be prepared twice",
    "again": "the rows of {split} are others when they are loaded, split and fitted once more",
    "part": "rows of {split} cannot be prepared without the others",
    "order": "rows of {split} cannot be prepared in another order",
    "alone": "a row of {split} cannot be prepared by itself",
    "numbers": "rows of {split} cannot be prepared under other numbers",
    "nudged": "rows of {split} cannot be prepared with a rounding error",
    "others": "the training rows depend on what stands in the held-out ones",
}
_FINDING: Mapping[str, str] = {
    "repeat": "preparation.repeat",
    "again": "preparation.moved",
    "part": "preparation.rows",
    "order": "preparation.rows",
    "alone": "preparation.rows",
    "numbers": "preparation.stale",
    "nudged": "preparation.stale",
    "others": "preparation.fitted",
}
_ROW_WISE = (
    "does prepare compute statistics of the rows that it is given, or keep what it made of them before? compute them in"
    " fit_prepare; for features of several rows, `preparation: {row_wise: false}` under checks"
)
_ADVICE: Mapping[str, str] = {
    "repeat": "does prepare draw at random? augment training batches alone: in the training step, or `data.augment`",
    "again": "seed what load, split and fit_prepare draw: without, each run trains on other data",
    "part": _ROW_WISE,
    "order": _ROW_WISE,
    "alone": _ROW_WISE,
    "numbers": "prepare keeps rows by their number, and what it kept was made by other code or of other values: key it by"
    " the content and by a version of the code, and delete what there is",
    "nudged": "does prepare keep what it made of a row before? it was made by other code: key it by a version of the code too,"
    " and delete what there is",
    "others": "what split computes of all rows has seen the held-out ones: compute it in fit_prepare",
}
_BEFORE_THE_SPLIT = "fit it in fit_prepare, or as a step of `data.prepare`: both see the training rows alone"


@check("preparation", needs=lambda p: {"refitted": Refit()})
def preparation(params: PreparationParams, refitted: Refitted) -> Verdict:
    """What enters the model follows from each row alone, the same each time, and is fitted on the training rows alone."""
    return _judged(params, refitted).on(n=sum(refitted.rows.values()))


def _judged(params: PreparationParams, measured: Refitted) -> Verdict:
    if not any(measured.rows.values()):
        return errored("0 rows were prepared")
    held_out = [split for split in measured.rows if split != "train"]
    ways = list(dict.fromkeys(one.way for one in measured.comparisons if one.split != "train"))
    return first_red(
        passed(
            f"prepared alike {listed((_LIKE[way] for way in ways), limit=len(_LIKE))}"
            if held_out
            else "no held-out rows to prepare"
        ),
        *_moved(measured),
        *_fitted(params, measured),
        *_scaled(params, measured),
        *(verdict for one in _telling(measured) for verdict in _compared(params, one)),
        *_noted(params, measured),
    )


_LIKE: Mapping[str, str] = {
    "repeat": "twice",
    "again": "from the source on",
    "part": "without other rows",
    "order": "in another order",
    "alone": "by itself",
    "numbers": "under other numbers",
    "nudged": "with a rounding error",
}


def _telling(measured: Refitted) -> Iterator[Comparison]:
    """The comparisons without those that a preparation which draws at random spoils."""
    at_random = {
        one.split
        for one in measured.comparisons
        if one.way == "repeat" and at_most(one.apart, one.tolerance).status.red
    }
    for one in measured.comparisons:
        if one.way == "repeat" or one.split not in at_random:
            yield one


def _compared(params: PreparationParams, one: Comparison) -> Iterator[Verdict]:
    if one.way in ("part", "order", "alone") and not params.row_wise:
        return
    if one.told:
        told = _COULD_NOT[one.way].format(split=one.split)
        yield failed(f"{told}: {one.told}").explained(advice=_ADVICE[one.way], finding=_FINDING[one.way])
        return
    of = _WHAT[one.way].format(split=one.split)
    if one.apart == math.inf:
        verdict = failed(
            f"{of.removesuffix(' by')} altogether: in ids, or a value that is missing on one side"
        ).explained(one.where)
    else:
        is_share = one.way == "nudged"
        allowed = one.tolerance if params.tolerance is None or is_share else params.tolerance
        where = f"most in {one.where}; 1 is the largest value of the column" if one.where else ""
        verdict = at_most(one.apart, allowed, of=of).explained(where)
    if not verdict.status.red:
        return
    if one.way == "repeat" and one.split == "train":
        yield passed("prepare draws at random for train: each preparation gives other training examples")
        return
    yield verdict.explained(advice=_ADVICE[one.way], finding=_FINDING[one.way])


def _moved(measured: Refitted) -> Iterator[Verdict]:
    for split, count in measured.moved.items():
        if count:
            yield failed(f"{count} rows of {split} are in another split when the data are split once more").explained(
                advice="seed what split draws: each run is measured on other rows, and no two can be compared",
                finding="preparation.moved",
            )


def _fitted(params: PreparationParams, measured: Refitted) -> Iterator[Verdict]:
    for one in measured.fitted:
        told = f"{one.name}.fit has seen {one.rows} rows in {one.point}, held-out ones among them"
        if one.name in params.fitted_on_all:
            yield passed(told)
        else:
            yield failed(told).explained(
                advice=f"{_BEFORE_THE_SPLIT}; where it is no part of the features,"
                f" `preparation: {{fitted_on_all: [{one.name}]}}` under checks",
                finding="preparation.fitted",
            )


def _scaled(params: PreparationParams, measured: Refitted) -> Iterator[Verdict]:
    if not measured.scaled:
        return
    first = measured.scaled[0]
    columns = listed(one.column for one in measured.scaled)
    if first.how == "standardized":
        told = f"mean 0 and deviation 1 over all rows, and not over train, in columns {columns}"
        of_train = f"{first.column} of train: mean {shown(first.train[0])}, deviation {shown(first.train[1])}"
    else:
        told = f"limits 0 and 1 over all rows, and not over train, in columns {columns}"
        of_train = f"{first.column} of train: from {shown(first.train[0])} to {shown(first.train[1])}"
    if params.scaled_by_source:
        yield passed(told)
    else:
        yield failed(told).explained(
            of_train,
            advice=f"held-out rows have scaled them: {_BEFORE_THE_SPLIT}; where the data come scaled from their source,"
            " `preparation: {scaled_by_source: true}` under checks",
            finding="preparation.fitted",
        )


def _noted(params: PreparationParams, measured: Refitted) -> Iterator[Verdict]:
    if not params.row_wise:
        yield passed("declared not row_wise: whether prepared rows depend on each other was not judged")
    if measured.by_number:
        yield passed(
            "prepared rows follow the number of the row, and not what stands in it: are they read from a cache?"
        )
    if measured.left_out:
        yield passed(f"{measured.left_out} of {measured.loaded} loaded rows are in no split")
    for why in measured.unmeasured:
        yield passed(f"not measured: {why}")
