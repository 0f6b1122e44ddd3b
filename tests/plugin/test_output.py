"""What a run shows and what it leaves in a JUnit file."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from .project import FAILING, FIT, Project

TALKING = FIT.replace(
    "    train = ",
    '    import warnings\n    warnings.warn("the rows are old")\n    print("the team is talking")\n    train = ',
)


@pytest.fixture
def measured(project: Project) -> Project:
    """A project whose evidence is stored: two claims hold, one fails, and its training has printed something."""
    project.write("team/fit.py", TALKING)
    project.write("line.mlspec.yaml", FAILING)
    project.run("--junitxml=report.xml").assert_outcomes(passed=2, failed=1)
    return project


def test_output_for_readers(measured: Project) -> None:
    """Measured values of passed items are shown with -vv alone; a job's output with a failure alone, unless refused."""
    plain, quiet, lines = measured.run(), measured.run("-q", "--show-capture=no"), measured.run("--tb=line")
    verbose = measured.run("-vv", "-rA")
    passed = measured.run("-rA", "-k", "train.seconds")

    plain.stdout.fnmatch_lines(["*Captured output of the job call*", "the team is talking"])
    plain.stdout.no_fnmatch_line("*measured by mlspec*")
    quiet.stdout.no_fnmatch_line("*the team is talking*")
    lines.stdout.fnmatch_lines(["line.mlspec.yaml:11: 0.*, at most 0.0001"])
    lines.stdout.no_fnmatch_line("*claim:*")
    verbose.stdout.fnmatch_lines(
        [
            "*measured by mlspec*",
            "line.mlspec.yaml::line::data  passed: 12 test, 48 train rows* (n=60), stored",
            "line.mlspec.yaml::line::train.seconds  passed: *, at most 30 s (seed 0, cpu), stored",
            "line.mlspec.yaml::line::test.mean_absolute_error  failed: *, at most 0.0001 (seed 0, n=12, cpu), stored",
        ]
    )
    assert [line for line in verbose.outlines if "measured by" in line] != []
    assert len([line for line in verbose.outlines if "::data  passed" in line]) == 1
    passed.stdout.no_fnmatch_line("*the team is talking*")


def test_what_was_noted(measured: Project, workers: tuple[str, ...]) -> None:
    """With -vv the notes of trainings and the warnings of the team's code are shown, each once, also of stored evidence."""
    verbose, plain = measured.run("-vv", *workers), measured.run(*workers)
    notes = [line for line in verbose.outlines if line.startswith("note: ")]

    assert [note.partition(": ")[2] for note in notes if "Warning" in note] == [
        "team/fit.py:13: UserWarning: the rows are old"
    ]
    plain.stdout.no_fnmatch_line("note: *")


def test_junit_file(measured: Project) -> None:
    """A test case has the verdict as properties; the message of a failure is what was measured and what is allowed."""
    cases = {case.attrib["name"]: case for case in ElementTree.parse(measured.root / "report.xml").iter("testcase")}
    failed = cases["test.mean_absolute_error"]
    properties = {each.attrib["name"]: each.attrib["value"] for each in failed.iter("property")}
    failure = failed.find("failure")

    assert failure is not None
    assert failure.attrib["message"].endswith(", at most 0.0001")
    assert properties["mlspec.status"] == "failed"
    assert float(properties["mlspec.measured"]) > 0.0001
    assert properties["mlspec.allowed"] == "at most 0.0001"
    assert (properties["mlspec.n"], properties["mlspec.seed"], properties["mlspec.device"]) == ("12", "0", "cpu")
    assert properties["mlspec.reused"] == "false"
