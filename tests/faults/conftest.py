"""Two runs of pytest over the planted faults, shared by all tests of this folder, also by those of other xdist workers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from filelock import FileLock

from .running import Report, make_repository, read_report, run
from .specs import FAULTS, STANDARD, UNMEASURED, write


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the team's repository is, or will be."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "repository"


@pytest.fixture(scope="session")
def report(repository: Path) -> Report:
    """What the run over all specs reported."""
    with FileLock(f"{repository}.lock"):
        if not (repository / "specs" / "report.xml").exists():
            make_repository(repository)
            write(repository / "specs", {"healthy": STANDARD, **FAULTS, **UNMEASURED})
            run(repository, "specs")
    return read_report(repository, "specs")


@pytest.fixture(scope="session")
def thresholds(repository: Path, report: Report) -> Report:
    """What a second run reported: the accuracy of the healthy spec held against what it reached, and one test row more."""
    properties = report.specs["healthy"]["test.accuracy"].properties
    reached, rows = float(properties["mlspec.measured"]), int(properties["mlspec.n"])
    bounds = {"at_what_is_reached": reached, "one_row_above": reached + 1 / rows}
    # Under the name of the healthy spec, so that its stored training is judged.
    specs = {
        name: {"name": "healthy", "checks": [], "gates": {"test.accuracy": {"at_least": bound}}}
        for name, bound in bounds.items()
    }
    with FileLock(f"{repository}.lock"):
        if not (repository / "thresholds" / "report.xml").exists():
            write(repository / "thresholds", specs)
            run(repository, "thresholds")
    return read_report(repository, "thresholds")
