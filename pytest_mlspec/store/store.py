"""The evidence store: what was measured once answers again, as long as everything it depends on is the same.

A key has two levels. The first is the SHA-256 of what is asked (`Key.ingredients`: spec, job, environment) and names a
folder. The second is what a run really read (`Inputs`) and the evidence that it built on (`needs`); below the first lies
one folder for each run, named after it. An entry appears by the renaming of a complete, synced folder, so a reader sees
all of it or nothing; what was damaged later does not verify, is moved to `quarantine/` and counts as absent.

    .mlspec/  evidence/<first level>/<second level>-<run>/   latest/   locks/   quarantine/   tmp/
"""

from __future__ import annotations

import dataclasses
import errno
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from pytest_mlspec.errors import StoreError
from pytest_mlspec.store import canonical
from pytest_mlspec.store.entry import RECORD, BrokenEntryError, Entry, Manifest, sync, write_files
from pytest_mlspec.store.inputs import Digests, Inputs

if TYPE_CHECKING:
    import numpy as np
    from filelock import BaseFileLock

FOLDER = ".mlspec"
FORMAT = 1  # part of every key: evidence of another format is never found, so never misread

_NAME_LENGTH = 32
_KEPT = 3  # runs of equal inputs: the newest, and those that slower processes may still read
_CACHE_TAG = (
    "Signature: 8a477f597d28d172789f06886806bc55\n# Evidence of pytest-mlspec. It can be deleted at any time.\n"
)
_REFUSED = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


@dataclass(frozen=True)
class Key:
    """What is asked. `ingredients` are plain values that all count; `label`, for people, finds what to compare them with."""

    label: str
    ingredients: Mapping[str, Any]

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the ingredients."""
        return canonical.digest({"format": FORMAT, "ingredients": self.ingredients})


@dataclass(frozen=True)
class Miss:
    """No evidence that may be used; `reason` names the ingredient that changed."""

    reason: str


@dataclass(frozen=True)
class Stored:
    """An entry as the store lists it, unverified: `used` is the time of its last use, in seconds since the epoch."""

    label: str
    location: str
    size_bytes: int
    used: float


class Store:
    """The evidence store of the project at `root`, in `path` or `root`/.mlspec; the folder is made by the first that writes.

    Entries are never changed or replaced, only added and removed: what a process found stays what it is while it is used.
    """

    def __init__(self, root: Path, *, path: Path | None = None) -> None:
        self.root = root.absolute()
        self.path = path or self.root / FOLDER
        self._evidence = self.path / "evidence"
        self._digests = Digests()
        self._swept = False

    @property
    def writable(self) -> bool:
        """Whether this process may write here; says nothing about free space."""
        existing = next(folder for folder in (self.path, *self.path.parents) if folder.exists())
        return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)

    def find(self, key: Key, needs: Mapping[str, str] | None = None) -> Entry | Miss:
        """The newest evidence of `key` whose inputs are unchanged, verified; else why there is none.

        `needs` maps the name of each job that this one depends on to the digest of its evidence.
        """
        reasons = []
        for folder in _newest_first(self._evidence / _name(key.digest)):
            found = self._check(folder, dict(needs or {}))
            if isinstance(found, Entry):
                with suppress(OSError):
                    os.utime(folder)
                return found
            reasons.append(found.reason)
        return Miss(reasons[0] if reasons else self._changed_ingredient(key))

    def open(self, location: str) -> Entry:
        """The entry at `Entry.location`, verified; raises StoreError where it is gone or broken (then quarantined)."""
        folder = self._evidence / location
        try:
            return Entry.read(folder)
        except BrokenEntryError as broken:
            raise StoreError(self._quarantine(folder, broken).reason, advice="run again") from broken

    @contextmanager
    def draft(self, key: Key) -> Iterator[Draft]:
        """A temporary folder for the files of new evidence; it is discarded at the end unless it was published."""
        path = self.path / "tmp" / uuid4().hex
        try:
            self._prepare()
            lock = self._file_lock(path.with_suffix(".lock"))
            lock.acquire(timeout=0)
            path.mkdir()
        except OSError as error:
            raise _failure(key.label, self.path, error) from error
        try:
            yield Draft(self, key, path)
        finally:
            shutil.rmtree(path, ignore_errors=True)
            lock.release()
            path.with_suffix(".lock").unlink(missing_ok=True)

    @contextmanager
    def lock(self, key: Key, *, timeout_s: float = 3600.0) -> Iterator[None]:
        """Holds `key` alone among all processes; raises StoreError after `timeout_s`. The lock dies with its holder."""
        from filelock import Timeout

        try:
            self._prepare()
            lock = self._file_lock(self.path / "locks" / f"{_name(key.digest)}.lock")
            lock.acquire(timeout=timeout_s)
        except Timeout as error:
            raise StoreError(f"another process has held {key.label} for {timeout_s:.0f} s") from error
        except OSError as error:
            raise _failure(key.label, self.path, error) from error
        try:
            yield
        finally:
            lock.release()

    def entries(self) -> list[Stored]:
        """Every entry, the least recently used first. Those that vanish meanwhile are left out."""
        found = []
        for folder in self._evidence.glob("*/*"):
            try:
                label = Manifest.read(folder).label
            except BrokenEntryError:
                label = "(unreadable)"
            with suppress(OSError):
                location = f"{folder.parent.name}/{folder.name}"
                found.append(Stored(label, location, _size(folder), folder.stat().st_mtime))
        return sorted(found, key=lambda stored: (stored.used, stored.location))

    def size_bytes(self) -> int:
        """The bytes of everything in the store, with what is being written and what was quarantined."""
        return _size(self.path)

    def prune(self, *, keep_bytes: int | None = None, older_than_s: float | None = None) -> list[Stored]:
        """Removes quarantine and, least recently used first, entries beyond `keep_bytes` or unused for `older_than_s`.

        Answers with what was removed. Processes that read meanwhile find an entry whole or not at all.
        """
        for folder in (self.path / "quarantine").glob("*"):
            shutil.rmtree(folder, ignore_errors=True)
        entries = self.entries()
        total, now, removed = sum(stored.size_bytes for stored in entries), time.time(), []
        for stored in entries:
            too_much = keep_bytes is not None and total > keep_bytes
            too_old = older_than_s is not None and now - stored.used > older_than_s
            if (too_much or too_old) and self._remove(self._evidence / stored.location):
                total -= stored.size_bytes
                removed.append(stored)
        self._sweep()
        return removed

    def _check(self, folder: Path, needs: dict[str, str]) -> Entry | Miss:
        try:
            manifest = Manifest.read(folder)
            changed = manifest.inputs.difference(self.root, self._digests) or _changed_need(manifest.needs, needs)
            return Miss(changed) if changed else Entry.read(folder, manifest)
        except BrokenEntryError as broken:
            return self._quarantine(folder, broken)

    def _publish(self, key: Key, draft: Path, manifest: Manifest) -> Entry:
        """Renames the complete folder `draft` into its place, and removes the oldest of those with equal inputs."""
        entry = Entry.read(draft, manifest)
        inputs = _name(canonical.digest({"inputs": manifest.inputs.to_json(), "needs": manifest.needs}))
        target = self._evidence / _name(key.digest) / f"{inputs}-{draft.name[:8]}"
        target.parent.mkdir(exist_ok=True)
        draft.rename(target)
        sync(target.parent)
        sync(self._evidence)
        # Only explains a miss: torn or lost, it costs a reason.
        with suppress(OSError):
            latest = draft.with_suffix(".json")
            latest.write_bytes(canonical.dump(key.ingredients).encode("utf-8", "surrogatepass"))
            latest.replace(self._latest(key))
        older = [path for path in _newest_first(target.parent) if path.name.startswith(inputs) and path != target]
        for path in older[_KEPT - 1 :]:
            self._remove(path)
        return dataclasses.replace(entry, path=target)

    def _quarantine(self, folder: Path, broken: BrokenEntryError) -> Miss:
        if not folder.exists():
            return Miss("the evidence was removed")
        moved = self._move(folder, "quarantine")
        end = "cannot be moved" if moved is None else "was quarantined"
        return Miss(f"stored evidence was broken ({broken}) and {end}")

    def _remove(self, folder: Path) -> bool:
        """Removes an entry so that no reader meets a part of it; False where it is gone or cannot be moved."""
        moved = self._move(folder, "tmp")
        if moved is not None:
            shutil.rmtree(moved, ignore_errors=True)
        return moved is not None

    def _move(self, folder: Path, place: str) -> Path | None:
        moved = self.path / place / uuid4().hex
        try:
            moved.parent.mkdir(exist_ok=True)
            folder.rename(moved)
        except OSError:
            return None
        return moved

    def _changed_ingredient(self, key: Key) -> str:
        try:
            latest = canonical.parse(self._latest(key).read_bytes())
        except (OSError, ValueError):
            return "no evidence yet"
        return canonical.first_difference(latest, dict(key.ingredients)) or "the evidence was removed"

    def _latest(self, key: Key) -> Path:
        return self.path / "latest" / f"{_name(canonical.digest(key.label))}.json"

    def _prepare(self) -> None:
        """Makes the folders; the first time, takes away what processes that died have left."""
        for name in ("evidence", "latest", "locks", "tmp"):
            (self.path / name).mkdir(parents=True, exist_ok=True)
        for name, text in (("CACHEDIR.TAG", _CACHE_TAG), (".gitignore", "*\n")):
            if not (self.path / name).exists():
                (self.path / name).write_text(text, "utf-8")
        if not self._swept:
            self._swept = True
            self._sweep()

    def _sweep(self) -> None:
        """Removes temporary files that no process holds: whoever can take the lock of one knows its owner dead."""
        for path in (self.path / "tmp").glob("*"):
            if path.suffix != ".lock":
                lock = self._file_lock(path.with_suffix(".lock"))
                with suppress(OSError), lock.acquire(timeout=0):
                    if path.is_dir():
                        shutil.rmtree(path, ignore_errors=True)
                    else:
                        path.unlink(missing_ok=True)
                    path.with_suffix(".lock").unlink(missing_ok=True)

    @staticmethod
    def _file_lock(path: Path) -> BaseFileLock:
        from filelock import FileLock

        return FileLock(path)


class Draft:
    """Evidence in the making. Files written below `path` become part of it; the names in `entry` are taken."""

    def __init__(self, store: Store, key: Key, path: Path) -> None:
        self.path = path
        self._store = store
        self._key = key

    def publish(
        self,
        record: Mapping[str, Any],
        *,
        inputs: Inputs,
        volatile: Mapping[str, Any] | None = None,
        arrays: Mapping[str, np.ndarray[Any, Any]] | None = None,
        needs: Mapping[str, str] | None = None,
    ) -> Entry:
        """Makes the evidence findable and returns it as read back from the disk.

        Evidence with `inputs.unstable` is stored for the run that made it and never found by another. Raises StoreError,
        and leaves the store as it was, where the disk is full or refuses.
        """
        try:
            files = write_files(self.path, record, volatile or {}, arrays or {})
            names = tuple(sorted(arrays or ()))
            manifest = Manifest(self._key.label, self._key.ingredients, dict(needs or {}), inputs, files, names)
            manifest.write(self.path)
            return self._store._publish(self._key, self.path, manifest)
        except OSError as error:
            raise _failure(self._key.label, self._store.path, error, needed=_size(self.path)) from error


def _name(digest: str) -> str:
    """The name of a folder: half of the digest, so that paths stay short; 128 bits do not collide by chance."""
    return digest[:_NAME_LENGTH]


def _newest_first(folder: Path) -> list[Path]:
    """The entries below `folder` by the time of publishing; the time of an entry's folder is that of its last use."""
    times = {}
    with suppress(OSError):
        for path in folder.iterdir():
            try:
                times[path] = (path / RECORD).stat().st_mtime_ns
            except OSError:
                times[path] = 0
    return sorted(times, key=lambda path: (-times[path], path.name))


def _changed_need(recorded: Mapping[str, str], needs: Mapping[str, str]) -> str | None:
    changed = (name for name in sorted({*recorded, *needs}) if recorded.get(name) != needs.get(name))
    return next((f"the evidence of {name}, which it builds on, changed" for name in changed), None)


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += path.stat().st_size
    return total


def _failure(label: str, store: Path, error: OSError, *, needed: int = 0) -> StoreError:
    """What went wrong on the disk, in words; the caller decides whether a run goes on without the store."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        free = shutil.disk_usage(store.parent).free
        return StoreError(
            f"No space left: the evidence of {label} takes {needed / 1e6:.1f} MB, {free / 1e6:.1f} MB are free at {store}",
            advice="python -m pytest_mlspec store removes old evidence",
        )
    if error.errno in _REFUSED:
        return StoreError(f"the evidence store cannot be written ({error.strerror}): {error.filename or store}")
    return StoreError(
        f"the evidence of {label} could not be stored: {error.strerror or error}: {error.filename or store}"
    )
