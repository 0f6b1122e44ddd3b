"""Jobs in the pytest process, for a debugger."""

from __future__ import annotations

import pytest

from .project import FIT, LINE, Project

HEADER = "import os\n\ndef pytest_report_header():\n    return f'process {os.getpid()}'\n"
STOPS = FIT.replace("    train = ", "    breakpoint()\n    train = ")
RAISES = FIT.replace("    train = ", '    secret = 6 * 7\n    raise RuntimeError("no idea")\n    train = ')


@pytest.fixture
def line(project: Project) -> Project:
    """A project with one spec."""
    project.pytester.makeconftest(HEADER)
    project.write("line.mlspec.yaml", LINE)
    return project


@pytest.mark.parametrize("options", [("--mlspec-inline", "-n", "2"), ("--trace",)])
def test_process_of_pytest(line: Project, options: tuple[str, ...]) -> None:
    """The team's code runs in the pytest process itself, once, and no evidence is stored."""
    result = line.run(*options)

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines([f"process {line.trainings[0]}"])
    assert len(line.trainings) == 1
    assert not (line.root / ".mlspec").exists()


def test_breakpoint_in_a_worker(line: Project) -> None:
    """It is a red item that names the option with which it would stop."""
    line.write("team/fit.py", STOPS)

    result = line.run()

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*stopped at a breakpoint*", "  next: *--mlspec-inline*"])


def test_breakpoint_inline(line: Project) -> None:
    """It stops in the team's code, with a prompt."""
    line.write("team/fit.py", STOPS)

    result = line.run_and_type("p 'seed is', seed\nc\n", "--mlspec-inline")

    result.stdout.fnmatch_lines(["*('seed is', 0)*"])
    result.assert_outcomes(passed=2)


def test_post_mortem(line: Project) -> None:
    """With --pdb an exception of the team's code is looked at where it was raised."""
    line.write("team/fit.py", RAISES)

    result = line.run_and_type("p 'secret is', secret\nq\n", "--pdb")

    result.stdout.fnmatch_lines(["*RuntimeError: no idea*", "*('secret is', 42)*"])
    assert result.ret == pytest.ExitCode.INTERRUPTED


def test_exception_inline(line: Project) -> None:
    """Without --pdb it is told as it is from a worker."""
    line.write("team/fit.py", RAISES)

    result = line.run("--mlspec-inline")

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["line.mlspec.yaml:*train.seconds ERROR: *RuntimeError: no idea*"])
    result.stdout.no_re_match_line(r".*pytest_mlspec/.*\.py")


def test_fresh_interpreter_inline(line: Project) -> None:
    """A claim that compares two processes is not applicable within one."""
    line.write("line.mlspec.yaml", LINE.replace("checks: data", "checks: reproducible"))

    result = line.run("--mlspec-inline", "-rs")

    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["*not applicable: it compares with a fresh interpreter*"])
