"""What a serving path answers, brought into the form of predictions, and how far it is from what it should be.

    probabilities    an array [N, C] in the order of the classes; a DataFrame or mappings with the classes as names, in any
                     order; of two classes [N], that of the positive one
    labels           [N], as they stand in the source
    values           [N], or [N, …] in the shape of the model's

Shape letters: N rows, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pytest_mlspec.engines import predictions
from pytest_mlspec.engines.predictions import FloatArray
from pytest_mlspec.errors import RecipeError
from pytest_mlspec.evidence import Difference
from pytest_mlspec.recipe.targets import label_text

Kind = Literal["probabilities", "labels", "values"]

_KEY = "recipe.predict"
# Two classes whose probabilities are closer are a tie, and either is a decision.
_TIE = 1e-4
# Every pair of classes is compared on every row.
_MOST_CLASSES_TO_MATCH = 100


@dataclass(frozen=True)
class Form:
    """What is expected: probabilities of `classes`, `positive` being the number of one; without classes, values.

    `row` is the shape of the values of a row. `source` is what messages call the path.
    """

    classes: tuple[str, ...]
    positive: int
    row: tuple[int, ...]
    source: str


@dataclass(frozen=True)
class Answers:
    """Probabilities [N, C], certain ones where the path gives `labels` alone, or values [N, …]."""

    values: FloatArray
    kind: Kind
    records_gradients: bool = False

    def take(self, positions: NDArray[Any]) -> Answers:
        """Those of the rows at `positions`."""
        return replace(self, values=self.values[positions])


def joined(parts: Sequence[Answers]) -> Answers:
    """The answers of several calls."""
    kinds = {part.kind for part in parts}
    if len(kinds) > 1:
        raise RecipeError(f"predict gives {' and '.join(sorted(kinds))}, another form for other rows", key=_KEY)
    values = np.concatenate([part.values for part in parts])
    return Answers(values, kinds.pop(), any(part.records_gradients for part in parts))


def read(found: Any, rows: int, form: Form) -> Answers:
    """What a path answered for `rows` rows; raises RecipeError where that is none of the forms above.

    TrainingError where a number is not finite.
    """
    records_gradients = False
    if hasattr(found, "detach"):
        records_gradients = bool(found.requires_grad)
        found = found.detach().cpu()
        found = (found.float() if found.is_floating_point() else found).numpy()
    if not form.classes:
        values = predictions.checked(
            found, kind="values", rows=rows, classes=0, source=form.source, key=_KEY, row=form.row
        )
        return Answers(values, "values", records_gradients)
    probabilities, are_labels = _of_classes(found, form)
    values = predictions.checked(
        probabilities, kind="probabilities", rows=rows, classes=len(form.classes), source=form.source, key=_KEY
    )
    return Answers(values, "labels" if are_labels else "probabilities", records_gradients)


def difference(answers: Answers, reference: Answers, names: Sequence[int]) -> Difference:
    """How far `answers` are from the reference; `names` number the rows. Where either has labels alone, labels are compared."""
    served, expected = answers.values, reference.values
    differs_N = np.zeros(len(served), dtype=bool)
    if reference.kind != "values":
        differs_N = (served.argmax(axis=1) != expected.argmax(axis=1)) & ~_is_tie(expected)
    if "labels" in (answers.kind, reference.kind):
        of_row_N, scale = differs_N.astype(np.float64), 1.0
    else:
        of_row_N = np.abs(served - expected).reshape(len(served), -1).max(axis=1)
        scale = float(np.abs(expected).max())
    worst = int(of_row_N.argmax())
    return Difference(
        rows=len(served),
        absolute=float(of_row_N[worst]),
        scale=scale,
        decisions=int(differs_N.sum()),
        worst_row=int(names[worst]),
    )


def permutation(answers: Answers, reference: Answers, *, tolerance: float) -> tuple[int, ...]:
    """Which class of the reference stands in the place of each class; empty where they are not mixed up, or more is wrong."""
    served_NC, expected_NC = answers.values, reference.values
    if answers.kind == "labels" and reference.kind != "values":
        return _of_labels(served_NC, expected_NC)
    classes = range(served_NC.shape[1]) if reference.kind == "probabilities" == answers.kind else ()
    if not 0 < len(classes) <= _MOST_CLASSES_TO_MATCH:
        return ()
    apart_CC = np.array([np.abs(served_NC[:, [each]] - expected_NC).max(axis=0) for each in classes])
    order = tuple(apart_CC.argmin(axis=1).tolist())
    is_one = len(set(order)) == len(order) and bool(apart_CC.min(axis=1).max() <= tolerance)
    return order if is_one and order != tuple(classes) else ()


def _of_labels(served_NC: FloatArray, expected_NC: FloatArray) -> tuple[int, ...]:
    """The same for labels: each class of the reference is answered with one label, always."""
    clear_N = ~_is_tie(expected_NC)
    pairs = set(
        zip(served_NC.argmax(axis=1)[clear_N].tolist(), expected_NC.argmax(axis=1)[clear_N].tolist(), strict=True)
    )
    stands = dict(pairs)
    is_one = len(stands) == len(pairs) == len(set(stands.values())) and stands.keys() == set(stands.values())
    if not is_one or all(served == expected for served, expected in pairs):
        return ()
    return tuple(stands.get(number, number) for number in range(served_NC.shape[1]))


def _of_classes(found: Any, form: Form) -> tuple[Any, bool]:
    """Probabilities [N, C] in the order of the classes, and whether they are certain because labels were given."""
    if isinstance(found, pd.DataFrame):
        return _by_name({label_text(name): found[name].to_numpy() for name in found}, form), False
    if isinstance(found, Mapping):
        return _by_name({label_text(name): values for name, values in found.items()}, form), False
    if isinstance(found, list | tuple) and found and all(isinstance(each, Mapping) for each in found):
        names = dict.fromkeys(name for each in found for name in each)
        return _by_name({label_text(name): [each.get(name, 0.0) for each in found] for name in names}, form), False
    array = np.asarray(found.to_numpy(dtype=object) if isinstance(found, pd.Series) else found)
    array = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    if array.ndim != 1:
        return array, False
    texts = [label_text(value) for value in array.tolist()]
    unknown = [text for text in texts if text not in form.classes]
    if not unknown:
        return np.eye(len(form.classes))[[form.classes.index(text) for text in texts]], True
    if array.dtype.kind in "fiu" and len(form.classes) == 2:
        of_positive_N = array.astype(np.float64)
        both_NC = np.stack([1 - of_positive_N, of_positive_N], axis=1)
        return (both_NC if form.positive else both_NC[:, ::-1]), False
    raise RecipeError(
        f"{form.source} gives the label {unknown[0]!r:.40}, and the classes are {', '.join(form.classes[:10])}",
        key=_KEY,
        advice="give probabilities [rows, classes], or the labels as they stand in the source",
    )


def _by_name(columns: Mapping[str, Any], form: Form) -> FloatArray:
    if set(columns) != set(form.classes):
        raise RecipeError(
            f"{form.source} names the classes {', '.join(sorted(columns))[:80]}, and they are {', '.join(form.classes[:10])}",
            key=_KEY,
        )
    return np.stack([np.asarray(columns[name], dtype=np.float64) for name in form.classes], axis=1)


def _is_tie(probabilities_NC: FloatArray) -> NDArray[np.bool_]:
    first_two = np.sort(probabilities_NC, axis=1)[:, -2:]
    return np.asarray(first_two[:, 1] - first_two[:, 0] < _TIE)
