"""Prepared examples as arrays of numbers for the store, back again, and their digest. Nothing is ever pickled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pytest_mlspec.recipe.protocol import Examples, Prepared
from pytest_mlspec.recipe.targets import label_text

if TYPE_CHECKING:
    from pytest_mlspec.recipe.protocol import Inputs, NumpyArray
    from pytest_mlspec.recipe.work import Stored

NUMBERS = "fiub"
"""The kinds of arrays that are stored as they are."""

_ABOUT = "about"


def digest_of(splits: Mapping[str, Examples], classes: tuple[str, ...]) -> str:
    """SHA-256 over the names of splits and inputs, types, shapes and bytes, and the classes."""
    found = hashlib.sha256(json.dumps(classes).encode())
    for split, examples in sorted(splits.items()):
        parts = {**by_name(examples.inputs), "\0targets": examples.targets, "\0index": examples.index}
        for name, values in sorted(parts.items()):
            numbers, texts = _as_stored(values)
            found.update(json.dumps([split, name, str(numbers.dtype), numbers.shape, texts]).encode())
            found.update(numbers.reshape(-1).view("uint8").data)
    return found.hexdigest()


def to_arrays(prepared: Prepared) -> dict[str, NumpyArray]:
    """The prepared examples as arrays of numbers by name; what is text stands in `about`, as the bytes of JSON."""
    import numpy as np

    arrays: dict[str, NumpyArray] = {}
    texts: dict[str, list[str]] = {}
    names: list[str] | None = None
    for split, examples in prepared.splits.items():
        names = None if not isinstance(examples.inputs, Mapping) else list(examples.inputs)
        for number, values in enumerate(by_name(examples.inputs).values()):
            name = f"inputs/{split}/{number}"
            arrays[name], known = _as_stored(values)
            if known is not None:
                texts[name] = known
        if examples.targets is not examples.inputs:
            arrays[f"targets/{split}"] = np.ascontiguousarray(examples.targets)
        arrays[f"index/{split}"] = np.ascontiguousarray(examples.index)
    about = {
        "splits": list(prepared.splits),
        "inputs": names,
        "reconstructs": all(examples.targets is examples.inputs for examples in prepared.splits.values()),
        "classes": prepared.classes,
        "digest": prepared.digest,
        "vocabularies": dict(prepared.vocabularies),
        "notes": prepared.notes,
        "texts": texts,
    }
    return {**arrays, _ABOUT: np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)}


def read_prepared(stored: Stored) -> Prepared:
    """The prepared examples that `to_arrays` took apart."""
    about = json.loads(stored.array(_ABOUT).tobytes())
    splits: dict[str, Examples] = {}
    for split in about["splits"]:
        count = 1 if about["inputs"] is None else len(about["inputs"])
        arrays = []
        for number in range(count):
            name = f"inputs/{split}/{number}"
            values, known = stored.array(name), about["texts"].get(name)
            arrays.append(values if known is None else _texts(values, known))
        inputs: Inputs = arrays[0] if about["inputs"] is None else dict(zip(about["inputs"], arrays, strict=True))
        targets = arrays[0] if about["reconstructs"] else stored.array(f"targets/{split}")
        splits[split] = Examples(inputs, targets, stored.array(f"index/{split}"))
    vocabularies = {name: tuple(sizes) for name, sizes in about["vocabularies"].items()}
    return Prepared(splits, tuple(about["classes"]), about["digest"], vocabularies, tuple(about["notes"]))


def by_name(inputs: Inputs) -> Mapping[str, Any]:
    """The inputs by name; a single array goes by the empty one."""
    return inputs if isinstance(inputs, Mapping) else {"": inputs}


def _as_stored(values: NumpyArray) -> tuple[NumpyArray, list[str] | None]:
    """An array of numbers as it is; one of text as the numbers of its values (−1 where one is missing), and those values."""
    import numpy as np
    import pandas as pd

    if values.dtype.kind in NUMBERS:
        return np.ascontiguousarray(values), None
    codes, known = pd.factorize(values.ravel(), sort=True)
    return codes.reshape(values.shape).astype(np.int64), [label_text(value) for value in known]


def _texts(codes: NumpyArray, known: list[str]) -> NumpyArray:
    import numpy as np

    return np.array([*known, np.nan], dtype=object)[codes]
