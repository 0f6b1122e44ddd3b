"""Evidence of one key in a store, for tests that look at what becomes of it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pytest_mlspec.store import Entry, Key, Miss, Store
from pytest_mlspec.store.inputs import Inputs

INGREDIENTS: dict[str, Any] = {
    "spec": {"train": {"epochs": 10, "lr": 1e-3}, "data": {"split": {"seed": 0}}},
    "job": {"train": {"seed": 0}},
    "environment": {
        "python": "3.11.7",
        "device": "cpu:x86_64",
        "threads": 1,
        "packages": {"torch": "2.12", "numpy": "2.4.6", "pytest-mlspec": "0.1.0"},
        "variables": {},
    },
}

KEY = Key("churn train", INGREDIENTS)

ARRAYS = {"loss_S": np.array([0.7, math.nan, math.inf]), "empty": np.zeros((0, 2), dtype=np.float32)}


def publish(store: Store, inputs: Inputs, record: Mapping[str, Any] | None = None, **more: Any) -> Entry:
    """Publishes evidence of KEY with a log and a nested artefact."""
    with store.draft(more.pop("key", KEY)) as draft:
        (draft.path / "log.txt").write_text(more.pop("log", "epoch 1\n"))
        (draft.path / "weights").mkdir()
        (draft.path / "weights" / "model.bin").write_bytes(bytes(range(256)))
        return draft.publish(record or {"loss": 0.5}, arrays=ARRAYS, inputs=inputs, **more)


def reason(found: Entry | Miss) -> str:
    """The reason of a miss."""
    assert isinstance(found, Miss)
    return found.reason


def names(folder: Path) -> list[str]:
    """The entries of a folder, without the locks of drafts."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def hit(found: Entry | Miss) -> Entry:
    """The entry that was found."""
    assert isinstance(found, Entry), found
    return found


def changed(path: str, value: Any) -> Key:
    """KEY with one ingredient changed."""
    ingredients = json.loads(json.dumps(INGREDIENTS))
    *parents, last = path.split("/")
    inner = ingredients
    for parent in parents:
        inner = inner[parent]
    inner[last] = value
    return Key(KEY.label, ingredients)


def flip(path: Path) -> None:
    """Flips one bit of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 4
    path.write_bytes(content)
