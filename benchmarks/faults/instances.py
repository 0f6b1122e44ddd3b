"""An instance is a copy of a project with a fault or a benign change in it, or the healthy project, as files in a folder."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.faults import benign
from benchmarks.faults.catalogue import PIPELINES, pairs
from benchmarks.faults.edits import PLANTED
from benchmarks.faults.edits.edit import Change, Files

PROJECTS = Path(__file__).parent / "projects"
_PACKAGE = "benchmarks.faults.projects"
_TEXTS = (".py", ".yaml", ".json", ".csv", ".txt")


@dataclass(frozen=True)
class Instance:
    """One run of a spec: `kind` is healthy, fault or benign; `name` is unique.

    With `accepted`, the change is one that the team makes by intent and records in its baseline in the same commit.
    """

    name: str
    kind: str
    pipeline: str
    changes: tuple[Change, ...] = ()
    accepted: bool = False

    @property
    def package(self) -> str:
        """The name of its folder, which is a package."""
        return "".join(character if character.isalnum() else "_" for character in self.name).lower()

    @property
    def spec(self) -> str:
        """The name of its spec file."""
        return f"{self.pipeline}.mlspec.yaml"

    def files(self) -> Files:
        """The text of its files by name; raises ValueError where an edit does not fit."""
        files: Files = {
            path.name: path.read_text("utf-8")
            for path in sorted((PROJECTS / self.pipeline).iterdir())
            if path.suffix in _TEXTS
        }
        for change in self.changes:
            try:
                files = change.apply(files, self.spec)
            except ValueError as error:
                raise ValueError(f"{self.name}: {error}") from None
        return files

    def digest(self) -> str:
        """The SHA-256 of its files."""
        found = hashlib.sha256()
        for name, text in sorted(self.files().items()):
            found.update(f"{name}\0{len(text)}\0{text}".encode())
        return found.hexdigest()

    def write(self, root: Path) -> Path:
        """Writes it as a package of its own below `root`, and gives its folder back."""
        folder = root / self.package
        folder.mkdir(parents=True)
        for path in (PROJECTS / self.pipeline).iterdir():
            if path.is_file() and path.suffix not in _TEXTS:
                shutil.copyfile(path, folder / path.name)
        for name, text in self.files().items():
            placed = text.replace(f"{_PACKAGE}.{self.pipeline}", self.package)
            placed = placed.replace(f"{_PACKAGE.replace('.', '/')}/{self.pipeline}", self.package)
            (folder / name).write_text(placed, encoding="utf-8")
        return folder


def healthy() -> Iterator[Instance]:
    """Each project as it is."""
    for pipeline in PIPELINES:
        yield Instance(f"healthy.{pipeline}", "healthy", pipeline)


def faulty() -> Iterator[Instance]:
    """Each pair that is planted."""
    for pair in pairs():
        if pair in PLANTED:
            yield Instance(pair.name, "fault", pair.pipeline, PLANTED[pair])


def changed() -> Iterator[Instance]:
    """Each benign change."""
    for change in benign.CHANGES:
        name = f"benign.{change.name}.{change.pipeline}"
        yield Instance(name, "benign", change.pipeline, change.edits, change.accepted)


def every() -> list[Instance]:
    """All of them, the healthy ones first."""
    return [*healthy(), *faulty(), *changed()]
