"""`data`: what reaches the model is there, finite, and kept apart between the splits. It does not judge distributions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations, permutations
from typing import Annotated

from pydantic import AfterValidator, Field

from pytest_mlspec.check import (
    Names,
    Params,
    Status,
    Verdict,
    at_least,
    at_most,
    check,
    errored,
    failed,
    first_red,
    listed,
    passed,
    shown,
)
from pytest_mlspec.checks import leaks
from pytest_mlspec.checks.labels import classes_alike, classes_everywhere, labels_allowed, labels_contradicted
from pytest_mlspec.evidence import DataProfile, SplitProfile
from pytest_mlspec.jobs import Prepare
from pytest_mlspec.statistics import differ, more_by_chance

# A random draw gives class counts as far apart as this once in a million.
_UNLIKELY = 1e-6
# Whole numbers that are so many times fewer than the numbers they were made of have lost what told these apart.
_COARSER = 2
# Rows that are cut end at one length: so many of them, as a share of those that are longer elsewhere.
_CUT = 0.5


def _number_or_share(bound: float) -> float:
    if bound > 1 and not bound.is_integer():
        raise ValueError("a whole number of rows is needed, or a share below 1")
    return bound


Rows = Annotated[float, Field(ge=0), AfterValidator(_number_or_share)]
"""A number of rows, or below 1 a share of the rows of the split (of the second one of a pair)."""


Labels = Annotated[tuple[str | int, ...], Field(strict=False)]
"""Classes as they stand in the data."""


class DataParams(Params):
    """How many rows may repeat, as a number or as a share, and the columns that may be what others may not.

    `shared_at_most` bounds the distinct rows that two splits have in common, `near_at_most` those that differ by rounding,
    case or blanks alone, `duplicates_at_most` the rows of one split that repeat an earlier one (null counts them only).
    `tells_alone_at_most` bounds how well one column alone gives the target: 0 as a constant does, 1 without an error.
    `nullable` columns, by their raw or prepared name, may have missing values that the model sees, `mixed` ones texts among
    their numbers, and `telling` ones may give the target away. Classes in `alike` may differ from another one in case or
    blanks alone. `classes` are all that there may be, where they are declared; else those of `codes` may look like a missing
    label. `whole`: inputs around 0 are whole numbers on purpose.
    """

    shared_at_most: Rows = 0
    near_at_most: Rows = 0.01
    duplicates_at_most: Rows | None = None
    tells_alone_at_most: float = Field(0.99, gt=0, le=1)
    nullable: Names = ()
    mixed: Names = ()
    telling: Names = ()
    alike: Names = ()
    classes: Labels = ()
    codes: Labels = ()
    whole: bool = False


@check("data", needs=lambda p: {"profile": Prepare()})
def data(params: DataParams, profile: DataProfile) -> Verdict:
    """Every split has rows of finite values and known classes, no row of another one, and no column that tells the target."""
    rows = sum(split.rows for split in profile.splits.values())
    return _judged(params, profile).on(n=rows)


def _judged(params: DataParams, profile: DataProfile) -> Verdict:
    if missing := _missing(profile):
        return first_red(*missing)
    counted = _counted(profile)
    return first_red(
        passed(", ".join(counted)),
        *_not_finite(params, profile),
        *_mixed(params, profile),
        *leaks.told_target(
            profile.leaks, profile.target, telling=params.telling, tells_alone_at_most=params.tells_alone_at_most
        ),
        *leaks.shared_rows(profile, shared_at_most=params.shared_at_most, near_at_most=params.near_at_most),
        *leaks.crossing(profile),
        *_duplicates(params, profile.splits),
        *classes_everywhere(profile),
        *classes_alike(profile, alike=params.alike),
        *labels_allowed(profile, classes=tuple(map(str, params.classes)), codes=tuple(map(str, params.codes))),
        *labels_contradicted(profile),
        *_shortened(profile),
        *_rounded(params, profile),
        *_noted(profile),
    )


def _missing(profile: DataProfile) -> list[Verdict]:
    """What must be there before anything else can be judged."""
    if "train" not in profile.splits:
        return [errored(f"no split called train: there is {listed(profile.splits) or 'none'}")]
    empty = [
        errored(f"0 rows in split {name}").explained(finding="data.empty")
        for name, split in profile.splits.items()
        if split.rows == 0
    ]
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
            ).explained(_rows(split, [profile.target]), finding="data.not_finite")
        if split.infinite:
            yield failed(f"infinite values in {name}: {_by_name(split.infinite)}").explained(
                _rows(split, split.infinite),
                advice="repair them in load: an infinite value can be neither imputed nor scaled",
                finding="data.not_finite",
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
        made = {
            column: count
            for column, count in excess.items()
            if column not in nulls and count != split.infinite.get(column)  # those are told already
        }
        if nulls:
            yield failed(f"nulls of {name} reach the model: {_by_name(nulls)}").explained(
                _rows(split, nulls),
                advice="impute them (`prepare: standard`), or declare columns that may hold them: "
                "`data: {nullable: [COLUMN]}` under checks",
                finding="data.not_finite",
            )
        if made:
            yield failed(f"prepared values of {name} are not finite: {_by_name(made)}").explained(
                _rows(split, made),
                f"raw nulls of {name}: {_by_name(split.nulls)}" if split.nulls else "",
                advice="look at prepare: a logarithm of 0, a division by a deviation of 0, a null that it does not impute?",
                finding="data.not_finite",
            )


def _allowed(params: DataParams, profile: DataProfile, *, split: SplitProfile, column: str, known: set[str]) -> int:
    """How many values of a prepared column may be missing: those that were missing before, where that is allowed at all."""
    if column in params.nullable and column not in known:
        return split.rows  # a column that prepare made, declared by its own name
    return split.nulls.get(column, 0) if profile.accepts_nulls or column in params.nullable else 0


def _duplicates(params: DataParams, splits: Mapping[str, SplitProfile]) -> Iterator[Verdict]:
    for name, split in splits.items():
        if params.duplicates_at_most is not None:
            bound = leaks.rows_allowed(params.duplicates_at_most, split.rows)
            verdict = at_most(split.duplicates, bound, of=f"duplicates in {name}:")
            yield verdict.explained(
                advice="were rows repeated by a join or by appending a file twice?", finding="data.duplicates"
            )
        elif split.duplicates:
            yield passed(f"duplicates in {name}: {split.duplicates}")


def _shortened(profile: DataProfile) -> Iterator[Verdict]:
    """Red where one split ends at a length that many rows of another go beyond, and that many of its own have exactly."""
    for one in profile.shortened:
        chance = more_by_chance(one.longer_rows, one.other_rows, 0, one.rows)
        beyond, at_end = one.longer_rows / one.other_rows, one.rows_at_longest / max(1, one.rows)
        is_likely = at_least(chance, _UNLIKELY).status is Status.PASSED
        if is_likely or at_least(at_end, beyond * _CUT).status is not Status.PASSED:
            continue
        yield failed(
            f"{one.column} of {one.split} ends at {one.longest} {one.unit}: {at_end:.0%} of its rows do,"
            f" and {beyond:.0%} of {one.other} are longer"
        ).explained(
            f"probability that no row of {one.split} is longer by chance: {chance:.0e}",
            advice="is it cut in load or prepare? cut every split at the same length",
            finding="data.cut",
        )


def _rounded(params: DataParams, profile: DataProfile) -> Iterator[Verdict]:
    """Fractions are written for numbers around 0, as a scaler makes them; without them there is little left."""
    for each in profile.inputs:
        around_0 = at_most(each.low, -1).status is Status.PASSED and at_least(each.high, 0).status is Status.PASSED
        coarser = at_least(profile.raw_numbers, _COARSER * each.distinct + 1).status is Status.PASSED
        if params.whole or not (each.whole and "float" in each.dtype and around_0 and coarser):
            continue
        of = f"input {each.name}" if each.name else "what enters"
        yield failed(f"{of} holds whole numbers alone, from {shown(each.low)} to {shown(each.high)}").explained(
            f"{each.distinct} different ones, of {profile.raw_numbers} different numbers in the raw rows",
            advice="is a fraction cut off: `//` for `/`, astype(int), an array of integers that is written into? Where whole"
            " numbers are meant, `data: {whole: true}` under checks",
            finding="data.rounded",
        )


def _mixed(params: DataParams, profile: DataProfile) -> Iterator[Verdict]:
    for column, found in profile.mixed.items():
        summary = f"{found.texts} of {found.values} values in column {column} are text, the others numbers"
        examples = listed(f"{text!r} in {row}" for row, text in found.examples)
        if column in params.mixed:
            yield passed(summary)
        else:
            yield failed(summary).explained(
                examples,
                advice="as it is, every number is a category of its own: repair them in load, or write what means a missing"
                f" value as `na_values` of the source; where it is meant, `data: {{mixed: [{column}]}}` under checks",
                finding="data.mixed",
            )


def _noted(profile: DataProfile) -> Iterator[Verdict]:
    """What is no fault, and good to know."""
    for name, split in profile.splits.items():
        if split.nulls:
            yield passed(f"raw nulls of {name}: {_by_name(split.nulls)}")
    train = profile.splits["train"]
    for name, split in profile.splits.items():
        chance = differ(train.classes, split.classes)
        if profile.split_by == "draw" and at_least(chance, _UNLIKELY).status is not Status.PASSED:
            yield passed(
                f"class shares of {name} are not those of a random draw: p = {chance:.0e}, {_shares(train, split)}"
            )
    if profile.constant:
        yield passed(f"constant in train: {listed(profile.constant)}")
    for column, zeros in profile.filled.items():
        yield passed(
            f"{column} is 0 in {zeros.rows} rows, and from {shown(zeros.low)} to {shown(zeros.high)} in all others:"
            " a missing value that was filled?"
        )
    for each in profile.inputs:
        yield passed(
            f"train enters as {f'{each.name} ' if each.name else ''}{each.dtype} {list(each.shape)}: mean"
            f" {shown(each.mean)}, deviation {shown(each.deviation)}, from {shown(each.low)} to {shown(each.high)}"
        )
    if profile.identifiers:
        yield passed(
            f"another value in every row: {listed(profile.identifiers)}; an identifier, or dates for the step dates?"
        )


def _shares(train: SplitProfile, other: SplitProfile) -> str:
    """The class whose share differs most, with both shares."""
    shares = {
        label: (train.classes.get(label, 0) / train.rows, other.classes.get(label, 0) / other.rows)
        for label in {**train.classes, **other.classes}
    }
    label, (one, two) = max(shares.items(), key=lambda item: abs(item[1][0] - item[1][1]))
    return f"{label!r} {one:.1%} of train and {two:.1%}"


def _rows(split: SplitProfile, columns: Iterable[str]) -> str:
    """The first rows behind the counts of these columns."""
    known = [(column, split.examples[column]) for column in columns if column in split.examples]
    return f"first rows: {listed(f'{column} in {listed(rows)}' for column, rows in known)}" if known else ""


def _by_name(counts: Mapping[str, int]) -> str:
    return listed(f"{column} {count}" for column, count in sorted(counts.items(), key=lambda item: -item[1]))
