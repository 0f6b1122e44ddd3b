"""Golden rows: the rows with the lowest hashes, which are the same rows whatever their order and whatever stands around them.

A hash is of the values of the features by the names of their columns: neither their order, nor the types of pandas, nor
double in place of single precision change it. Nothing else of a raw row is kept.

Shape letters: N rows of all splits, F columns, S numbers of a sketch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_mlspec.evidence import GoldenRow
from pytest_mlspec.probes.describe_values import as_codes, as_numbers, kind_of
from pytest_mlspec.recipe.targets import label_text

if TYPE_CHECKING:
    from pytest_mlspec.recipe.protocol import NumpyArray

SKETCH = 4
"""Numbers of a sketch."""

_DIGITS = 12  # of 16: 48 bits, of which a million rows share none
# Of wider rows, so many numbers that lie evenly: images keep the time of a table.
_MOST_NUMBERS = 4096
_AT_A_TIME = 64
_MISSING = 0x9E3779B97F4A7C15


def row_hashes(features: Any) -> NumpyArray:
    """A hash [N, uint64] of each row of a table or an array."""
    import numpy as np
    import pandas as pd

    total = np.zeros(len(features), dtype=np.uint64)
    if isinstance(features, pd.DataFrame):
        for name, column in features.items():
            if kind_of(column) == "text":
                codes, texts = as_codes(column)
                cells = np.array([*(_of_text(text) for text in texts), _MISSING], dtype=np.uint64)[codes]
            else:
                cells = _cells(as_numbers(column))
            total += mixed(cells ^ np.uint64(_of_text(str(name))))
        return mixed(total)
    flat_NF = np.asarray(features).reshape(len(features), -1)
    places = np.unique(np.round(np.linspace(0, flat_NF.shape[1] - 1, _MOST_NUMBERS)).astype(np.int64))
    for start in range(0, len(places), _AT_A_TIME):
        taken = places[start : start + _AT_A_TIME]
        cells = _cells(flat_NF[:, taken].astype(np.float64))
        total += mixed(cells ^ mixed(taken.astype(np.uint64))).sum(axis=1, dtype=np.uint64)
    return mixed(total)


def digest_of(hashes: NumpyArray) -> str:
    """A digest of these hashes in their order; empty where there are none."""
    return hashlib.sha256(hashes.tobytes()).hexdigest()[:_DIGITS] if len(hashes) else ""


def golden_rows(
    hashes: Mapping[str, NumpyArray],
    targets: Mapping[str, NumpyArray],
    inputs: Mapping[str, Mapping[str, NumpyArray]],
    *,
    numbers: Mapping[str, NumpyArray],
    count: int,
    labelled: bool,
) -> dict[str, GoldenRow]:
    """The `count` rows of all splits with the lowest hashes, by hash; `inputs` are those of the model by split and name.

    `numbers` are those of the rows in the source.

    `labelled` says that targets are classes, which are kept as text; of a value a short hash is kept.
    """
    import numpy as np

    lowest = np.unique(np.concatenate(list(hashes.values())))[:count]
    found: dict[int, list[tuple[str, int]]] = {int(each): [] for each in lowest}
    for split, of_split in hashes.items():
        for position in np.flatnonzero(np.isin(of_split, lowest)).tolist():
            found[int(of_split[position])].append((split, position))
    return {
        f"{number:016x}"[:_DIGITS]: GoldenRow(
            tuple(dict.fromkeys(split for split, _ in places)),
            tuple(dict.fromkeys(_label(targets[split], position, labelled=labelled) for split, position in places)),
            {name: sketch(values[places[0][1]]) for name, values in inputs.get(places[0][0], {}).items()},
            f"{int(numbers[places[0][0]][places[0][1]]) % 256:02x}",
        )
        for number, places in found.items()
    }


def sketch(row: Any) -> tuple[float, ...]:
    """Sums [S] of the numbers of a prepared row with random signs: another order or another value gives others."""
    import numpy as np

    values = np.asarray(row)
    if values.dtype.kind not in "fiub":
        text = "\0".join(map(str, values.ravel().tolist()))
        return tuple((_of_text(f"{number}{text}") >> 40) / 2**24 for number in range(SKETCH))
    flat = np.nan_to_num(values.astype(np.float64).ravel(), nan=-1.25, posinf=1e30, neginf=-1e30)
    places = np.arange(len(flat), dtype=np.uint64)
    sums = []
    for number in range(SKETCH):
        signs = np.where(mixed(places * np.uint64(SKETCH) + np.uint64(number)) & np.uint64(1), 1.0, -1.0)
        sums.append(float((signs * flat).sum() / max(1.0, len(flat)) ** 0.5))
    return tuple(sums)


def spread_of(rows: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    """The standard deviation [S] of each number of these sketches; 0 for one row."""
    import numpy as np

    return tuple(np.std(np.array(rows), axis=0).tolist()) if rows else ()


def _label(targets: NumpyArray, position: int, *, labelled: bool) -> str:
    import numpy as np

    if targets.ndim != 1:
        return ""
    value = targets[position].item() if hasattr(targets[position], "item") else targets[position]
    if labelled:
        return label_text(value)
    is_number = isinstance(value, int | float)
    cell = int(_cells(np.array([float(value)]))[0]) if is_number else _of_text(label_text(value))
    return f"{cell & 0xFFFF:04x}"


def _cells(numbers: NumpyArray) -> NumpyArray:
    """A code [uint64] of each number: whole ones as they are, others in single precision."""
    import numpy as np

    finite = np.nan_to_num(numbers, nan=0.5, posinf=1e38, neginf=-1e38)
    is_whole = (finite == np.rint(finite)) & (np.abs(finite) < 2**53)
    with np.errstate(over="ignore"):  # beyond single precision all numbers are one
        singles = finite.astype(np.float32).view(np.uint32).astype(np.uint64) << np.uint64(20)
    whole = np.where(is_whole, finite, 0.0).astype(np.int64).view(np.uint64)
    cells = np.where(is_whole, mixed(whole), singles)
    return np.where(np.isnan(numbers), np.uint64(_MISSING), cells)


def mixed(values: NumpyArray) -> NumpyArray:
    """Bits [uint64] that each depend on all bits of a value (splitmix64; Steele, Lea and Flood 2014)."""
    import numpy as np

    bits = values + np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def _of_text(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big")
