"""Equal jobs run once: for all claims, specs, Python tests and workers of a run."""

from __future__ import annotations

import pytest

from .project import LINE, Project

PYTHON_TEST = """
import pytest

@pytest.mark.mlspec("specs/line.mlspec.yaml")
def test_the_same_training(mlspec_run):
    assert mlspec_run.training.steps >= 1
    assert mlspec_run.predictions("test").shape == (12,)
    assert mlspec_run.measure("train.seconds") < 30
"""

UNKNOWN_QUANTITY = """
import pytest

@pytest.mark.mlspec("specs/line.mlspec.yaml")
def test_errors_are_small(mlspec_run):
    assert mlspec_run.measure("test.max_eror") < 1
"""

MISTAKES = """
import pytest

def test_no_marker(mlspec_run): pass

@pytest.mark.mlspec
def test_no_path(mlspec_run): pass

@pytest.mark.mlspec("specs/lines.mlspec.yaml")
def test_no_file(mlspec_run): pass

@pytest.mark.mlspec("specs/line.mlspec.yaml", name="lime")
def test_no_spec(mlspec_run): pass
"""


def test_one_training_for_all(project: Project, workers: tuple[str, ...]) -> None:
    """Two specs that declare the same training, and a Python test that uses it, train once, also on two workers."""
    project.write("specs/line.mlspec.yaml", LINE)
    project.write("specs/other.mlspec.yaml", LINE.replace("name: line", "name: other"))
    project.write("test_line.py", PYTHON_TEST)

    result = project.run("--strict-markers", *workers)

    result.assert_outcomes(passed=5)
    assert len(project.trainings) == 1
    assert result.ret == pytest.ExitCode.OK


def test_mistakes_with_the_fixture(project: Project) -> None:
    """They are told in words, without a traceback."""
    project.write("specs/line.mlspec.yaml", LINE)
    project.write("test_line.py", MISTAKES)

    result = project.run("test_line.py")

    result.assert_outcomes(errors=4)
    result.stdout.fnmatch_lines(
        [
            "mlspec_run needs @pytest.mark.mlspec*",
            "mlspec_run needs @pytest.mark.mlspec*",
            "specs/lines.mlspec.yaml:1:1  the file cannot be read: No such file or directory",
            "specs/line.mlspec.yaml holds no spec 'lime'",
            "did you mean 'line'?",
        ]
    )
    result.stdout.no_re_match_line(r".*pytest_mlspec/.*\.py")


def test_mistakes_with_a_quantity(project: Project) -> None:
    """They are told at the line of the test, with the next step, and without our traceback."""
    project.write("specs/line.mlspec.yaml", LINE)
    project.write("test_line.py", UNKNOWN_QUANTITY)

    result = project.run("test_line.py")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "mlspec_run = <Run of line>",
            "E * unknown metric 'max_eror'",
            "E * did you mean 'max_error'?",
            "test_line.py:6: MlspecError",
        ]
    )
    result.stdout.no_re_match_line(r".*pytest_mlspec/.*\.py")


def test_fixture_without_the_flag(project: Project) -> None:
    """A Python test can use a training where no spec file is collected."""
    project.write("specs/line.mlspec.yaml", LINE)
    project.write("test_line.py", PYTHON_TEST)

    project.run_plainly().assert_outcomes(passed=1)
