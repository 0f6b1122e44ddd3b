"""`properties`: what holds for every row holds for rows that nobody thought of, drawn from the schema of the data."""

from __future__ import annotations

from pydantic import Field

from pytest_mlspec.check import Params, Verdict, at_least, check, errored, failed, listed, passed
from pytest_mlspec.evidence import Search
from pytest_mlspec.jobs import SearchProperties


class PropertiesParams(Params):
    """`examples` is how many batches are drawn.

    `beyond: true` draws values that the data do not have too: empty texts, rows of an array that are one number everywhere.
    `tolerance` is the largest difference of two predictions that should be equal, in their units; null for what rounding
    explains.
    """

    examples: int = Field(30, ge=1, le=10_000)
    beyond: bool = False
    tolerance: float | None = Field(None, ge=0)


def _needs(params: PropertiesParams) -> dict[str, SearchProperties]:
    return {"search": SearchProperties(params.examples, params.beyond, params.tolerance)}


@check("properties", needs=_needs)
def properties(params: PropertiesParams, search: Search) -> Verdict:
    """Extreme, missing and repeated values get finite predictions of the right form, each row by itself."""
    return _judged(search).on(n=search.rows, device=search.device)


_ADVICE = {
    "answered": "these rows are made of values that the data have; what should not come in is refused with a ValueError",
    "finite": "a division by 0, a logarithm or root, or a mean of nothing?",
    "contract": "probabilities are at least 0 and sum to 1, one row for each row",
    "independent": "something looks at the whole batch: see the check `independence`",
}


def _judged(search: Search) -> Verdict:
    tried = search.batches - search.refused
    if at_least(tried, 1).status.red or not search.properties:
        return errored(f"{search.batches} batches were drawn, {search.refused} of them refused: nothing was tried")
    found = search.violation
    if found is None:
        refused = f"{search.refused} more were refused by the preparation" if search.refused else ""
        return passed(f"{tried} batches keep {listed(search.properties, limit=8)}").explained(refused, *search.left_out)
    kind = found.property if found.property in _ADVICE else "invariant"
    return failed(f"{found.property}: {found.told}").explained(
        *found.rows,
        "an earlier run found this batch, and it was tried first" if search.remembered else "",
        advice=_ADVICE.get(kind, "the spec declares under `invariant` that this changes no prediction"),
        finding=f"properties.{kind}",
    )
