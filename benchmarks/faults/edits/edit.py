"""An edit of a file of a project: text that stands there exactly once is replaced; or the lines of a data file are rewritten."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

RECIPE = "recipe.py"
SPEC = "spec"
"""Stands for the spec file of the project, whatever its name."""

Files = dict[str, str]
"""The text of each file of a project by its name below the folder."""


@dataclass(frozen=True)
class Edit:
    """`old`, which stands exactly once in `file`, becomes `new`."""

    old: str
    new: str
    file: str = RECIPE

    def apply(self, files: Mapping[str, str], spec: str) -> Files:
        """The files after it; `spec` is the name of the spec file. Raises ValueError where `old` does not stand there once."""
        name = spec if self.file == SPEC else self.file
        count = files[name].count(self.old)
        if count != 1:
            raise ValueError(f"{self.old!r} stands {count} times in {name}")
        return {**files, name: files[name].replace(self.old, self.new)}


@dataclass(frozen=True)
class Lines:
    """The lines of a data file become what `change` makes of them."""

    file: str
    change: Callable[[list[str]], list[str]]

    def apply(self, files: Mapping[str, str], spec: str) -> Files:
        """The files after it; raises ValueError where nothing changed."""
        text = files[self.file]
        changed = "\n".join(self.change(text.splitlines())) + "\n"
        if changed == text:
            raise ValueError(f"{self.file} is as it was")
        return {**files, self.file: changed}


Change = Edit | Lines
Planted = tuple[str, str, tuple[Change, ...]]
"""The id of a fault, the pipelines by name, and the edits."""


def plant(fault: str, pipelines: str, *changes: Change) -> Planted:
    """A row of the tables: the fault on these pipelines, by these edits."""
    return fault, pipelines, changes


def spec(old: str, new: str) -> Edit:
    """An edit of the spec file."""
    return Edit(old, new, SPEC)
