"""When jobs move into the pytest process by themselves."""

from __future__ import annotations

import bdb
from typing import Any

import pytest

from pytest_mlspec.workers.inline import debugger_attached


class CTracer:
    """Stands for the compiled tracer of coverage: an object without a module of its own."""

    __module__ = "coverage"


class Tracer:
    """Stands for the one in Python: a bound method."""

    def trace(self) -> None: ...


Tracer.trace.__module__ = "coverage.pytracer"


@pytest.mark.parametrize(
    ("tracer", "attached"),
    [(None, False), (CTracer(), False), (Tracer().trace, False), (bdb.Bdb().trace_dispatch, True)],
    ids=["nothing", "coverage in C", "coverage in Python", "pdb"],
)
def test_debugger_attached(tracer: Any, attached: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """What traces the process is a debugger unless it is coverage."""
    monkeypatch.setattr("sys.gettrace", lambda: tracer)

    assert debugger_attached() is attached
