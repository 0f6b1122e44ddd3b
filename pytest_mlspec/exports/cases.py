"""What an exported model is tried on: real rows in batches of several sizes, other lengths, rows at the edge of the data.

    1 row, 2 rows, …      batches of 1, 2, 3, the training's batch size, and one more than twice that, of real rows
    measured rows         rows of the test split, for the metric; batch by batch
    texts of L tokens     shorter texts, where the model itself takes them
    a row of zeros        0 everywhere; for texts, nothing but padding, or where there is a mask, one token alone
    extreme rows          the largest and the smallest value of each column of the training rows
    no row                an empty batch

Shape letters: N rows, L positions of a text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_mlspec.exports import Named, Opened, first_line
from pytest_mlspec.exports.subject import Subject
from pytest_mlspec.formats import EMPTY, MEASURED, TEXTS
from pytest_mlspec.recipe.protocol import Examples, Prepared

_MOST_ROWS, _MOST_BYTES = 4096, 64_000_000
_SHORTEST = 4
_SPLITS = ("test", "val", "train")
# What tokenizers of transformers name their arrays of texts; those of a recipe stand in `Prepared.vocabularies`.
_OF_TOKENIZERS = frozenset({"input_ids", "attention_mask", "token_type_ids"})


@dataclass(frozen=True)
class Case:
    """What enters the model, and what the model itself answers."""

    inputs: Mapping[str, NDArray[Any]]
    expected: NDArray[Any]


def split_of(prepared: Prepared) -> str:
    """The split whose rows it is tried on: test, else val, else train."""
    return next(name for name in _SPLITS if len(prepared.splits.get(name, ())))


def texts_of(subject: Subject, prepared: Prepared) -> frozenset[str]:
    """The inputs that are texts [N, L] and that the model itself takes with another L."""
    example = subject.example()
    texts = frozenset(name for name, values in example.items() if values.ndim == 2 and _is_text(name, prepared))
    lengths = {example[name].shape[1] for name in texts}
    if len(lengths) != 1 or min(lengths) < _SHORTEST:
        return frozenset()
    try:
        subject.answer(_cut(example, texts, min(lengths) // 2))
    except Exception:  # whatever the team's forward raises for a length that it was not made for
        return frozenset()
    return texts


def cases(
    subject: Subject, prepared: Prepared, *, batch_size: int
) -> tuple[dict[str, Case], NDArray[np.int64], list[str]]:
    """The cases by name, the positions of the measured rows in their split, and notes on cases that there are none of."""
    examples = prepared.splits[split_of(prepared)]
    found: dict[str, Case] = {}
    notes: list[str] = []
    for name, inputs in _inputs(subject, examples, batch_size):
        try:
            expected = subject.answer(inputs)
        except Exception as error:  # whatever the team's forward raises at the edge of what it was made for
            notes.append(f"{name}: not compared, the model itself raises {first_line(error)}")
            continue
        if not np.isfinite(expected).all():
            notes.append(f"{name}: not compared, the model itself gives values that are not finite")
            continue
        found[name] = Case(inputs, expected)
    one = found.get("1 row")
    positions_R = _measured(examples, 0 if one is None else _bytes(one))
    inputs = subject.inputs(examples.take(positions_R))
    found[MEASURED] = Case(inputs, in_batches(subject.answer, inputs, batch_size))
    return found, positions_R, notes


def in_batches(answer: Opened, inputs: Named, batch_size: int) -> NDArray[Any]:
    """What `answer` gives for all rows, asked batch by batch."""
    rows = len(next(iter(inputs.values())))
    batches = range(0, rows, batch_size)
    return np.concatenate(
        [answer({name: x[begin : begin + batch_size] for name, x in inputs.items()}) for begin in batches]
    )


def _inputs(subject: Subject, examples: Examples, batch_size: int) -> Iterator[tuple[str, Named]]:
    spread = np.linspace(0, len(examples) - 1, len(examples)).astype(np.int64)
    for rows in sorted({1, 2, 3, batch_size, 2 * batch_size + 1}):
        if rows <= len(examples):
            yield f"{rows} row{'' if rows == 1 else 's'}", subject.inputs(examples.take(spread[:rows]))
    few = subject.inputs(examples.take(spread[:3]))
    if subject.lengths:
        length = min(few[name].shape[1] for name in subject.lengths)
        for shorter in sorted({length // 2, length - 1}):
            yield f"{TEXTS} {shorter} tokens", _cut(few, subject.lengths, shorter)
    if all(values.dtype.kind in "fiub" for values in few.values()):
        yield _next_to_nothing(few)
        known = subject.inputs(subject.rows)
        yield "extreme rows", {name: np.stack([x.max(axis=0), x.min(axis=0)]) for name, x in known.items()}
    yield EMPTY, {name: values[:0] for name, values in few.items()}


def _next_to_nothing(few: Named) -> tuple[str, Named]:
    """A row of zeros; where a mask says which tokens there are, a text of one token: of none, attention has no value."""
    first = {name: values[:1] for name, values in few.items()}
    mask = first.get("attention_mask")
    if mask is None or mask.ndim != 2:
        return "a row of zeros", {name: np.zeros_like(values) for name, values in first.items()}
    is_first = np.arange(mask.shape[1]) == mask[0].argmax()
    texts = {name: values * is_first if values.shape == mask.shape else values for name, values in first.items()}
    return "a text of one token", {name: values.astype(first[name].dtype) for name, values in texts.items()}


def _is_text(name: str, prepared: Prepared) -> bool:
    return name in _OF_TOKENIZERS or len(prepared.vocabularies.get(name, ())) == 1


def _cut(inputs: Named, texts: frozenset[str], length: int) -> dict[str, NDArray[Any]]:
    return {name: values[:, :length] if name in texts else values for name, values in inputs.items()}


def _measured(examples: Examples, bytes_a_row: int) -> NDArray[np.int64]:
    """Positions of as many rows as can be kept, spread over all of them."""
    rows = min(len(examples), _MOST_ROWS, max(1, _MOST_BYTES // max(1, bytes_a_row)))
    return np.unique(np.linspace(0, len(examples) - 1, rows).astype(np.int64))


def _bytes(case: Case) -> int:
    return case.expected.nbytes + sum(values.nbytes for values in case.inputs.values())
