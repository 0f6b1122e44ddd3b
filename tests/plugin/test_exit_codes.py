"""The exit code, and that no mistake of a user ends in a traceback."""

from __future__ import annotations

import pytest

from .project import FAILING, LINE, UNTRAINED, Project

BAD = """mlspec: 1
name: bad
data: {sorce: sklearn.wine}
model: liner
checks: standard
"""
WORSE = """mlspec: 1
name: worse
name: again
"""


@pytest.fixture
def broken(project: Project) -> Project:
    """A project with two specs that cannot be read and one that can."""
    project.write("bad.mlspec.yaml", BAD)
    project.write("line.mlspec.yaml", LINE)
    project.write("worse.mlspec.yaml", WORSE)
    return project


def test_failed_claim(project: Project, workers: tuple[str, ...]) -> None:
    """A claim that does not hold: 1, and the summary says which and why."""
    project.write("line.mlspec.yaml", FAILING)

    result = project.run(*workers)

    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            "line.mlspec.yaml:11:3  test.mean_absolute_error FAILED: 0.*, at most 0.0001 (seed 0, n=12, cpu)",
            "  claim: test.mean_absolute_error is at most 0.0001.",
            "FAILED line.mlspec.yaml::line::test.mean_absolute_error - 0.*, at most 0.0001",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_specs_that_cannot_be_read(broken: Project, workers: tuple[str, ...]) -> None:
    """Every mistake of every file is shown, nothing runs: 2."""
    result = broken.run(*workers)

    result.stdout.fnmatch_lines_random(
        [
            "bad.mlspec.yaml:3:8  data.sorce: unknown key 'sorce'",
            "    did you mean 'source'?",
            "worse.mlspec.yaml:3:1*name*",
            "*2 errors during collection*",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*pytest_mlspec/*")
    assert result.parseoutcomes() == {"errors": 2}
    assert broken.trainings == []
    assert result.ret == pytest.ExitCode.INTERRUPTED


def test_others_run_where_asked(broken: Project) -> None:
    """With --continue-on-collection-errors the specs that can be read run: 1."""
    result = broken.run("--continue-on-collection-errors")

    result.assert_outcomes(passed=2, errors=2)
    assert len(broken.trainings) == 1
    assert result.ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--mlspec-fesh", "*unrecognized arguments: --mlspec-fesh*"),
        ("--mlspec-workers=0", "*--mlspec-workers: '0' is not a number of jobs*"),
        ("--override-ini=mlspec_inconclusive=pass", "*mlspec_inconclusive is fail or skip, not 'pass'*"),
    ],
)
def test_wrong_option(project: Project, option: str, message: str) -> None:
    """An option that does not exist or has no such value: 4."""
    project.write("untrained.mlspec.yaml", UNTRAINED)

    result = project.run(option)

    result.stderr.fnmatch_lines([message])
    result.stderr.no_fnmatch_line("*Traceback*")
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_nothing_found(project: Project) -> None:
    """No item at all: 5."""
    assert project.run().ret == pytest.ExitCode.NO_TESTS_COLLECTED
