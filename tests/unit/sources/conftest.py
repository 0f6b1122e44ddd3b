"""A source loaded from files that a test has written, and what a user is told where that cannot be done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_mlspec import sources
from pytest_mlspec.errors import DataError
from pytest_mlspec.language.spec import Use
from pytest_mlspec.recipe.protocol import Rows

Load = Callable[..., Rows]
LoadSplits = Callable[..., Mapping[str, Rows]]
Refused = Callable[..., DataError]


def _loaded(
    root: Path,
    name: str,
    *,
    target: str | None = None,
    drop: Sequence[str] = (),
    labelled: bool = True,
    **arguments: Any,
) -> Any:
    use = Use(use=name, arguments=arguments)
    return sources.load(use, root=root, target=target, drop=drop, labelled=labelled)


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """The rows of a source below the test's folder."""

    def load(name: str, **given: Any) -> Rows:
        found = _loaded(tmp_path, name, **given)
        assert isinstance(found, Rows)
        return found

    return load


@pytest.fixture
def load_splits(tmp_path: Path) -> LoadSplits:
    """The rows by split of a source that brings its splits."""

    def load_splits(name: str, **given: Any) -> Mapping[str, Rows]:
        found = _loaded(tmp_path, name, **given)
        assert isinstance(found, dict)
        return found

    return load_splits


@pytest.fixture
def refused(tmp_path: Path) -> Refused:
    """The error with which a source is refused; its key is one of the spec."""

    def refused(name: str, **given: Any) -> DataError:
        with pytest.raises(DataError) as caught:
            _loaded(tmp_path, name, **given)
        assert caught.value.key.startswith("data.")
        return caught.value

    return refused
