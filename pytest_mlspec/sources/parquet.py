"""Tables in Parquet, read by pyarrow from a file that Python has opened: so a change of it is noticed.

Types stay: whole numbers, numbers, truth values, texts, dates and times. A named index of pandas is a column like the others;
an unnamed one numbers the rows and is left out, as pandas itself does.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_mlspec.errors import DataError, MissingExtraError, did_you_mean
from pytest_mlspec.sources.files import KEY, opened
from pytest_mlspec.sources.origins import Numbered, Table


def read(path: str, *, root: Path, columns: Sequence[str] = ()) -> Table:
    """The table in the file at `path`, relative to `root`; `columns` names those to read, by default all."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtraError("pyarrow", extra="parquet", key=KEY) from None

    with opened(path, root=root) as file:
        try:
            stored = pq.ParquetFile(file)
            names = list(columns) or _data_columns(stored.schema_arrow)
            for name in names:
                if name not in stored.schema_arrow.names:
                    advice = did_you_mean(name, stored.schema_arrow.names)
                    raise DataError(f"{path} has no column {name!r}", key=f"{KEY}.columns", advice=advice)
            table = stored.read(columns=names).select(names)
        except (pa.ArrowException, OSError) as error:
            reason = str(error).splitlines()[0]
            raise DataError(
                f"{path} cannot be read: {reason}", key=KEY, advice="is it a whole Parquet file?"
            ) from error
    return Table(to_frame(table, path), Numbered(path))


def to_frame(table: Any, name: str) -> Any:
    """A table of Arrow as a DataFrame; raises DataError that names the first column whose values are not plain."""
    import pyarrow as pa

    fields = []
    for field in table.schema:
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if pa.types.is_decimal(kind):
            kind = pa.float64()  # pandas would keep objects, which count as categories
        elif pa.types.is_date(kind):
            kind = pa.timestamp("ms")
        elif not _is_plain(kind):
            raise DataError(
                f"{name} has the column {field.name!r} of {field.type}, and a column holds plain values",
                key=KEY,
                advice="read the other columns alone, `columns: [...]` beside `use`, or make columns in your own function",
            )
        fields.append(pa.field(field.name, kind))
    return table.cast(pa.schema(fields)).to_pandas(ignore_metadata=True)


def _is_plain(kind: Any) -> bool:
    import pyarrow as pa

    tests = (
        pa.types.is_boolean,
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_string_view,
        pa.types.is_timestamp,
        pa.types.is_null,
    )
    return any(test(kind) for test in tests)


def _data_columns(schema: Any) -> list[str]:
    """The columns of the schema without an index of pandas that has no name."""
    written = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
    unnamed = {name for name in written.get("index_columns", ()) if str(name).startswith("__index_level_")}
    return [name for name in schema.names if name not in unnamed]
