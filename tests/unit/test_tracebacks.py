"""What a user is shown of a stack: their frames, and the line of theirs that did it."""

from __future__ import annotations

import argparse
import sys
from functools import cached_property
from pathlib import Path

import pytest

import pytest_mlspec
from pytest_mlspec.tracebacks import users_place, users_stacks, users_traceback

OURS = Path(pytest_mlspec.__file__).parent
DUMP = f"""\
epoch 1
Thread 0x00007f0d3ca04b80 [loader] (most recent call first):
  File "{OURS}/training/loader.py", line 9 in wait
  File "<string>", line 1 in <module>

Current thread 0x00007f47e189db80 (most recent call first):
  File "/project/team/data.py", line 19 in load
  File "/usr/lib/python3.11/functools.py", line 1001 in __get__
  File "{OURS}/workers/child.py", line 83 in main
  File "<frozen importlib._bootstrap>", line 241 in _call_with_frames_removed
  File "/project/team/read.py", line 3 in read
  File "<string>", line 1 in <module>

Extension modules: numpy._core._multiarray_umath, torch._C (total: 2)"""


def test_a_stack_of_a_log_keeps_the_frames_of_the_user() -> None:
    """A thread of ours alone goes, and the number of a thread, so that equal stacks are equal; other lines stay."""
    assert users_stacks(DUMP.splitlines()) == [
        "epoch 1",
        "",
        "Current thread (most recent call first):",
        '  File "/project/team/data.py", line 19 in load',
        '  File "/project/team/read.py", line 3 in read',
        "",
    ]


class Lazy:
    """Stands for what calls user code."""

    @cached_property
    def value(self) -> int:
        raise ValueError("no value")


def test_the_machinery_of_a_cached_property_is_left_out() -> None:
    """It stands between us and the user's code."""
    with pytest.raises(ValueError, match="no value") as caught:
        Lazy().value  # noqa: B018

    assert "functools.py" not in users_traceback(caught.value)
    assert "in value" in users_traceback(caught.value)


def leave() -> None:
    sys.exit(3)


def parse() -> None:
    argparse.ArgumentParser().parse_args(["--help"])


def test_the_place_is_that_of_the_users_own_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Relative to the root; not the line of the library that it called."""
    root = Path(__file__).parent
    places = []
    for function in (leave, parse):
        with pytest.raises(SystemExit) as caught:
            function()
        places.append(users_place(caught.value, root))

    lines = [function.__code__.co_firstlineno + 1 for function in (leave, parse)]
    assert places == [f"test_tracebacks.py:{line}" for line in lines]
    assert capsys.readouterr().out.startswith("usage:")
