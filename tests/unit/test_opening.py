"""What the command line and the ini file ask becomes a session."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from pytest_mlspec.errors import MlspecError
from pytest_mlspec.opening import Asked, open_session
from pytest_mlspec.session import Session
from pytest_mlspec.workers.broker import Broker
from pytest_mlspec.workers.inline import InlineRuns
from pytest_mlspec.workers.remote import RemoteBroker

OPTIONS = {"mlspec_workers": None, "mlspec_fresh": False, "mlspec_profile": False, "mlspec_inline": False}
Open = Callable[..., Session]


@pytest.fixture
def warned() -> list[str]:
    """What the sessions of a test warned of."""
    return []


@pytest.fixture
def opened(tmp_path: Path, warned: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Opens sessions, and closes them in the end; no debugger is attached."""
    monkeypatch.setattr("pytest_mlspec.workers.inline.debugger_attached", lambda: False)
    with ExitStack() as stack:

        def open_one(**asked: Any) -> Session:
            session = open_session(Asked(tmp_path, **asked), warn=warned.append)
            stack.callback(session.close)
            return session

        yield open_one


def test_options_and_ini_values_are_taken_over(tmp_path: Path) -> None:
    """User code imports from the root directory, then from what pytest itself adds; options that are not there are off."""
    ini = {"mlspec_allow": ["toolbox"], "pythonpath": [Path("src")]}
    asked = Asked.by(Namespace(**OPTIONS, usepdb=True, dist="load"), ini.__getitem__, root=tmp_path)

    assert asked == Asked(
        tmp_path,
        allowed=("toolbox",),
        python_path=(str(tmp_path), "src"),
        debugs=True,
        post_mortem=True,
        distributed=True,
    )
    assert not Asked.by(Namespace(**OPTIONS), ini.__getitem__, root=tmp_path).debugs


@pytest.mark.parametrize(
    ("asked", "runs", "fresh"),
    [
        ({}, Broker, False),
        ({"fresh": True}, Broker, True),
        ({"profile": True}, Broker, True),
        ({"inline": True}, InlineRuns, False),
        ({"debugs": True}, InlineRuns, False),
        ({"debugs": True, "distributed": True}, Broker, False),
    ],
)
def test_who_carries_jobs_out(opened: Open, asked: dict[str, Any], runs: type, fresh: bool) -> None:
    """A debugger needs them in this process, unless xdist has made several; a profiled training has to run."""
    session = opened(**asked)

    assert type(session.runs) is runs
    assert session.inline is (runs is InlineRuns)
    assert session.fresh is fresh


def test_a_worker_of_xdist_shares_the_session_of_its_controller(opened: Open) -> None:
    """The broker, the store and the folder for profiles."""
    controller = opened(profile=True)
    worker = opened(profile=True, inline=True, shared=controller.share())

    assert isinstance(worker.runs, RemoteBroker)
    assert (worker.store.path, worker.profiles) == (controller.store.path, controller.profiles)
    assert controller.share() == controller.share()


def test_a_store_that_cannot_be_written_lasts_as_long_as_the_run(
    opened: Open, warned: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said, and the folder is removed in the end."""
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    session = opened()
    path = session.store.path
    was_there = path.exists()
    session.close()

    assert warned == [
        f"{tmp_path / '.mlspec'} cannot be written: evidence is kept for this run only, and none of an earlier one is used"
    ]
    assert (was_there, path.exists()) == (True, False)


def test_profiles_that_cannot_be_written_are_told_at_once(opened: Open, tmp_path: Path) -> None:
    """Before anything runs."""
    (tmp_path / ".mlspec").write_text("a file", "utf-8")

    with pytest.raises(MlspecError, match=r"--mlspec-profile writes to .*: Not a directory"):
        opened(profile=True)
