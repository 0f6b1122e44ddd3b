"""One run of pytest over every planted fault, shared by all tests of this folder, also by those of other xdist workers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from filelock import FileLock

from .running import Report, make_repository, read_report, run
from .specs import FAULTS, UNMEASURED, write


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The team's repository, with the report of the run over all its specs."""
    base = tmp_path_factory.getbasetemp()
    root = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "faults"
    with FileLock(f"{root}.lock"):
        if not root.exists():
            make_repository(root)
            write(root / "specs", {"healthy": {}, **FAULTS, **UNMEASURED})
            run(root, "specs")
    return root


@pytest.fixture(scope="session")
def report(repository: Path) -> Report:
    """What the run over all specs reported."""
    return read_report(repository, "specs")
