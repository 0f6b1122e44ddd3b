"""What keeps several claims from being judged is told in full once; the others point to it."""

from __future__ import annotations

import pytest

from .project import FIT, LINE, Project


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ('raise ValueError("a row is odd")', "recipe.fit: fit raised ValueError: a row is odd"),
        ("import sys; sys.exit(3)", "the worker ended without a result (exit code 3): sys.exit at team/fit.py:10"),
    ],
    ids=["exception", "sys.exit"],
)
def test_one_cause_is_told_once(project: Project, workers: tuple[str, ...], code: str, told: str) -> None:
    """With the first claim that it keeps from being judged, whichever process answers first."""
    project.write("team/fit.py", FIT.replace("    with open", f"    {code}\n    with open"))
    project.write(
        "line.mlspec.yaml", LINE.replace("gates:", "gates:\n  test.r2: {at_least: 0}\n  test.max_error: {at_most: 9}")
    )

    result = project.run(*workers)

    result.assert_outcomes(passed=1, failed=3)
    result.stdout.fnmatch_lines_random(
        [
            f"line.mlspec.yaml:*  test.r2 ERROR: {told}",
            "  claim: test.r2 is at least 0.",
            f"line.mlspec.yaml:*  test.max_error ERROR: not run, because *{told}; told in full with test.r2",
            f"line.mlspec.yaml:*  train.seconds ERROR: not run, because *{told}; told in full with test.r2",
        ]
    )
    assert len([line for line in result.outlines if line.startswith("  claim: ")]) == 1
    assert len([line for line in result.outlines if "team/fit.py" in line and "line 10" in line]) == 1
    result.stdout.no_re_match_line(r".*pytest_mlspec/.*\.py")


def test_a_file_that_hides_a_module_of_the_standard_library_is_named(project: Project) -> None:
    """What numpy or torch then miss would tell the team nothing."""
    project.write("pytest.ini", "[pytest]\npythonpath = src\n")
    project.write("src/random.py", "def shuffle(rows): ...\n")
    project.write("line.mlspec.yaml", LINE.replace("checks: data", "checks: reproducible"))

    result = project.run("-k", "reproducible")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "line.mlspec.yaml:*  reproducible ERROR: src/random.py hides Python's own module random: *",
            "  next: rename src/random.py: *",
        ]
    )
    result.stdout.no_re_match_line(r".*pytest_mlspec/.*\.py")
