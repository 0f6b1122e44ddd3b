"""A file that must survive: it holds the old text or the new one, whatever ends the process that writes it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from pytest_mlspec.errors import StoreError
from pytest_mlspec.store.entry import sync


def write_whole(path: Path, text: str) -> None:
    """Puts `text` into the file at `path`, all of it or nothing; raises StoreError where the disk is full or refuses."""
    draft = path.with_name(f".{path.name}.{uuid4().hex[:8]}.tmp")
    try:
        draft.write_bytes(text.encode("utf-8"))
        sync(draft)
        draft.replace(path)
        sync(path.parent)
    except OSError as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise StoreError(
            f"{path} cannot be written: {error.strerror}", advice="what it held before is intact"
        ) from error
