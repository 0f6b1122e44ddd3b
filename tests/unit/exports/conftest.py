"""The fixtures of these tests: an empty project, and a small network that was trained once for all of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from projects import Project, project

from exports.exporting import NETS, SMALL, Trained, trained

__all__ = ["project"]


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    """A network with batch norm and dropout on 64 pixels of digits, trained by one epoch."""
    root = tmp_path_factory.mktemp("small")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(root))
        made = Project(root)
        made.write("small_nets", NETS)
        yield trained(made, {**SMALL, "model": "small_nets:Small"})
    for name in ("small_nets", "small_deploy"):
        sys.modules.pop(name, None)
