"""`baseline`: the data and the model are those that the committed baseline file holds, as far as that can change by itself.

What may: rows are added, a split is drawn anew because of them, statistics that `prepare` fits follow. Where only chance and
growth are at work, nothing is red: distributions are compared by tests with a budget of one false alarm in a million for each
comparison, and beside that a difference must matter. What the spec declares otherwise is not compared.

    baseline_rows.py    the number of rows, and golden rows one by one: labels, splits, what enters the model
    baseline_columns.py classes, columns and inputs as distributions
    baseline_model.py   the structure of the model
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pytest_mlspec.check import (
    Names,
    Params,
    Verdict,
    check,
    errored,
    first_red,
    listed,
    not_applicable,
    passed,
)
from pytest_mlspec.checks import baseline_columns as by_column
from pytest_mlspec.checks import baseline_model as by_model
from pytest_mlspec.checks import baseline_rows as by_row
from pytest_mlspec.evidence import Description, Recorded
from pytest_mlspec.jobs import Describe, ReadBaseline
from pytest_mlspec.jobs.baselines import GOLDEN

Share = Annotated[float, Field(ge=0, le=1)]


class BaselineParams(Params):
    """`required` makes it an error that nothing is recorded.

    `golden` is how many rows the file follows one by one, as hashes; 0 for none. `ignore` names columns that are not compared,
    as patterns. A split may have from `rows_at_least` to `rows_at_most` times its recorded rows: less is a loss, and 1.9 lies
    below the two of a join or a file that is read twice. `shift_at_most` is the largest difference of two distribution
    functions, and `share_shift_at_most` that of the shares of a class, a category or missing values; both count only where
    chance does not explain them, and a share that is halved or doubled counts too. Of the golden rows, `relabelled_at_most` may
    have another label and `moved_at_most` stand in another split; `gone_at_most` may be gone, and `edited_at_most` where there
    are as many rows as before. `same_model: true` holds the model's sizes, rates of dropout and answers too.
    """

    required: bool = False
    golden: int = Field(GOLDEN, ge=0, le=1024)
    ignore: Names = ()
    rows_at_least: float = Field(0.8, ge=0, le=1)
    rows_at_most: float = Field(1.9, ge=1)
    shift_at_most: Share = 0.1
    share_shift_at_most: Share = 0.05
    relabelled_at_most: Share = 0.01
    moved_at_most: Share = 0.01
    gone_at_most: Share = 0.2
    edited_at_most: Share = 0.01
    same_model: bool = False


@check(
    "baseline",
    needs=lambda p: {
        "now": Describe(golden=p.golden, against=ReadBaseline(required=p.required)),
        "recorded": ReadBaseline(required=p.required),
    },
)
def baseline(params: BaselineParams, now: Description, recorded: Recorded) -> Verdict:
    """The data and the structure of the model are those of the committed baseline, apart from chance and growth."""
    update = f"pytest --mlspec {recorded.spec_file} --mlspec-update"
    before = recorded.description
    if before is None:
        told = f"no baseline is recorded: {update}"
        return (
            errored(f"no baseline is recorded in {recorded.file}").explained(
                advice=f"{update}, and commit it", finding="baseline.missing"
            )
            if params.required
            else not_applicable(told)
        )
    if now.missing:
        return errored(now.missing).explained(advice="seed or sort what they draw", finding="baseline.moved")
    verdict = _judged(params, before, now).on(n=sum(split.rows for split in now.splits.values()))
    return verdict.explained(advice=f"where this change is meant: {update}, and commit {recorded.file}")


def _judged(params: BaselineParams, before: Description, now: Description) -> Verdict:
    if other := _measured_something_else(before, now):
        return other
    counted = [
        f"{sum(split.rows for split in now.splits.values())} rows",
        *([f"{len(now.columns)} columns"] if now.columns else []),
        *([f"{len(before.golden)} golden rows"] if before.golden else []),
        *([f"{len(now.model.parts)} parts of the model"] if now.model.parts else []),
    ]
    limits = by_column.Limits(params.shift_at_most, params.share_shift_at_most)
    grown = by_row.grown_by(before, now)
    return first_red(
        passed(f"as recorded: {', '.join(counted)}"),
        *by_column.classes(before, now),
        *by_column.schema(before, now, ignore=params.ignore),
        *by_row.counts(before, now, at_least_share=params.rows_at_least, at_most_share=params.rows_at_most),
        *by_row.labels(before, now, at_most_share=params.relabelled_at_most),
        *by_column.columns(before, now, limits, ignore=params.ignore, grown=grown),
        *by_column.targets(before, now, limits),
        *by_row.gone(before, now, gone_at_most=params.gone_at_most, edited_at_most=params.edited_at_most),
        *by_row.moved(before, now, at_most_share=params.moved_at_most),
        *by_row.prepared(before, now),
        *by_column.inputs(before, now, limits, same_rows=by_row.same_training_rows(before, now), grown=grown),
        *by_model.structure(before, now, same_model=params.same_model),
    )


def _measured_something_else(before: Description, now: Description) -> Verdict | None:
    """The error where the spec declares other data than those that were recorded."""
    other = [
        name for name in {**before.declared, **now.declared} if before.declared.get(name) != now.declared.get(name)
    ]
    if not other:
        return None
    told = [
        f"{name}: {now.declared.get(name, 'not declared')}, recorded with {before.declared.get(name, 'not declared')}"
        for name in other
    ]
    verdict = errored(f"the baseline measured something else: {listed(other)} declared otherwise")
    return verdict.explained(*told, finding="baseline.declared")
