"""What gives the target away or crosses from one split into another: the part of `data` that compares columns and rows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from pytest_mlspec.check import Verdict, at_most, failed, listed, passed, shown
from pytest_mlspec.evidence import DataProfile, Leaks, Relation, Telling

# So many columns of a relation are written out.
_WRITTEN_OUT = 6

_HOW: Mapping[str, str] = {
    "same": "it is the target itself",
    "monotone": "it rises or falls with the target in every row",
    "limits": "limits on it part the classes in every row",
    "values": "each of its values has one target",
}


def told_target(
    leaks: Leaks | None, target: str, *, telling: Collection[str], tells_alone_at_most: float
) -> Iterator[Verdict]:
    """Red for an exact relation, and for each column that tells the target alone; columns of `telling` may."""
    if leaks is None:
        return
    if not leaks.rows:
        yield passed(f"too few rows to see whether a column tells {target}")
    related = [name for name, _ in leaks.relation.terms] if leaks.relation else []
    if leaks.relation and not set(related) & set(telling):
        yield failed(f"{target} is exactly {_written(leaks.relation)}").explained(
            f"in each of {leaks.rows} rows, up to rounding", advice=_advice(leaks, related), finding="data.telling"
        )
    highest = next((column for column in leaks.columns if column.column not in telling), None)
    for column in leaks.columns:
        if column.column in telling or related == [column.column]:
            continue
        verdict = at_most(column.score, tells_alone_at_most, of=f"{column.column} alone tells {target}:")
        if verdict.status.red:
            yield verdict.explained(
                _reason(column, leaks), advice=_advice(leaks, [column.column]), finding="data.telling"
            )
        elif column is highest:
            yield passed(f"no column tells {target} alone; most of it {column.column}: {shown(column.score)}")


def shared_rows(profile: DataProfile, *, shared_at_most: float, near_at_most: float) -> Iterator[Verdict]:
    """Red for rows of one split that stand, or nearly stand, in another one."""
    for pair, count in profile.shared.items():
        bound = rows_allowed(shared_at_most, _rows_of_second(profile, pair))
        verdict = at_most(count, bound, of=f"rows shared by {pair.replace('/', ' and ')}:")
        if count:
            yield verdict.explained(
                _equal(f"equal rows in {pair}", profile.shared_examples.get(pair, ())),
                advice="split before rows are repeated or joined, or split by group; `shared_at_most` allows for chance",
                finding="data.shared",
            )
    if profile.shared and not profile.near:
        yield passed("near copies were not looked for: too many values")
    for pair, count in profile.near.items():
        bound = rows_allowed(near_at_most, _rows_of_second(profile, pair))
        verdict = at_most(count, bound, of=f"near copies of rows in {pair.replace('/', ' and ')}:")
        if count:
            yield verdict.explained(
                _equal(f"nearly equal rows in {pair}", profile.near_examples.get(pair, ())),
                advice="they differ by rounding, case or blanks alone: make them equal before the split, or split by group;"
                " `near_at_most` allows for chance",
                finding="data.near",
            )


def rows_allowed(bound: float, rows: int) -> int:
    """A bound as a number of rows: a share of `rows` where it is below 1."""
    return int(bound * rows if bound < 1 else bound)


def crossing(profile: DataProfile) -> Iterator[Verdict]:
    """Red where a split by group or time has the same group, or an earlier time, on both sides."""
    column = profile.split_column
    for pair, count in profile.crossing.items():
        first, second = pair.split("/")
        of = f"groups of {column} in {first} and {second}:"
        if profile.split_by == "time":
            of = f"rows of {second} before the last of {first} by {column}:"
        verdict = at_most(count, 0, of=of)
        if verdict.status.red:
            examples = listed(profile.crossing_examples.get(pair, ()))
            yield verdict.explained(
                f"for example {examples}",
                advice=f"look at how {first} and {second} are split",
                finding="data.crossing",
            )


def _rows_of_second(profile: DataProfile, pair: str) -> int:
    return profile.splits[pair.partition("/")[2]].rows


def _written(relation: Relation) -> str:
    """The right side of an exact relation.

    >>> _written(Relation((("casual", 1.0), ("fee", -2.5)), 3.0))
    'casual - 2.5 * fee + 3'
    """
    if len(relation.terms) > _WRITTEN_OUT:
        return f"a linear function of {listed((name for name, _ in relation.terms), limit=_WRITTEN_OUT)}"
    terms = [(slope, name) for name, slope in relation.terms]
    constant = [(relation.constant, "")] if relation.constant else []
    text = ""
    for factor, name in (*terms, *constant):
        sign = "-" if factor < 0 else "+"
        size = shown(round(abs(factor), 9))
        value = size if not name else name if size == "1" else f"{size} * {name}"
        text += f" {sign} {value}" if text else f"{'-' if factor < 0 else ''}{value}"
    return text


def _reason(column: Telling, leaks: Leaks) -> str:
    if column.how:
        return f"{_HOW[column.how]} ({leaks.rows} rows)"
    return "its nearest training value gives the target of other rows; 0 is a constant's score, 1 is without error"


def _advice(leaks: Leaks, columns: list[str]) -> str:
    names = ", ".join(columns)
    out = "leave it out in prepare" if leaks.prepared else f"leave it out: `data.drop: [{names}]`"
    return f"{out}; where the model will have it in time, `data: {{telling: [{names}]}}` under checks"


def _equal(what: str, examples: tuple[tuple[str, str], ...]) -> str:
    return f"{what}: {listed(f'{one} = {other}' for one, other in examples)}" if examples else ""
