"""The key `invariant`: what may be done to inputs without a change of any prediction."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from pytest_mlspec.language.invariances import Invariance
from pytest_mlspec.language.spec import Spec

MINIMAL = {"mlspec": 1, "name": "tested", "recipe": "team"}


def invariances(*given: Any) -> tuple[Invariance, ...]:
    return Spec.model_validate({**MINIMAL, "invariant": list(given)}).invariant


def test_each_form_is_read() -> None:
    """With its argument."""
    found = invariances({"permute": "tokens"}, "pad", {"pad": 3}, {"scale": 2.0}, {"shift": -1}, {"flip": "horizontal"})

    assert [(each.use, each.value) for each in found] == [
        ("permute", "tokens"),
        ("pad", 0.0),
        ("pad", 3.0),
        ("scale", 2.0),
        ("shift", -1.0),
        ("flip", "horizontal"),
    ]


@pytest.mark.parametrize(
    "given",
    [
        *("rotate", 3, {}, {"scale": 2, "shift": 1}),
        *({"scale": 1}, {"scale": 0}, {"scale": True}, {"shift": 0}),
        *({"flip": "sideways"}, {"permute": "rows"}, {"pad": -1}, {"pad": 0.5}),
    ],
    ids=str,
)
def test_everything_else_is_refused(given: Any) -> None:
    """What changes nothing, what is unknown, and two at once."""
    with pytest.raises(ValidationError, match="is no invariance"):
        invariances(given)


def test_a_spec_gives_its_invariances_back() -> None:
    """A worker reads them as the pytest process wrote them."""
    spec = Spec.model_validate({**MINIMAL, "invariant": [{"scale": 2.0}, "pad"]})

    assert Spec.model_validate({**MINIMAL, **spec.model_dump(mode="json", include={"invariant"})}) == spec
