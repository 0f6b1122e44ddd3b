"""A long job tells on a terminal how far it has come, and leaves no trace there."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from contextlib import suppress

import pytest

from .project import SECONDS, Project

LONG = """
mlspec: 1
name: long
data: {source: sklearn.wine}
model: {use: mlp, hidden: [4]}
train: {steps: 12000, batch_size: 64}
gates: {train.seconds: {at_most: 90s}}
"""


def read_all(terminal: int) -> str:
    """What was written to a terminal until everybody closed it."""
    parts = []
    with suppress(OSError):  # how Linux tells that the other end was closed
        while part := os.read(terminal, 1 << 16):
            parts.append(part)
    return b"".join(parts).decode()


@pytest.mark.slow
def test_terminal(project: Project) -> None:
    """The line names the job and its step, and is wiped out when the job is done."""
    project.write("long.mlspec.yaml", LONG)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "pytest", "--mlspec", "--color=no", "-p", "no:cacheprovider"]
    with subprocess.Popen(command, cwd=project.root, stdout=theirs, stderr=theirs, stdin=subprocess.DEVNULL) as process:
        os.close(theirs)
        shown = read_all(ours)
        code = process.wait(SECONDS)
    os.close(ours)

    assert "\r\nlong: train (seed 0): epoch" in shown
    assert "\rlong: train (seed 0): epoch" in shown
    assert " of 12000" in shown
    assert shown.rpartition("long: train")[2].partition("\r")[2].startswith(" " * 40)
    assert code == 0
