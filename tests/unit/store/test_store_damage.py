"""A flipped bit, a lost file, a full disk: broken evidence is never used, and whole evidence never lost."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

from pytest_mlspec.errors import StoreError
from pytest_mlspec.store import Entry, Store
from pytest_mlspec.store.inputs import Inputs

from .stored import KEY, changed, flip, hit, names, publish, reason

FILES = ("manifest.json", "manifest.sha256", "record.json", "volatile.json", "arrays.safetensors", "weights/model.bin")


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGE: dict[str, Callable[[Path], object]] = {
    "bit flipped": flip,
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "emptied": lambda path: path.write_bytes(b""),
    "removed": Path.unlink,
    "foreign": lambda path: path.write_text('{"loss": 0.1}'),
    "a folder": replace_by_folder,
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", FILES)
def test_damaged_evidence_is_quarantined(store: Store, entry: Entry, inputs: Inputs, name: str, damage: str) -> None:
    """Whatever happened to a file, the entry is not used, is kept aside, and makes room for new evidence."""
    DAMAGE[damage](entry.path / name)
    found = reason(store.find(KEY))

    assert found.startswith("stored evidence was broken (")
    assert found.endswith(") and was quarantined")
    assert len(names(store.path / "quarantine")) == 1
    assert reason(store.find(KEY)) == "the evidence was removed"
    assert publish(store, inputs).digest == hit(store.find(KEY)).digest


def test_message_names_the_broken_file(store: Store, entry: Entry) -> None:
    """The reason says which file and what is wrong with it."""
    flip(entry.path / "arrays.safetensors")

    assert reason(store.find(KEY)) == (
        "stored evidence was broken (arrays.safetensors: SHA-256 differs) and was quarantined"
    )


@pytest.mark.parametrize("offset", range(0, 1000, 37))
def test_no_flipped_bit_of_the_arrays_goes_unseen(store: Store, entry: Entry, offset: int) -> None:
    """A single bit anywhere in the file is found."""
    content = bytearray((entry.path / "arrays.safetensors").read_bytes())
    content[offset % len(content)] ^= 1 << offset % 8
    (entry.path / "arrays.safetensors").write_bytes(content)

    assert "broken" in reason(store.find(KEY))


def test_files_exchanged_between_entries_are_found(store: Store, entry: Entry, inputs: Inputs) -> None:
    """A whole file of other evidence is as wrong as a broken one."""
    other = publish(store, inputs, {"loss": 0.4}, key=changed("job/train/seed", 1))
    shutil.copy(other.file("record.json"), entry.path / "record.json")

    assert "record.json: SHA-256 differs" in reason(store.find(KEY))


def test_opening_broken_or_missing_evidence_is_an_error(store: Store, entry: Entry) -> None:
    """A location that no longer leads to whole evidence says what became of it."""
    flip(entry.path / "record.json")
    with pytest.raises(StoreError, match=r"broken \(record.json"):
        store.open(entry.location)
    with pytest.raises(StoreError, match="the evidence was removed"):
        store.open(entry.location)


@pytest.mark.parametrize("function", ["fsync", "rename", "open", "mkdir"])
@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "No space left: the evidence of churn train takes "),
        (errno.EDQUOT, "No space left: the evidence of churn train takes "),
        (errno.EROFS, "the evidence store cannot be written (Read-only file system): "),
        (errno.EACCES, "the evidence store cannot be written (Permission denied): "),
        (errno.EIO, "the evidence of churn train could not be stored: Input/output error: "),
    ],
)
def test_disk_that_refuses_leaves_the_old_evidence(
    store: Store, entry: Entry, inputs: Inputs, *, function: str, number: int, words: str
) -> None:
    """A full, read-only or failing disk is a StoreError that says so; what was stored before is whole."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(number, os.strerror(number))

    with mock.patch.object(os, function, refuse), pytest.raises(StoreError) as caught:
        publish(store, inputs, {"loss": 0.4}, needs={"data": "1"})

    assert caught.value.message.startswith(words)
    assert hit(Store(store.root).find(KEY)).record == {"loss": 0.5}
    assert names(store.path / "tmp") == []


def test_store_that_cannot_be_written_says_so(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """`writable` asks the nearest folder that exists, and makes none."""
    before = store.writable
    monkeypatch.setattr(os, "access", lambda path, mode: False)

    assert before
    assert not store.writable
    assert not store.path.exists()


def test_file_in_the_place_of_the_store_is_an_error(store: Store) -> None:
    """Not a traceback, but what is wrong."""
    store.path.write_text("a file")

    assert not store.writable
    assert reason(store.find(KEY)) == "no evidence yet"
    with pytest.raises(StoreError, match="could not be stored"), store.draft(KEY):
        pass
