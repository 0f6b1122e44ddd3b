"""The tasks of MTEB that go by a name alone, and what a task of the team's own can be. Nothing is imported.

`mteb_tasks.txt` holds the name of every task of texts in the registry of mteb `VERSION`; a test holds it against the package.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

VERSION = "2.26.24"
"""The release whose names are listed."""

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "classification": ("text", "label"),
    "clustering": ("sentences", "labels"),
    "pair_classification": ("sentence1", "sentence2", "labels"),
    "retrieval": (),
    "sts": ("sentence1", "sentence2", "score"),
}
"""The types of task that can be declared from files, with the columns that each reads; a retrieval reads three files."""


@cache
def task_names() -> frozenset[str]:
    """Every name in the list."""
    return frozenset(Path(__file__).with_name("mteb_tasks.txt").read_text("utf-8").split())
