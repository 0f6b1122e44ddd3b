"""The project that the tests of this folder run pytest on, and the ways to run it."""

from __future__ import annotations

from pathlib import Path

import pytest

from .project import Project


@pytest.fixture
def project(
    pytester: pytest.Pytester, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Project:
    """A project of a team, with no spec yet."""
    trainings = Path(tmp_path_factory.mktemp("notes"), "trainings")
    monkeypatch.setenv("TRAININGS", str(trainings))
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_XDIST_TESTRUNUID", "CI"):
        monkeypatch.delenv(name, raising=False)
    return Project(pytester, trainings)


@pytest.fixture(params=[(), ("-n", "2")], ids=["alone", "xdist"])
def workers(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """The options of a run in one process, and of one on two of xdist's workers."""
    options: tuple[str, ...] = request.param
    return options
