"""The target as an exact linear function of columns, in as few of them as are found.

Shape letters: N rows, F columns, K chosen columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_mlspec.evidence import Relation
from pytest_mlspec.probes.table import Column
from pytest_mlspec.probes.telling import FEWEST_ROWS, Target, usual_deviation

if TYPE_CHECKING:
    from pytest_mlspec.recipe.protocol import NumpyArray

# A solution is as long as the square of the columns: of wider tables no relation is looked for.
_WIDEST = 300
# A search rests on training rows of so many values · columns, but on a few for each column; the others confirm what it finds.
_WORK = 20_000_000
_ROWS_EACH = 5
# Columns that are chosen one by one; where they do not suffice, every column with a part in it is told.
_CHOSEN = 8
# The largest error of an exact relation, as a share of the usual deviation of the target. Single precision rounds at 6e-8.
_EXACT = 1e-5
# A column that more of the rows lack takes no part.
_LACKING = 0.2


def exact_relation(columns: Sequence[Column], target: Target) -> Relation | None:
    """The exact linear relation that gives the target of every complete row, or None where there is none.

    It is found on training rows and held against every other row.
    """
    import numpy as np

    numbers = [column for column in columns if column.is_number and np.isnan(column.values_N).mean() <= _LACKING]
    if not numbers or len(numbers) > _WIDEST:
        return None
    values_NF = np.stack([column.values_N for column in numbers], axis=1)
    complete_N = ~np.isnan(values_NF).any(axis=1)
    searched = max(_ROWS_EACH * len(numbers), _WORK // len(numbers) ** 2)
    train = np.flatnonzero(complete_N[: target.train])[:searched]
    exact = _EXACT * usual_deviation(target.values_N)
    if len(train) < len(numbers) + FEWEST_ROWS or not exact:
        return None
    chosen = _chosen(values_NF[train], target.values_N[train], exact)
    if not chosen:
        return None
    slopes_K, constant = _solved(values_NF[train][:, chosen], target.values_N[train])
    errors_N = values_NF[complete_N][:, chosen] @ slopes_K + constant - target.values_N[complete_N]
    if np.abs(errors_N).max() > exact:
        return None
    terms = tuple((numbers[number].name, float(slope)) for number, slope in zip(chosen, slopes_K, strict=True))
    return Relation(terms, 0.0 if abs(constant) <= exact else float(constant))


def _chosen(values_NF: NumpyArray, target_N: NumpyArray, exact: float) -> list[int]:
    """The columns of an exact relation, in their order; empty where there is none."""
    import numpy as np

    everything = list(range(values_NF.shape[1]))
    if _error(values_NF, everything, target_N) > exact:
        return []
    centred_NF = values_NF - values_NF.mean(axis=0)
    norms_F = np.linalg.norm(centred_NF, axis=0)
    chosen: list[int] = []
    left_N = target_N - target_N.mean()
    for _ in range(min(_CHOSEN, len(everything))):
        likeness_F = np.abs(left_N @ centred_NF) / np.where(norms_F > 0, norms_F, np.inf)
        likeness_F[chosen] = -1.0
        chosen.append(int(likeness_F.argmax()))
        slopes_K, constant = _solved(values_NF[:, chosen], target_N)
        left_N = target_N - values_NF[:, chosen] @ slopes_K - constant
        if np.abs(left_N).max() <= exact:
            break
    else:
        slopes_F, _ = _solved(values_NF, target_N)
        return [number for number in everything if abs(slopes_F[number]) * values_NF[:, number].std() > exact]
    for number in sorted(chosen, reverse=True):
        fewer = [other for other in chosen if other != number]
        if fewer and _error(values_NF, fewer, target_N) <= exact:
            chosen = fewer
    return sorted(chosen)


def _error(values_NF: NumpyArray, columns: Sequence[int], target_N: NumpyArray) -> float:
    """The largest error of the best linear function of `columns`."""
    import numpy as np

    taken_NK = values_NF[:, list(columns)]
    slopes_K, constant = _solved(taken_NK, target_N)
    return float(np.abs(taken_NK @ slopes_K + constant - target_N).max())


def _solved(values_NK: NumpyArray, target_N: NumpyArray) -> tuple[NumpyArray, float]:
    """Slopes and constant by least squares, on columns of equal scale."""
    import numpy as np

    means_K, deviations_K = values_NK.mean(axis=0), values_NK.std(axis=0)
    deviations_K = np.where(deviations_K > 0, deviations_K, np.inf)
    scaled_K, *_ = np.linalg.lstsq((values_NK - means_K) / deviations_K, target_N - target_N.mean(), rcond=None)
    slopes_K = scaled_K / deviations_K
    return slopes_K, float(target_N.mean() - means_K @ slopes_K)
