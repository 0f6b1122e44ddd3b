"""Code of the team that ends its process, crashes it or never gives it back: a red item that says so, while the rest goes on."""

from __future__ import annotations

import pytest

from .project import FIT, LINE, Project

WAYS = {
    "leaves": "os._exit(0)",
    "crashes": 'print("before the crash", flush=True); ctypes.string_at(0)',
    "hangs": "sum(range(10**12))",  # one call into C, which holds the GIL
}


@pytest.fixture
def dangerous(project: Project) -> Project:
    """A project with a spec for each of these ways, and one that trains as it should."""
    project.write("line.mlspec.yaml", LINE)
    for name, code in WAYS.items():
        project.write(
            f"team/{name}.py",
            FIT.replace("import os", "import ctypes\nimport os").replace("    train = ", f"    {code}\n    train = "),
        )
        spec = LINE.replace("name: line", f"name: {name}\nlimits: {{time: 8s}}").replace("team.fit", f"team.{name}")
        project.write(f"{name}.mlspec.yaml", spec)
    return project


@pytest.mark.slow
def test_ends_that_no_python_code_sees(dangerous: Project) -> None:
    """Whatever happens to a worker, pytest lives, tells what happened, and runs everything else."""
    result = dangerous.run()

    result.assert_outcomes(passed=5, failed=3)
    result.stdout.fnmatch_lines_random(
        [
            "leaves.mlspec.yaml:11:3  train.seconds ERROR: the worker ended without a result*",
            "crashes.mlspec.yaml:11:3  train.seconds ERROR: the worker crashed: segmentation fault (signal 11)",
            "*before the crash",
            "hangs.mlspec.yaml:4:10  train.seconds ERROR: limits.time: the worker was killed: over its time limit of 8 s",
            "  next: raise limits.time, or train for less; the log ends with the stacks of where it was",
            "*team/hangs.py*in fit",
            "  log: .mlspec/logs/*.txt",
        ]
    )
    result.stdout.no_re_match_line(r".*pytest_mlspec/.*\.py")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
