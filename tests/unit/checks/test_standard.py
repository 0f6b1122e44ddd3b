"""Importing the package of checks registers those of `checks: standard`, cheap ones first."""

from __future__ import annotations

import subprocess
import sys

from pytest_mlspec.checks import STANDARD

ONLY_CHECKS = """
import sys
import pytest_mlspec.checks
from pytest_mlspec.check import CHECKS
heavy = {"numpy", "pandas", "pytest", "scipy", "sklearn", "torch"} & set(sys.modules)
print(*CHECKS, "|", *sorted(heavy))
"""


def test_the_standard_checks_are_registered_in_their_order_without_heavy_imports() -> None:
    """A new interpreter knows them in that order, others by name beside them, and has imported nothing heavy."""
    run = subprocess.run([sys.executable, "-c", ONLY_CHECKS], capture_output=True, text=True, timeout=60, check=True)

    registered, heavy = run.stdout.split("|")

    assert [name for name in registered.split() if name in STANDARD] == list(STANDARD)
    assert heavy.strip() == ""
