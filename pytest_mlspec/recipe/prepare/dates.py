"""`dates`: dates and times become numbers, by the parts of the calendar or as a position on a circle.

Text is read as ISO 8601, or by `format`, the same for every row: how a date is read never depends on the rows beside it.
Times with an offset are read in UTC. A missing date has missing parts; one that cannot be read is an error.

Shape letters: N rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pytest_mlspec.errors import DataError
from pytest_mlspec.recipe.prepare.frame import KEY, Frame

if TYPE_CHECKING:
    from pytest_mlspec.language.spec import Use
    from pytest_mlspec.recipe.protocol import NumpyArray

# Parts that come around, with their first value and how many there are.
_CIRCLES: Mapping[str, tuple[int, float]] = {
    "quarter": (1, 4),
    "month": (1, 12),
    "day": (1, 31),
    "dayofyear": (1, 365.25),
    "weekday": (0, 7),
    "hour": (0, 24),
    "minute": (0, 60),
    "second": (0, 60),
}
_IN_PANDAS = {"dayofyear": "day_of_year", "weekday": "day_of_week"}
_DEFAULT = ("year", "month", "day", "weekday", "hour")


class Dates:
    """Dates and times as numbers."""

    def __init__(self, use: Use) -> None:
        self._use = use
        self.learned: Mapping[str, Any] = {}

    def fit(self, frame: Frame, targets: NumpyArray) -> None:
        """Remembers the columns, and whether any of their times has an hour; raises DataError where there is none."""
        import numpy as np

        declared = self._use.arguments.get("columns")
        columns = list(frame.times) if declared is None else [str(name) for name in declared]
        if not columns:
            known = f"text: {', '.join(list(frame.texts)[:10])}; " if frame.texts else ""
            raise DataError(
                "dates finds no column of dates", key=KEY, advice=f"{known}write {{use: dates, columns: [NAME]}}"
            )
        parts = self._use.arguments.get("parts")
        if parts is None:
            times = [self._times(frame, column) for column in columns]
            has_hours = any(bool((each != each.astype("datetime64[D]"))[~np.isnat(each)].any()) for each in times)
            parts = [part for part in _DEFAULT if has_hours or part != "hour"]
        self.learned = {"columns": columns, "parts": list(parts)}

    def transform(self, frame: Frame) -> Frame:
        """The frame with the numbers behind its own, in place of the dates."""
        import numpy as np

        is_cyclic = self._use.arguments.get("cyclic", False)
        names: list[str] = []
        values: list[NumpyArray] = []
        for column in self.learned["columns"]:
            times = self._times(frame, column)
            for part in self.learned["parts"]:
                numbers = _part(times, part)
                if is_cyclic and part in _CIRCLES:
                    first, length = _CIRCLES[part]
                    angle = (numbers - first) * (2 * math.pi / length)
                    names += [f"{column}.{part}.sin", f"{column}.{part}.cos"]
                    values += [np.sin(angle), np.cos(angle)]
                else:
                    names.append(f"{column}.{part}")
                    values.append(numbers)
        return frame.without(self.learned["columns"]).with_numbers(names, np.stack(values, axis=1))

    def _times(self, frame: Frame, column: str) -> NumpyArray:
        """The times [N] of a column, not-a-time where one is missing."""
        import numpy as np
        import pandas as pd

        if column in frame.times:
            return frame.times[column]
        texts = pd.Series(frame.text_of(column), dtype=object)
        written = self._use.arguments.get("format", "ISO8601")
        times = pd.to_datetime(texts, format=written, errors="coerce", utc=True)
        # pandas takes these two words for the moment of reading, whatever the format.
        unread = np.flatnonzero((times.isna() & texts.notna()) | texts.isin(["now", "today"]))
        if len(unread):
            how = "in ISO 8601" if written == "ISO8601" else f"of the format {written!r}"
            raise DataError(
                f"{frame.place(int(unread[0]))} has {texts[unread[0]]!r:.60} in the column {column!r}: no date {how}"
                f" ({len(unread)} of {len(texts)} rows)",
                key=KEY,
                advice='correct the rows, or write how dates are written: {use: dates, format: "%d/%m/%Y"}',
            )
        return times.to_numpy(dtype="datetime64[us]")


def _part(times: NumpyArray, part: str) -> NumpyArray:
    """One part of the calendar as numbers, NaN where the time is missing; `days` is the time since 1970."""
    import numpy as np
    import pandas as pd

    if part == "days":
        days = (times - np.datetime64("1970-01-01")) / np.timedelta64(1, "D")
        return np.asarray(days, dtype=np.float64)
    column: Any = pd.Series(times)
    calendar = column.dt
    if part == "week":
        weeks: NumpyArray = calendar.isocalendar().week.to_numpy(dtype=np.float64, na_value=np.nan)
        return weeks
    numbers: NumpyArray = getattr(calendar, _IN_PANDAS.get(part, part)).to_numpy(dtype=np.float64)
    return numbers
