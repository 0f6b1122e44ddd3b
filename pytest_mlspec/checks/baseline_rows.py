"""`baseline`, row by row: how many rows there are, and what became of the golden ones.

Golden rows are those with the lowest hashes. Where rows were added, some of the recorded ones are no longer among the lowest:
nothing is known of them, and they are left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from pytest_mlspec.check import Status, Verdict, at_most, errored, failed, listed, passed, shown, within
from pytest_mlspec.evidence import Description, GoldenRow

# Prepared rows differ by rounding where the training rows are the same, or nothing is fitted on them.
_ROUNDING = 1e-4
_ROWS_NAMED = 3
# Fewer golden rows do not tell that all others are there.
_FEWEST_KNOWN = 8
# A share of golden rows that may be prepared otherwise.
_OTHERS_AT_MOST = 0.01


def counts(before: Description, now: Description, *, at_least_share: float, at_most_share: float) -> Iterator[Verdict]:
    """The rows of each split, as a share of those recorded; of all splits, where the spec splits them otherwise."""
    if before.split != now.split:
        yield _counted("all splits", _rows(before), _rows(now), at_least_share, at_most_share)
        return
    for name in {**before.splits, **now.splits}:
        if name not in now.splits:
            yield failed(f"the split {name} is gone: {before.splits[name].rows} rows were recorded").explained(
                finding="baseline.rows"
            )
        elif name not in before.splits:
            yield failed(f"the split {name} is new: {now.splits[name].rows} rows").explained(finding="baseline.rows")
        else:
            yield _counted(name, before.splits[name].rows, now.splits[name].rows, at_least_share, at_most_share)


def _counted(where: str, old: int, new: int, at_least_share: float, at_most_share: float) -> Verdict:
    if not old:
        return errored(f"0 rows of {where} are recorded")
    told = f"rows of {where}: {new}, recorded {old}"
    verdict = within(new / old, at_least_share, at_most_share, of=f"rows of {where}, of those recorded:")
    if verdict.status is Status.PASSED:
        return passed(told)
    advice = "were rows lost by a filter or a join, or files left out or read twice?"
    return verdict.explained(told, advice=advice, finding="baseline.rows")


def labels(before: Description, now: Description, *, at_most_share: float) -> Iterator[Verdict]:
    """Golden rows that have another label."""
    both = _in_both(before, now)
    if not both:
        return
    changed = {key: pair for key, pair in both.items() if not set(pair[0].labels) & set(pair[1].labels)}
    verdict = at_most(len(changed) / len(both), at_most_share, of="golden rows with another label:")
    if verdict.status is Status.PASSED and not changed:
        return
    examples = [
        f"{key}: {pair[1].labels[0]!r}, recorded {pair[0].labels[0]!r}" if now.classes else key
        for key, pair in changed.items()
    ]
    yield verdict.explained(
        f"golden rows with another label: {len(changed)} of {len(both)}",
        f"by their hashes: {listed(examples, limit=_ROWS_NAMED)}" if examples else "",
        advice="are labels joined to the right rows, in their order?",
        finding="baseline.labels",
    )


def gone(before: Description, now: Description, *, gone_at_most: float, edited_at_most: float) -> Iterator[Verdict]:
    """Golden rows that are nowhere."""
    if not before.golden or not now.asked:
        yield passed("no golden rows are compared: none are recorded or wanted")
        return
    if _unlike(before, now):
        yield passed("golden rows were not compared: the columns are others")
        return
    known = _known(before, now)
    if not known:
        yield failed("none of the golden rows is there").explained(
            f"recorded: {len(before.golden)}", advice="are these other data?", finding="baseline.values"
        )
        return
    missing = [key for key in known if key not in now.golden]
    is_other = len(missing) == len(known)
    is_edited = _rows(before) == _rows(now) and (is_other or _stand_as_before(before, now))
    of = "golden rows that were edited:" if is_edited else "golden rows that are gone:"
    verdict = at_most(len(missing) / len(known), edited_at_most if is_edited else gone_at_most, of=of)
    if verdict.status is Status.PASSED and not missing:
        return
    yield verdict.explained(
        f"golden rows that are gone: {len(missing)} of {len(known)}"
        + (", and there are as many rows as before: values were changed in place" if is_edited else ""),
        advice="were values imputed, rounded, scaled or joined otherwise?"
        if is_edited or is_other
        else "were rows filtered?",
        finding="baseline.values" if is_edited or is_other else "baseline.rows",
    )


def moved(before: Description, now: Description, *, at_most_share: float) -> Iterator[Verdict]:
    """Golden rows that stand in another split; told, not judged, where other rows make another draw."""
    both = _in_both(before, now)
    if not both or before.split != now.split:
        return
    others = {key: pair for key, pair in both.items() if not set(pair[0].splits) & set(pair[1].splits)}
    if not others:
        return
    ways = sorted({f"{pair[0].splits[0]} to {pair[1].splits[0]}" for pair in others.values()})
    told = f"golden rows in another split: {len(others)} of {len(both)}, {listed(ways)}"
    # A draw goes by the order of the rows, and changes with any of them.
    if now.split_by == "source" or (now.order and now.order == before.order):
        verdict = at_most(len(others) / len(both), at_most_share, of="golden rows in another split:")
        yield verdict.explained(
            told,
            advice="is the split drawn with another seed, or with none? rows of the test split that were trained on say nothing",
            finding="baseline.moved",
        )
    else:
        yield passed(f"{told}: of other rows, another split is drawn")


def prepared(before: Description, now: Description) -> Iterator[Verdict]:
    """What enters the model for golden rows: as recorded, where the same is fitted on the training rows or nothing is."""
    both = _in_both(before, now)
    is_refitted = (before.fits or now.fits) and not same_training_rows(before, now)
    for name, old in before.inputs.items():
        new = now.inputs.get(name)
        pairs = {
            key: (one.sketches[name], other.sketches[name])
            for key, (one, other) in both.items()
            if name in one.sketches and name in other.sketches
        }
        if not pairs or new is None or (old.dtype, old.shape) != (new.dtype, new.shape):
            continue
        if is_refitted:
            yield passed(f"golden rows were not compared as {_input(name)}: those are fitted on other training rows")
            continue
        apart = {key: _distance(*pair, old.spread) for key, pair in pairs.items()}
        differ = [key for key, distance in apart.items() if at_most(distance, _ROUNDING).status is not Status.PASSED]
        # as many as may be labelled or split otherwise: a row that the team's prepare corrects is none of a fault
        verdict = at_most(len(differ) / len(pairs), _OTHERS_AT_MOST, of=f"golden rows with other {_input(name)}:")
        if verdict.status is not Status.PASSED:
            furthest = max(apart.values())
            yield verdict.explained(
                f"{len(differ)} of {len(pairs)}, by up to {shown(furthest)} of their usual deviation; their raw rows are equal",
                f"rows by their hashes: {listed(differ, limit=_ROWS_NAMED)}",
                advice="did a step of prepare change, its order of columns or channels, or is a cache of features older than it?",
                finding="baseline.prepared",
            )


def same_training_rows(before: Description, now: Description) -> bool:
    """Whether the training rows are those that were recorded, all of them, in any order."""
    old, new = (each.splits["train"].digest if "train" in each.splits else "" for each in (before, now))
    return bool(new) and old == new


def grown_by(before: Description, now: Description) -> float:
    """The share of the rows that were added, where all recorded ones are there; 0 where that is not known."""
    known = _known(before, now)
    is_whole = len(known) >= min(_FEWEST_KNOWN, _rows(before)) and all(key in now.golden for key in known)
    if _unlike(before, now) or not known or not is_whole:
        return 0.0
    return max(0.0, 1 - _rows(before) / max(1, _rows(now)))


def _stand_as_before(before: Description, now: Description) -> bool:
    """Whether the golden rows that are still there have the numbers in the source that they had."""
    both = _in_both(before, now).values()
    moved = [one for one, other in both if one.place != other.place]
    return at_most(len(moved), _OTHERS_AT_MOST * len(both)).status is Status.PASSED


def _distance(one: tuple[float, ...], other: tuple[float, ...], spread: tuple[float, ...]) -> float:
    """The largest difference of two sketches, in the usual deviations of such sketches."""
    # A sketch that is equal in all rows has no deviation: there its own size is the measure.
    scales = [
        width if width > _ROUNDING * abs(first) else max(abs(first), _ROUNDING)
        for first, width in zip(one, spread, strict=True)
    ]
    return max(abs(first - second) / scale for first, second, scale in zip(one, other, scales, strict=True))


def _in_both(before: Description, now: Description) -> dict[str, tuple[GoldenRow, GoldenRow]]:
    if _unlike(before, now):
        return {}
    return {key: (row, now.golden[key]) for key, row in before.golden.items() if key in now.golden}


def _known(before: Description, now: Description) -> list[str]:
    """The recorded golden rows that would be among those of now, were they there."""
    is_all = len(now.golden) < now.asked
    return [key for key in before.golden if is_all or key <= max(now.golden)]


def _rows(description: Description) -> int:
    return sum(split.rows for split in description.splits.values())


def _unlike(before: Description, now: Description) -> bool:
    """Whether rows have other columns, so that none has the hash that it had."""
    return before.columns.keys() != now.columns.keys()


def _input(name: str) -> str:
    return f"prepared values {name}".rstrip()
