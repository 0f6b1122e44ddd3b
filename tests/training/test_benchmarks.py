"""The benchmark of the core runs; what it measures is no test."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import pytest


def test_the_quick_run_of_our_own_part(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every variant of the core trains task A, and the figures are written."""
    speed = import_module("benchmarks.core.speed")
    monkeypatch.setattr(speed, "tasks", lambda: import_module("benchmarks.core.tasks").tasks()[:1])
    speed.run(quick=True, only_ours=True, json=tmp_path / "speed.json")
    written = json.loads((tmp_path / "speed.json").read_text())

    assert written["machine"].startswith(import_module("platform").machine())
    assert [row["name"] for row in written["A"]] == list(import_module("benchmarks.core.contestants").OURS)
    assert all(0 < row["low"] <= row["median"] <= row["high"] for row in written["A"])
