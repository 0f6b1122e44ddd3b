"""Batches that earlier searches found, one file a spec beside the store: tried first the next time."""

from __future__ import annotations

import json
import os
from pathlib import Path

from pytest_mlspec.probes.properties.drawing import Batch, Schema, from_plain, to_plain


def recall(folder: Path | None, spec: str, schema: Schema) -> Batch | None:
    """The batch that a search of `spec` found last; None where there is none, or it means nothing for these data."""
    if folder is None:
        return None
    try:
        batch = from_plain(json.loads(_file(folder, spec).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return batch if schema.knows(batch) else None


def remember(folder: Path | None, spec: str, batch: Batch) -> None:
    """Keeps `batch` for the next search of `spec`."""
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    file = _file(folder, spec)
    draft = file.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps(to_plain(batch)), "utf-8")
    draft.replace(file)


def _file(folder: Path, spec: str) -> Path:
    return folder / f"{spec}.json"
