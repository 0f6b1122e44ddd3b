"""Values carry their unit in the text; what has none, or another, is refused with the units that there are."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_mlspec.errors import MlspecError
from pytest_mlspec.language.units import seconds, share, size


@pytest.mark.parametrize(
    ("text", "value"),
    [("200ms", 0.2), ("90s", 90.0), ("1.5min", 90.0), ("2h", 7200.0), ("1e3ms", 1.0), ("90 s", 90.0), (" 90s ", 90.0)],
)
def test_durations_are_seconds(text: str, value: float) -> None:
    """A space before the unit is allowed."""
    assert seconds(text) == value


@pytest.mark.parametrize(
    ("text", "value"), [("1B", 1), ("64kB", 64_000), ("1.5GB", 1_500_000_000), ("2TB", 2_000_000_000_000)]
)
def test_sizes_are_whole_bytes_in_decimal_units(text: str, value: int) -> None:
    """A GB is 10^9 bytes."""
    assert size(text) == value
    assert isinstance(size(text), int)


@pytest.mark.parametrize(("text", "value"), [("5%", 0.05), ("12.5 %", 0.125), ("100%", 1.0)])
def test_percentages_are_shares(text: str, value: float) -> None:
    """5 % is 0.05."""
    assert share(text) == value


@pytest.mark.parametrize(
    "value", ["30", "30 parsecs", "30S", "s", "", "-5s", "nan s", "1,5s", "３０s", 30, 1.5, True, None]
)
def test_what_is_no_duration_is_refused(value: object) -> None:
    """A bare number has no unit, and to guess one would be wrong; units are written as they are."""
    with pytest.raises(MlspecError, match="is not a duration") as caught:
        seconds(value)

    assert caught.value.advice == "write a number with its unit (ms, s, min, h), such as 90s"


@pytest.mark.parametrize(
    ("parse", "value", "message"),
    [
        (size, "2GiB", "'2GiB' is not a size"),
        (size, "2g", "'2g' is not a size"),
        (share, "0.05", "'0.05' is not a share"),
        (seconds, "1e400s", "'1e400s' is too large"),
        (size, "1e400GB", "'1e400GB' is too large"),
        (seconds, "9" * 400 + "s", f"'{'9' * 57}…' is too large"),
    ],
)
def test_messages_name_what_was_read(parse: Callable[[object], object], value: object, message: str) -> None:
    """A number beyond every float is refused before anything is made of it; long text is cut."""
    with pytest.raises(MlspecError) as caught:
        parse(value)

    assert caught.value.message == message
