"""`data`: what reaches the model is there, finite, and kept apart between the splits. It does not judge distributions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations, permutations

from pydantic import Field

from pytest_mlspec.check import (
    Names,
    Params,
    Status,
    Verdict,
    at_most,
    check,
    errored,
    failed,
    first_red,
    listed,
    passed,
)
from pytest_mlspec.evidence import DataProfile, SplitProfile
from pytest_mlspec.jobs import Prepare


class DataParams(Params):
    """How many rows may repeat, and the columns whose missing values the model may see, by their raw or prepared name.

    `shared_at_most` bounds the distinct rows that two splits have in common, `duplicates_at_most` the rows of one split
    that repeat an earlier one; null counts them only.
    """

    shared_at_most: int = Field(0, ge=0)
    duplicates_at_most: int | None = Field(None, ge=0)
    nullable: Names = ()


@check("data", needs=lambda p: {"profile": Prepare()})
def data(params: DataParams, profile: DataProfile) -> Verdict:
    """Every split has rows of finite values and known classes, and no row of another split."""
    rows = sum(split.rows for split in profile.splits.values())
    return _judged(params, profile).on(n=rows)


def _judged(params: DataParams, profile: DataProfile) -> Verdict:
    if missing := _missing(profile):
        return first_red(*missing)
    counted = _counted(profile)
    return first_red(
        passed(", ".join(counted)),
        *_not_finite(params, profile),
        *_shared(params, profile),
        *_duplicates(params, profile.splits),
        *_classes(profile),
        *_imputed(profile.splits),
    )


def _missing(profile: DataProfile) -> list[Verdict]:
    """What must be there before anything else can be judged."""
    if "train" not in profile.splits:
        return [errored(f"no split called train: there is {listed(profile.splits) or 'none'}")]
    empty = [errored(f"0 rows in split {name}") for name, split in profile.splits.items() if split.rows == 0]
    unknown = [
        errored(f"{one} and {other} were not compared for shared rows")
        for one, other in combinations(profile.splits, 2)
        if not any(f"{first}/{second}" in profile.shared for first, second in permutations((one, other)))
    ]
    return empty or unknown


def _counted(profile: DataProfile) -> list[str]:
    rows = ", ".join(f"{split.rows} {name}" for name, split in profile.splits.items())
    classes = len(profile.splits["train"].classes)
    shared = [f"{sum(profile.shared.values())} shared"] if profile.shared else []
    return [f"{rows} rows", *([f"{classes} classes"] if classes else []), *shared]


def _not_finite(params: DataParams, profile: DataProfile) -> Iterator[Verdict]:
    known = {column for split in profile.splits.values() for column in split.nulls}
    for name, split in profile.splits.items():
        if split.target_nonfinite:
            yield failed(
                f"targets of {name} missing or not finite: {split.target_nonfinite}, column {profile.target!r}"
            )
        if split.infinite:
            yield failed(f"infinite values in {name}: {_by_name(split.infinite)}").explained(
                advice="repair them in load: an infinite value can be neither imputed nor scaled"
            )
        excess = {
            column: count
            for column, count in split.prepared_nonfinite.items()
            if at_most(count, _allowed(params, profile, split=split, column=column, known=known)).status
            is not Status.PASSED
        }
        nulls = {
            column: count for column, count in excess.items() if column in split.nulls and column not in split.infinite
        }
        made = {column: count for column, count in excess.items() if column not in nulls}
        if nulls:
            yield failed(f"nulls of {name} reach the model: {_by_name(nulls)}").explained(
                advice="impute them (`prepare: standard`), or declare columns that may hold them: "
                "`data: {nullable: [COLUMN]}` under checks"
            )
        if made:
            yield failed(f"prepared values of {name} are not finite: {_by_name(made)}").explained(
                f"raw nulls of {name}: {_by_name(split.nulls)}" if split.nulls else "",
                advice="look at prepare: a logarithm of 0, a division by a deviation of 0, a null that it does not impute?",
            )


def _allowed(params: DataParams, profile: DataProfile, *, split: SplitProfile, column: str, known: set[str]) -> int:
    """How many values of a prepared column may be missing: those that were missing before, where that is allowed at all."""
    if column in params.nullable and column not in known:
        return split.rows  # a column that prepare made, declared by its own name
    return split.nulls.get(column, 0) if profile.accepts_nulls or column in params.nullable else 0


def _shared(params: DataParams, profile: DataProfile) -> Iterator[Verdict]:
    for pair, count in profile.shared.items():
        verdict = at_most(count, params.shared_at_most, of=f"rows shared by {pair.replace('/', ' and ')}:")
        if params.shared_at_most or verdict.status.red:
            numbers = listed(f"{one} = {other}" for one, other in profile.shared_examples.get(pair, ()))
            yield verdict.explained(
                f"equal rows, by their numbers in {pair}: {numbers}" if numbers else "",
                advice="split before rows are repeated or joined, or split by group; `shared_at_most` allows for chance",
            )


def _duplicates(params: DataParams, splits: Mapping[str, SplitProfile]) -> Iterator[Verdict]:
    for name, split in splits.items():
        if params.duplicates_at_most is not None:
            verdict = at_most(split.duplicates, params.duplicates_at_most, of=f"duplicates in {name}:")
            yield verdict.explained(advice="were rows repeated by a join or by appending a file twice?")
        elif split.duplicates:
            yield passed(f"duplicates in {name}: {split.duplicates}")


def _classes(profile: DataProfile) -> Iterator[Verdict]:
    train = profile.splits["train"].classes
    if len(train) == 1:
        yield failed(f"one class alone in train: {next(iter(train))!r}").explained(
            advice="is the file sorted by class, or cut? `stratify: true` keeps the shares"
        )
    for name, split in profile.splits.items():
        unseen = {label: count for label, count in split.classes.items() if label not in train}
        if unseen:
            yield failed(f"rows of {name} with a class that train lacks: {_by_name(unseen)}").explained(
                advice="`stratify: true` keeps every class in every split"
            )


def _imputed(splits: Mapping[str, SplitProfile]) -> Iterator[Verdict]:
    for name, split in splits.items():
        if split.nulls:
            yield passed(f"raw nulls of {name}: {_by_name(split.nulls)}")


def _by_name(counts: Mapping[str, int]) -> str:
    return listed(f"{column} {count}" for column, count in sorted(counts.items(), key=lambda item: -item[1]))
