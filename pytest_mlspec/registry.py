"""Registry: things by name. A duplicate raises when it is added; an unknown name answers with the near miss and the list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from pytest_mlspec.errors import MlspecError, did_you_mean

T = TypeVar("T")


class Registry(Generic[T]):
    """Things of one kind by name, in the order in which they were added.

    `kind` is the singular noun that messages use, such as `check` or `source`.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    def add(self, name: str, entry: T) -> T:
        """Adds `entry` under `name` and returns it; raises MlspecError where the name is taken."""
        if name in self._entries:
            raise MlspecError(f"{self.kind} {name!r} is registered twice")
        self._entries[name] = entry
        return entry

    def remove(self, name: str) -> None:
        """Takes the entry called `name` out, for one that is about to be registered in its place."""
        del self._entries[name]

    def find(self, name: str, *, key: str = "") -> T:
        """The entry called `name`; raises MlspecError with the nearest known name. `key` is the spec's key that asks."""
        try:
            return self._entries[name]
        except KeyError:
            raise MlspecError(f"unknown {self.kind} {name!r}", key=key, advice=did_you_mean(name, self)) from None

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)
