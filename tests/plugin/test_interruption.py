"""The end of pytest itself in the middle of a training: nothing of it goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from workers.waiting import gone, pids_in

from .project import FIT, LINE, SECONDS, Project

NOTE = """
    import pathlib
    import subprocess
    import time

    child = subprocess.Popen(["sleep", "600"])
    note = pathlib.Path(os.environ["NOTE"])
    note.with_suffix(".part").write_text(f"{os.getpid()} {os.getppid()} {child.pid}")
    note.with_suffix(".part").rename(note)
"""
SLEEPS = "time.sleep(600)"
HOLDS_THE_GIL = "sum(range(10**12))"

Start = Callable[..., tuple[subprocess.Popen[str], list[int]]]


@pytest.fixture
def start(
    project: Project, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Start]:
    """Starts pytest in a process group of its own, as a terminal does; in the end, kills what is left of it.

    Answers when the training waits in the way that is asked for, with the pids of its worker, its server and its child.
    """
    note = Path(tmp_path_factory.mktemp("notes"), "note")
    monkeypatch.setenv("NOTE", str(note))
    project.write("line.mlspec.yaml", LINE)
    started: list[subprocess.Popen[str]] = []

    def start(waits: str, *options: str) -> tuple[subprocess.Popen[str], list[int]]:
        project.write("team/fit.py", FIT.replace("    train = ", f"{NOTE}    {waits}\n    train = "))
        command = [sys.executable, "-m", "pytest", "--mlspec", *options]
        started.append(
            subprocess.Popen(
                command,
                cwd=project.root,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        )
        return started[-1], pids_in(note, SECONDS)

    yield start
    for process in started:
        process.kill()
        process.communicate(timeout=SECONDS)


@pytest.mark.parametrize(
    ("number", "code", "waits", "options"),
    [
        (signal.SIGINT, 2, SLEEPS, ()),
        (signal.SIGINT, 2, HOLDS_THE_GIL, ("-n", "2")),
        (signal.SIGTERM, -signal.SIGTERM, SLEEPS, ()),
        (signal.SIGKILL, -signal.SIGKILL, HOLDS_THE_GIL, ()),
        (signal.SIGKILL, -signal.SIGKILL, SLEEPS, ("-n", "2")),
    ],
)
def test_no_orphan(start: Start, number: int, code: int, waits: str, options: tuple[str, ...]) -> None:
    """Whatever ends pytest, the training, what it has started and its server end within moments; Ctrl-C is exit code 2."""
    process, pids = start(waits, *options)

    os.killpg(process.pid, number)
    process.communicate(timeout=15)

    assert process.returncode == code
    assert len(pids) == 3
    assert all(gone(pid, seconds=5) for pid in pids)
