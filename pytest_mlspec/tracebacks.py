"""Tracebacks and stacks as a user sees them: without the frames of this package and of what lies between it and their code."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterable
from pathlib import Path

import pytest_mlspec

_OURS = str(Path(pytest_mlspec.__file__).resolve().parent)
_MODULE_CALL = ("_wrapped_call_impl", "_call_impl")

# What faulthandler writes.
_THREAD = re.compile(r"(Current thread|Thread) 0x[0-9a-f]+( .*\(most recent call first\):)")
_FRAME = re.compile(r'  File "(.*)", line \d+ in (.*)')
_EXTENSIONS = "Extension modules: "
_PROGRAM = "<string>"  # what a worker was started with


def users_traceback(error: BaseException) -> str:
    """The traceback of `error` and of what caused it, without frames of this package, of the import system and of how torch
    calls a module.
    """
    report = traceback.TracebackException.from_exception(error)
    chain: list[traceback.TracebackException | None] = [report]
    while chain:
        part = chain.pop()
        if part is not None:
            kept = [frame for frame in part.stack if _is_users(frame.filename, frame.name)]
            part.stack = traceback.StackSummary.from_list(kept)
            chain += [part.__cause__, part.__context__]
    return "".join(report.format())


def users_place(error: BaseException, root: Path) -> str:
    """`file:line` of the innermost frame of the user's own code, else of any code that is not ours; empty where there is none."""
    from pytest_mlspec.store.environment import library_folders, relative_to

    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_users(frame.filename, frame.name)]
    own = [frame for frame in frames if not frame.filename.startswith(library_folders())]
    innermost = (own or frames)[-1:]
    return "".join(f"{relative_to(root, frame.filename)}:{frame.lineno}" for frame in innermost)


def users_stacks(lines: Iterable[str]) -> list[str]:
    """The lines of a log, its stacks of threads as `users_traceback` shows one.

    A thread without a frame is left out, and so are the numbers of threads: equal stacks are equal text.
    """
    kept: list[str] = []
    thread = ""
    for line in lines:
        frame = _FRAME.fullmatch(line)
        if head := _THREAD.fullmatch(line):
            thread = head[1] + head[2]
        elif frame is None:
            kept += [] if line.startswith(_EXTENSIONS) else [line]
        elif frame[1] != _PROGRAM and _is_users(frame[1], frame[2]):
            kept += [thread, line] if thread else [line]
            thread = ""
    return kept


def _is_users(file: str, function: str) -> bool:
    if file.endswith("/torch/nn/modules/module.py"):
        return function not in _MODULE_CALL
    if file.endswith("/functools.py"):
        return function != "__get__"  # of a cached_property, ours for the most part
    return not (
        file.startswith((_OURS, "<frozen importlib")) or file.endswith(("/importlib/__init__.py", "/contextlib.py"))
    )
