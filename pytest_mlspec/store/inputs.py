"""What a run has read, as plain values, and whether it is still so: the second level of a key of stored evidence.

`Inputs` names files with their SHA-256, folders that were listed, the matches of declared globs, the places where imports
were looked for, and the installed packages. `Inputs.difference` looks again and says in words what changed first. How the
list is made stands in `reads`; nothing is imported or run here. Paths below the root are relative to it.
"""

# Thousands of paths are looked at before anything is reused: text is several times faster than Path objects.
# ruff: noqa: PTH112, PTH116, PTH118, PTH123, PTH207, PTH208
from __future__ import annotations

import glob
import hashlib
import os
import stat
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.machinery import all_suffixes
from pathlib import Path
from typing import Any

from pytest_mlspec.store import environment
from pytest_mlspec.store.canonical import first_difference

# Folders that tools write to: their content is no input, and a listing of their parent does not count them.
TOOL_FOLDERS = frozenset(
    {".git", ".hg", ".svn", ".mlspec", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".tox", ".venv", "__pycache__"}
)

_BLOCK = 1 << 20
_SETTLED_S = 2.0


class Digests:
    """The SHA-256 of files. A file is read once as long as its size, times and inode stay, within the life of this object.

    A file that changed less than two seconds ago is read each time: its next change could leave the same times.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[int, ...], str]] = {}

    def of(self, path: str) -> str | None:
        """The digest of the file at `path`, None where no regular file can be read there."""
        try:
            status = os.stat(path)
            if not stat.S_ISREG(status.st_mode):
                return None
            identity = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            known = self._known.get(path)
            if known is not None and known[0] == identity:
                return known[1]
            digest = file_digest(path)
        except (OSError, ValueError):
            return None
        if abs(time.time() - status.st_ctime) > _SETTLED_S:
            self._known[path] = (identity, digest)
        return digest


def file_digest(path: str | Path) -> str:
    """The SHA-256 of the file at `path` in hexadecimal, read in blocks; raises OSError."""
    hashed = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        while block := file.read(_BLOCK):
            hashed.update(block)
    return hashed.hexdigest()


@dataclass(frozen=True)
class Inputs:
    """Everything that a run is known to have read.

    `files`: SHA-256 by path, None for one that was asked for and is absent. `folders`: what a listing gave. `globs`: the
    matches of each declared pattern. `imports`: for each folder searched, the names asked for and the entries that answer
    them. `variables`: SHA-256 of each environment variable that user code asked for, None for one that was not set.
    `packages`: every installed distribution. `unobserved` says which reads could not be seen. `unstable` names what
    changed while the run went on: such evidence belongs to no state of the files, so its inputs never count as unchanged.
    """

    files: Mapping[str, str | None] = field(default_factory=dict)
    folders: Mapping[str, str] = field(default_factory=dict)
    globs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    imports: Mapping[str, Mapping[str, list[str]]] = field(default_factory=dict)
    variables: Mapping[str, str | None] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)
    unobserved: tuple[str, ...] = ()
    unstable: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The inputs as plain data, for a manifest."""
        return {
            "files": dict(self.files),
            "folders": dict(self.folders),
            "globs": {pattern: dict(found) for pattern, found in self.globs.items()},
            "imports": {folder: dict(searched) for folder, searched in self.imports.items()},
            "variables": dict(self.variables),
            "packages": dict(self.packages),
            "unobserved": list(self.unobserved),
            "unstable": list(self.unstable),
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Inputs:
        """The inputs that `to_json` wrote."""
        texts = {name: tuple(fields[name]) for name in ("unobserved", "unstable")}
        return cls(**{**fields, **texts})

    def difference(self, root: Path, digests: Digests | None = None) -> str | None:
        """The first input that is not what it was, in words; None where all are unchanged."""
        return next(self._differences(root, digests or Digests()), None)

    def _differences(self, root: Path, digests: Digests) -> Iterator[str]:
        yield from (f"{path} changed while the evidence was made" for path in self.unstable)
        packages = first_difference({"packages": self.packages}, {"packages": environment.installed(root)})
        if packages is not None:
            yield packages
        for name, recorded in self.variables.items():
            value = variable_digest(os.environ.get(name))
            if value != recorded:
                yield f"the environment variable {name} {_change(recorded, value)}"
        for path, recorded in self.files.items():
            found = digests.of(os.path.join(root, path))
            if found != recorded:
                yield f"{path} {_change(recorded, found)}"
        for folder, searched in self.imports.items():
            now = importable(os.path.join(root, folder), searched["asked"])
            for entry in sorted(set(now) ^ set(searched["found"])):
                yield _changed_import(folder, entry, new=entry in now)
        for folder, listed in self.folders.items():
            found = listing(os.path.join(root, folder))
            if found != listed:
                yield f"the content of {folder} changed: {listed.split(',')[0]} -> {found.split(',')[0]}"
        for pattern, recorded_matches in self.globs.items():
            matched = matches(root, pattern, digests)
            for path in sorted({*recorded_matches, *matched}):
                before, after = recorded_matches.get(path), matched.get(path)
                if before is None:
                    yield f"new file {path} matches inputs"
                elif before != after:
                    yield f"{path} {_change(before, after)}"


def variable_digest(value: str | None) -> str | None:
    """The SHA-256 of the value of an environment variable: it may be a secret; None where it is not set."""
    return None if value is None else hashlib.sha256(value.encode("utf-8", "surrogateescape")).hexdigest()


def listing(folder: str) -> str:
    """How many entries `folder` has and the digest of their names, leaving out those of `TOOL_FOLDERS`."""
    try:
        names = sorted(name for name in os.listdir(folder) if name not in TOOL_FOLDERS)
    except OSError:
        return "absent"
    text = "\0".join(names).encode("utf-8", "surrogateescape")
    return f"{len(names)} entries, {hashlib.sha256(text).hexdigest()}"


def matches(root: Path, pattern: str, digests: Digests) -> dict[str, str]:
    """The SHA-256 of every file below `root` that `pattern` matches, by path; a matched folder stands for all its files."""
    found: dict[str, str] = {}
    for match in sorted(glob.glob(pattern, root_dir=root, recursive=True, include_hidden=True)):
        full = os.path.join(root, match)
        files = [full] if not os.path.isdir(full) else _below(full)
        for file in files:
            path = environment.relative_to(root, file)
            digest = digests.of(file) if TOOL_FOLDERS.isdisjoint(path.split("/")) else None
            if digest is not None:
                found[path] = digest
    return found


def _below(folder: str) -> Iterator[str]:
    return glob.iglob(f"{glob.escape(folder)}/**", recursive=True, include_hidden=True)


def importable(folder: str, asked: Collection[str]) -> list[str]:
    """The entries of `folder` that could answer the import of one of the names `asked`: modules, packages, folders."""
    names, suffixes = frozenset(asked), tuple(all_suffixes())
    try:
        entries = sorted(os.listdir(folder))
    except OSError:
        return []
    return [
        entry
        for entry in entries
        if entry.partition(".")[0] in names and ("." not in entry or entry.endswith(suffixes))
    ]


def _change(before: str | None, after: str | None) -> str:
    if after is None:
        return "is gone"
    return "is new" if before is None else "changed"


def _changed_import(folder: str, entry: str, *, new: bool) -> str:
    path = entry if folder == "." else f"{folder}/{entry}"
    name = entry.partition(".")[0]
    return f"{path} is new and may answer `import {name}`" if new else f"{path} is gone"
