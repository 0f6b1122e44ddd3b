"""One entry of the evidence store: a folder that is written once, verified on every read and never changed.

manifest.json        what was asked (ingredients in clear), what was read, the SHA-256 of every other file
manifest.sha256      that of the manifest itself, in the format of `sha256sum`
record.json          the numbers and texts of the evidence
volatile.json        what differs between equal runs, such as durations
arrays.safetensors   its arrays, if it has any
log.txt, …           whatever else the job left: its log, weights, exported models
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlspec.errors import StoreError, did_you_mean
from pytest_mlspec.store import canonical
from pytest_mlspec.store.inputs import Inputs, file_digest

if TYPE_CHECKING:
    import numpy as np

MANIFEST = "manifest.json"
SEAL = "manifest.sha256"
RECORD = "record.json"
VOLATILE = "volatile.json"
ARRAYS = "arrays.safetensors"
LOG = "log.txt"

MAPPED_BYTES = 1_000_000_000
"""Up to so many bytes an array is read into memory."""
# The types of safetensors by NumPy's names.
_TYPES = {"BOOL": "?", "F16": "f2", "F32": "f4", "F64": "f8", "I8": "i1", "I16": "i2", "I32": "i4", "I64": "i8"} | {
    "U8": "u1",
    "U16": "u2",
    "U32": "u4",
    "U64": "u8",
}

# Equal evidence has an equal digest whatever its duration and its log.
_NOT_EVIDENCE = frozenset({VOLATILE, LOG})


class BrokenEntryError(StoreError):
    """The files of an entry are not those that were written; the message says which and how."""


@dataclass(frozen=True)
class Manifest:
    """What an entry is: the question (`label`, `ingredients`, `needs`), what was read, and its `files` with their SHA-256."""

    label: str
    ingredients: Mapping[str, Any]
    needs: Mapping[str, str]
    inputs: Inputs
    files: Mapping[str, str]
    arrays: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """The SHA-256 of the evidence: equal for equal results."""
        return canonical.digest({name: digest for name, digest in self.files.items() if name not in _NOT_EVIDENCE})

    def write(self, folder: Path) -> None:
        """Writes the manifest and its seal into `folder`; on return the disk has them."""
        fields = {
            "label": self.label,
            "ingredients": self.ingredients,
            "needs": self.needs,
            "inputs": self.inputs.to_json(),
            "files": self.files,
            "arrays": self.arrays,
        }
        text = canonical.dump(fields, indent=1).encode("utf-8", "surrogatepass")
        for path, content in ((folder / MANIFEST, text), (folder / SEAL, _seal(text))):
            path.write_bytes(content)
            sync(path)
        sync(folder)

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """The manifest in `folder`; raises BrokenEntryError where it is not the one that was written."""
        text = _content(folder, MANIFEST)
        if _content(folder, SEAL) != _seal(text):
            raise BrokenEntryError(f"{MANIFEST}: SHA-256 differs")
        try:
            fields = canonical.parse(text.decode("utf-8", "surrogatepass"))
            inputs, arrays = Inputs.from_json(fields["inputs"]), tuple(fields["arrays"])
            return cls(**{**fields, "inputs": inputs, "arrays": arrays})
        except (KeyError, TypeError, ValueError) as error:
            raise BrokenEntryError(f"{MANIFEST}: of another format") from error


@dataclass(frozen=True)
class Entry:
    """Evidence that was read back whole: every file had the SHA-256 of the manifest when this was made.

    `record` and `volatile` are plain values at hand; arrays and files are read when they are asked for.
    """

    path: Path
    manifest: Manifest
    record: dict[str, Any]
    volatile: dict[str, Any]

    @classmethod
    def read(cls, path: Path, manifest: Manifest | None = None) -> Entry:
        """The entry in the folder `path`; raises BrokenEntryError unless every file is as it was written."""
        manifest = manifest or Manifest.read(path)
        for name, digest in manifest.files.items():
            try:
                found = file_digest(path / name)
            except OSError as error:
                raise BrokenEntryError(f"{name}: {error.strerror}") from error
            if found != digest:
                raise BrokenEntryError(f"{name}: SHA-256 differs")
        record, volatile = (canonical.parse(_content(path, name)) for name in (RECORD, VOLATILE))
        return cls(path, manifest, record, volatile)

    @property
    def location(self) -> str:
        """Where the entry lies in its store, as text that another process can open."""
        return f"{self.path.parent.name}/{self.path.name}"

    @property
    def digest(self) -> str:
        """The SHA-256 of the evidence: equal for equal results, whatever they took to make."""
        return self.manifest.digest

    @property
    def arrays(self) -> tuple[str, ...]:
        """The names of the arrays."""
        return self.manifest.arrays

    @property
    def written(self) -> tuple[str, ...]:
        """The names of the files that the job itself wrote."""
        return tuple(name for name in self.manifest.files if name not in (RECORD, VOLATILE, ARRAYS, LOG))

    def array(self, name: str) -> np.ndarray[Any, Any]:
        """The array called `name`, read now; one of more than `MAPPED_BYTES` is mapped into memory, and cannot be written to.

        Raises StoreError where there is none or the entry was removed meanwhile.
        """
        if name not in self.arrays:
            raise StoreError(f"{self.manifest.label} has no array {name!r}", advice=did_you_mean(name, self.arrays))
        from safetensors import safe_open

        path = self.file(ARRAYS)
        if path.stat().st_size > MAPPED_BYTES:
            mapped = _mapped(path, name)
            if mapped.nbytes > MAPPED_BYTES:
                return mapped
        with safe_open(path, framework="numpy") as file:
            values: np.ndarray[Any, Any] = file.get_tensor(name)
        return values

    def file(self, name: str) -> Path:
        """The path of the file called `name`; raises StoreError as `array` does."""
        if name not in self.manifest.files:
            known = did_you_mean(name, self.manifest.files)
            raise StoreError(f"{self.manifest.label} has no file {name!r}", advice=known)
        path = self.path / name
        if not path.exists():
            raise StoreError(
                f"the evidence of {self.manifest.label} was removed while it was in use: {path}", advice="run again"
            )
        return path


def _mapped(path: Path, name: str) -> np.ndarray[Any, Any]:
    """An array of a safetensors file where it lies: behind a length of 8 bytes, a header in JSON, and its offset."""
    import numpy as np

    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        about = canonical.parse(file.read(length).decode())[name]
    begin, _ = about["data_offsets"]
    return np.memmap(path, _TYPES[about["dtype"]], "r", offset=8 + length + begin, shape=tuple(about["shape"]))


def write_files(
    folder: Path,
    record: Mapping[str, Any],
    volatile: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray[Any, Any]],
) -> dict[str, str]:
    """Writes evidence into `folder` and answers with the SHA-256 of every file there by name, each on the disk by now.

    Raises StoreError for a link, whose target may change, and OSError.
    """
    for name, values in ((RECORD, record), (VOLATILE, volatile)):
        (folder / name).write_bytes(_encoded(values))
    if arrays:
        from safetensors.numpy import save

        # safetensors writes the memory as it lies: a transposed array would come back with its rows mixed up
        (folder / ARRAYS).write_bytes(save({name: values.copy(order="C") for name, values in arrays.items()}))
    digests = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise StoreError(f"evidence cannot hold a link: {path.relative_to(folder)}")
        sync(path)
        if path.is_file():
            digests[path.relative_to(folder).as_posix()] = file_digest(path)
    return digests


def sync(path: Path) -> None:
    """Returns when the disk has the file or folder at `path`; folders cannot be asked for on Windows."""
    if os.name == "nt" and path.is_dir():
        return
    number = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _seal(manifest: bytes) -> bytes:
    return f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST}\n".encode()


def _content(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise BrokenEntryError(f"{name}: {error.strerror}") from error


def _encoded(values: Mapping[str, Any]) -> bytes:
    return canonical.dump(values).encode("utf-8", "surrogatepass")
