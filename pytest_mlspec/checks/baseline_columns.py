"""`baseline`, column by column: classes, raw columns, targets and what enters the model, as distributions."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from pytest_mlspec.check import Status, Verdict, at_least, at_most, errored, failed, listed, passed, shown, within
from pytest_mlspec.checks.baseline_rows import same_training_rows
from pytest_mlspec.errors import did_you_mean
from pytest_mlspec.evidence import ColumnDescription, Description, Values
from pytest_mlspec.statistics import differ, distance_tail

BUDGET = 1e-6
"""False alarms of one kind of comparison, all its columns together."""

# What 101 points of a distribution leave open of a share, and what rounding to six digits adds.
_GRID = 0.01
_ROUNDING = 2e-6
# Factors that a reader would take for a change of the unit.
_OTHER_UNIT = 2.0
_UNIT = "another unit or scale, another source, or missing values written as a number?"


@dataclass(frozen=True)
class Limits:
    """How far distribution functions may lie apart, and how far a share may move."""

    shift: float
    share: float


def classes(before: Description, now: Description) -> Iterator[Verdict]:
    """The labels in the order of their numbers."""
    if before.classes != now.classes:
        gone = [label for label in before.classes if label not in now.classes]
        new = [label for label in now.classes if label not in before.classes]
        how = "other classes" if gone or new else "the classes in another order"
        yield failed(f"{how}: {listed(now.classes, limit=12)}").explained(
            f"recorded: {listed(before.classes, limit=12)}",
            f"gone: {listed(gone)}" if gone else "",
            f"new: {listed(new)}" if new else "",
            advice="what reads the outputs by number reads them wrongly now",
            finding="baseline.classes",
        )


def shares_of_classes(before: Description, now: Description, limits: Limits) -> Iterator[Verdict]:
    """The share of each class in each split, or in all of them where time or groups decide where rows stand."""
    if before.classes != now.classes:
        return
    together = now.split_by in ("time", "group") or before.split != now.split
    old, new = (_classes_of(description, together=together) for description in (before, now))
    for split in old.keys() & new.keys():
        yield from _shares(
            f"in {split}" if split else "in all splits",
            "class",
            old[split],
            new[split],
            limits,
            of=len(old),
            finding="baseline.class_shares",
        )


def added_classes(before: Description, now: Description) -> Iterator[Verdict]:
    """Rows that were added and are all of one class, which was none of the rare ones.

    A team collects more rows of a rare class on purpose. Rows whose label is missing, or was lost, become one of the others.
    """
    if before.classes != now.classes or len(now.classes) < 2:
        return
    old, new = (_classes_of(description, together=True)[""] for description in (before, now))
    added = {label: new[label] - old[label] for label in now.classes}
    changed = [label for label in added if added[label]]
    if len(changed) != 1 or added[changed[0]] < 0 or not all(old.values()):
        return
    label, rare = changed[0], sum(old.values()) / len(old)
    if at_least(old[label], rare).status is Status.FAILED:
        return
    by_chance = differ(old, added)
    if at_least(by_chance, BUDGET).status is not Status.PASSED:
        yield failed(f"all {added[label]} rows that were added are of class {label!r}").explained(
            f"{new[label]} rows of it, recorded {old[label]}; those of every other class are as many as before",
            advice="are they rows without a label, which were filtered out before?",
            finding="baseline.class_shares",
        )


def targets(before: Description, now: Description, limits: Limits) -> Iterator[Verdict]:
    """The shares of classes, or the values of a regression."""
    yield from shares_of_classes(before, now, limits)
    yield from added_classes(before, now)
    for split in before.splits.keys() & now.splits.keys():
        one, other = before.splits[split].targets, now.splits[split].targets
        if one is not None and other is not None and _are_drawn_alike(before, now):
            of = f"targets of {split}"
            yield from _values(of, one, other, limits, tests=len(now.splits), finding="baseline.labels")


def schema(before: Description, now: Description, *, ignore: Iterable[str]) -> Iterator[Verdict]:
    """The columns, their order and what they hold."""
    old, new = list(before.columns), list(now.columns)
    for pattern in ignore:
        if not _named([*old, *new], pattern):
            yield errored(f"no column is called {pattern!r}").explained(advice=did_you_mean(pattern, new))
    gone, added = [name for name in old if name not in new], [name for name in new if name not in old]
    if gone or added:
        told = [*([f"gone: {listed(gone)}"] if gone else []), *([f"new: {listed(added)}"] if added else [])]
        yield failed(f"other columns: {'; '.join(told)}").explained(
            f"{len(new)} columns, recorded {len(old)}",
            advice="the golden rows were not compared: a row of other columns is another",
            finding="baseline.columns",
        )
    elif old != new:
        first = next(number for number, pair in enumerate(zip(old, new, strict=True)) if pair[0] != pair[1])
        yield failed("the columns stand in another order").explained(
            f"column {first + 1} is {new[first]}, recorded {old[first]}",
            advice="what reads them by position reads others now",
            finding="baseline.columns",
        )
    for name in old:
        if name in now.columns and before.columns[name].kind != now.columns[name].kind:
            yield failed(f"{name} holds {now.columns[name].kind}s, recorded {before.columns[name].kind}s").explained(
                advice="is it read with another type, or has a text come among its numbers?", finding="baseline.columns"
            )


def columns(
    before: Description, now: Description, limits: Limits, *, ignore: Iterable[str], grown: float = 0.0
) -> Iterator[Verdict]:
    """The missing values, categories and distribution of each raw column that is there as it was.

    `grown` is the share of the rows that came to those recorded.
    """
    left_out = {name for pattern in ignore for name in _named(now.columns, pattern)}
    both = {
        name: (old, now.columns[name])
        for name, old in before.columns.items()
        if name in now.columns and name not in left_out and old.kind == now.columns[name].kind
    }
    for name, (old, new) in both.items():
        yield from _column(name, old, new, limits, tests=len(both), grown=grown)


def inputs(
    before: Description, now: Description, limits: Limits, *, same_rows: bool, grown: float = 0.0
) -> Iterator[Verdict]:
    """The type, the shape and the distribution of what enters the model; other rows may bring categories, and so columns."""
    for name in {**before.inputs, **now.inputs}:
        shown_as = f"prepared values {name}".rstrip()
        if name not in before.inputs or name not in now.inputs:
            told = f"{shown_as}: {'new' if name in now.inputs else 'gone'}"
            yield failed(told).explained(finding="baseline.prepared")
            continue
        old, new = before.inputs[name], now.inputs[name]
        if old.dtype != new.dtype:
            yield failed(f"{shown_as} are {new.dtype}, recorded {old.dtype}").explained(
                advice="a model in another precision rounds otherwise: cast them where prepare ends",
                finding="baseline.prepared",
            )
            continue
        if old.shape != new.shape:
            told = f"{shown_as} have the shape [N{_sizes(new.shape)}], recorded [N{_sizes(old.shape)}]"
            advice = "did a step of prepare change?"
            # what is fitted on other rows may know other categories or words, but makes no axis more
            is_red = same_rows or not (before.fits or now.fits) or len(old.shape) != len(new.shape)
            yield (
                failed(told).explained(advice=advice, finding="baseline.prepared")
                if is_red
                else passed(f"{told}, fitted on other rows")
            )
        elif not old.dtype.startswith("int"):  # ids follow the order of a vocabulary
            for split in old.values.keys() & new.values.keys() if _are_drawn_alike(before, now) else ():
                yield from _values(
                    f"{shown_as} of {split}",
                    old.values[split],
                    new.values[split],
                    limits,
                    tests=len(before.inputs) * len(now.splits),
                    finding="baseline.prepared",
                    grown=grown,
                )


def _are_drawn_alike(before: Description, now: Description) -> bool:
    """Whether a split of now holds rows like those of the recorded one: drawn from all, or the same of a source."""
    if same_training_rows(before, now):
        return True
    kinds = {before.split_by, now.split_by}
    return kinds == {"draw"} or (before.split == now.split and kinds in ({"source"}, {"own"}))


def forms(description: Description) -> dict[str, tuple[str, tuple[int, ...]]]:
    """What enters the model, by type and shape."""
    return {name: (given.dtype, given.shape) for name, given in description.inputs.items()}


def _column(
    name: str, old: ColumnDescription, new: ColumnDescription, limits: Limits, *, tests: int, grown: float
) -> Iterator[Verdict]:
    missing = [round(column.missing * column.count) for column in (old, new)]
    if _has_moved(missing[0], old.count, missing[1], new.count, limits, tests=tests):
        yield failed(f"{new.missing:.1%} of {name} are missing, recorded {old.missing:.1%}").explained(
            "" if missing[1] else f"the most common value is {_common(new.values)}, recorded {_common(old.values)}",
            advice="were missing values filled in, or a join without a match?",
            finding="baseline.nulls",
        )
    if old.identifies and new.identifies:
        return
    if old.categories and new.categories:
        counted = ({**old.categories, "(other)": old.other}, {**new.categories, "(other)": new.other})
        if not grown:  # else it is the added rows that have others: a new month, a new site
            yield from _shares(f"in {name}", "category", *counted, limits, of=tests, finding="baseline.values")
    elif old.kind != "time":  # times move on
        of = f"lengths of {name}" if old.kind == "text" else name
        yield from _values(of, old.values, new.values, limits, tests=tests, finding="baseline.values", grown=grown)
        if not grown:
            yield from _common_value(of, old.values, new.values, limits, tests=tests)


def _shares(
    where: str, what: str, old: Mapping[str, int], new: Mapping[str, int], limits: Limits, *, of: int, finding: str
) -> Iterator[Verdict]:
    """Red for each label whose share has moved; one verdict, the largest move first."""
    in_all = sum(old.values()), sum(new.values())
    if not all(in_all):
        return
    labels = list({**old, **new})
    moved = {
        label: (old.get(label, 0) / in_all[0], new.get(label, 0) / in_all[1])
        for label in labels
        if _has_moved(old.get(label, 0), in_all[0], new.get(label, 0), in_all[1], limits, tests=of * len(labels))
    }
    if not moved:
        return
    first, *others = sorted(moved, key=lambda label: -abs(moved[label][0] - moved[label][1]))
    was, now = moved[first]
    yield failed(f"{what} {first!r} {where}: {now:.1%}, recorded {was:.1%}").explained(
        *(f"{label!r}: {moved[label][1]:.1%}, recorded {moved[label][0]:.1%}" for label in others[:5]),
        f"n = {in_all[1]}, recorded {in_all[0]}",
        finding=finding,
    )


def _has_moved(old: int, of_old: int, new: int, of_new: int, limits: Limits, *, tests: int) -> bool:
    """Whether a share has moved by more than chance and by as much as matters: absolutely, or to half or double."""
    if not of_old or not of_new:
        return False
    one, other = old / of_old, new / of_new
    by_chance = differ({"in": old, "out": of_old - old}, {"in": new, "out": of_new - new})
    if at_least(by_chance, BUDGET / max(1, tests)).status is Status.PASSED:
        return False
    is_small = at_most(abs(one - other), limits.share).status is Status.PASSED
    is_like = at_most(max(one, other), _OTHER_UNIT * min(one, other)).status is Status.PASSED
    return not (is_small and is_like)


def _values(
    of: str, old: Values, new: Values, limits: Limits, *, tests: int, finding: str, grown: float = 0.0
) -> Iterator[Verdict]:
    """Red where two distributions lie further apart than chance takes them, and than matters.

    Of a table that has `grown`, the added rows may go on where the others ended, as years do, but not far beyond.
    """
    if not old.count or not new.count:
        if old.count != new.count:
            yield failed(f"{of}: {new.count} values, recorded {old.count}").explained(finding=finding)
        return
    if grown:
        yield from _added(of, old, new, grown, finding=finding)
        return
    apart = [
        (max(0.0, abs(share - _share_up_to(cut, new.grid)) - _GRID), cut, share)
        for cut, share in zip(old.cuts, old.shares, strict=True)
    ]
    distance, cut, share = max(apart)
    if (
        at_least(distance_tail(distance, old.count, new.count), BUDGET / max(1, tests)).status is Status.PASSED
        or at_most(distance, limits.shift).status is Status.PASSED
    ):
        return
    found = _share_up_to(cut, new.grid)
    yield failed(f"{of}: {found:.0%} of the values are at most {shown(cut)}, recorded {share:.0%}").explained(
        _scale(old, new),
        f"middle half {_middle(new)}, recorded {_middle(old)}",
        f"the distributions are {shown(distance)} apart, allowed {shown(limits.shift)}; n = {new.count}, recorded {old.count}",
        advice=_UNIT,
        finding=finding,
    )


def _added(of: str, old: Values, new: Values, grown: float, *, finding: str) -> Iterator[Verdict]:
    """Red where most of the added values lie further from the recorded ones than the range of those is wide."""
    lowest, highest = old.cuts[0], old.cuts[-1]
    width = highest - lowest
    far = [value for value in new.grid if within(value, lowest - width, highest + width).status is not Status.PASSED]
    share = len(far) / len(new.grid)
    if width > 0 and at_most(share, max(grown / 2, 2 * _GRID)).status is not Status.PASSED:
        yield failed(f"{of}: {share:.0%} of the values lie far off, and {grown:.0%} of the rows are new").explained(
            f"recorded: 98 % between {shown(lowest)} and {shown(highest)}; such as {shown(far[-1])} now",
            advice=_UNIT,
            finding=finding,
        )


def _common_value(of: str, old: Values, new: Values, limits: Limits, *, tests: int) -> Iterator[Verdict]:
    """Red where one value has become much more common than any was: what an imputed constant looks like."""
    if new.common is None or not old.count:
        return
    counts = round(old.common_share * old.count), round(new.common_share * new.count)
    rises = at_most(new.common_share, old.common_share).status is not Status.PASSED
    if rises and _has_moved(counts[0], old.count, counts[1], new.count, limits, tests=tests):
        yield failed(f"{of}: the most common value is {_common(new)}, recorded {_common(old)}").explained(
            advice="were missing values filled in with a constant?", finding="baseline.nulls"
        )


def _share_up_to(cut: float, grid: tuple[float, ...]) -> float:
    """The share of a distribution up to `cut`, within a hundredth."""
    return bisect_right(grid, cut + _ROUNDING * abs(cut)) / len(grid)


def _quantile(values: Values, share: float) -> float:
    return next((cut for cut, up_to in zip(values.cuts, values.shares, strict=True) if up_to >= share), values.cuts[-1])


def _middle(values: Values) -> str:
    return f"{shown(_quantile(values, 0.25))} … {shown(_quantile(values, 0.75))}"


def _scale(old: Values, new: Values) -> str:
    """What makes the one distribution of the other, where that is a factor or a shift."""
    widths = [_quantile(each, 0.95) - _quantile(each, 0.05) for each in (old, new)]
    middles = [_quantile(each, 0.5) for each in (old, new)]
    if not all(width > 0 for width in widths):
        return ""
    factor = widths[1] / widths[0]
    is_scaled = factor >= _OTHER_UNIT or factor <= 1 / _OTHER_UNIT
    if is_scaled and abs(middles[1] - factor * middles[0]) <= 0.1 * widths[1]:
        return f"the values are {shown(factor, digits=3)} times as large"
    if not is_scaled and abs(factor - 1) <= 0.1:
        return f"the values are shifted by {shown(middles[1] - middles[0], digits=3)}"
    return f"they spread {shown(factor, digits=3)} times as wide"


def _common(values: Values) -> str:
    return "none" if values.common is None else f"{shown(values.common)} in {values.common_share:.1%}"


def _classes_of(description: Description, *, together: bool) -> dict[str, Mapping[str, int]]:
    """Rows of each class by split, or of all splits under the empty name."""
    by_split = {name: split.classes for name, split in description.splits.items() if split.classes}
    if not together:
        return by_split
    return {"": {label: sum(each.get(label, 0) for each in by_split.values()) for label in description.classes}}


def _named(names: Iterable[str], pattern: str) -> list[str]:
    return [name for name in names if fnmatchcase(name, pattern)]


def _sizes(shape: tuple[int, ...]) -> str:
    return "".join(f", {size}" for size in shape)
