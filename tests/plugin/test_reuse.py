"""Stored evidence: used again while all that it depends on is the same, and the plan says what is not."""

from __future__ import annotations

import pytest

from .project import FIT, LINE, ROWS, Project

OWN_LOAD = """
import os

import pandas as pd

def load():
    with open(os.environ["TRAININGS"], "a") as note:
        note.write("1\\n")
    return pd.read_csv("rows.csv")[["x"]], pd.read_csv("rows.csv")["y"]
"""

OWN_SPEC = LINE.replace("source: rows.csv, target: y", 'source: "team.data:load"')


@pytest.fixture
def trained(project: Project) -> Project:
    """A project whose training has been run once."""
    project.write("line.mlspec.yaml", LINE)
    project.run().assert_outcomes(passed=2)
    return project


def test_unchanged_spec(trained: Project) -> None:
    """Nothing is trained again; comments, bounds and the order of keys do not belong to the training."""
    trained.write("line.mlspec.yaml", "# a comment\n" + LINE.replace("30s", "20s") + "tags: [pr]\n")
    plan = trained.run("--mlspec-plan")
    trained.run().assert_outcomes(passed=2)
    trained.run("-n", "2").assert_outcomes(passed=2)

    plan.stdout.fnmatch_lines(["  prepare the data *reused (*)*", "  train (seed 0) *reused (*), took * s"])
    assert len(trained.trainings) == 1


def test_changed_ingredients(trained: Project) -> None:
    """The plan names what has changed of all that a training depends on, and a run makes it again."""
    trained.write("team/fit.py", FIT + "# changed\n")
    changed_module = trained.run("--mlspec-plan")
    trained.write("team/fit.py", FIT)
    trained.write("rows.csv", ROWS + "60,181\n")
    changed_data = trained.run("--mlspec-plan")
    trained.write("rows.csv", ROWS)
    trained.write("line.mlspec.yaml", LINE.replace("prepare: none", "prepare: none, split: {test: 0.3}"))
    changed_spec = trained.run("--mlspec-plan")
    planned = len(trained.trainings)
    trained.run().assert_outcomes(passed=2)

    changed_module.stdout.fnmatch_lines(["  prepare the data *runs: team/fit.py changed"])
    changed_data.stdout.fnmatch_lines(["  prepare the data *runs: rows.csv changed"])
    changed_spec.stdout.fnmatch_lines(["  prepare the data *runs: *split.test*0.2*0.3*"])
    assert (changed_spec.ret, planned, len(trained.trainings)) == (pytest.ExitCode.OK, 1, 2)


def test_fresh(trained: Project) -> None:
    """With --mlspec-fresh everything runs again, once."""
    plan = trained.run("--mlspec-plan", "--mlspec-fresh")
    trained.run("--mlspec-fresh", "-n", "2").assert_outcomes(passed=2)

    plan.stdout.fnmatch_lines(["  train (seed 0) *runs: --mlspec-fresh"])
    assert len(trained.trainings) == 2


def test_data_of_the_teams_own_code(project: Project) -> None:
    """Where nobody can tell whether the data are the same they are loaded again, and the plan says why."""
    project.write("team/data.py", OWN_LOAD)
    project.write("line.mlspec.yaml", OWN_SPEC)
    project.run("-k", "data").assert_outcomes(passed=1, deselected=1)
    plan = project.run("--mlspec-plan")
    project.run("-k", "data").assert_outcomes(passed=1, deselected=1)

    plan.stdout.fnmatch_lines(["  prepare the data *runs: shared within one run only: *the spec declares no `inputs`"])
    assert len(project.trainings) == 2


def test_declared_inputs(project: Project) -> None:
    """Where the spec declares what the team's code reads, the data are loaded once."""
    project.write("team/data.py", OWN_LOAD)
    project.write("line.mlspec.yaml", f"{OWN_SPEC}inputs: [rows.csv]\n")
    project.run("-k", "data").assert_outcomes(passed=1, deselected=1)
    project.run("-k", "data").assert_outcomes(passed=1, deselected=1)

    assert len(project.trainings) == 1


def test_plan_of_what_was_never_run(project: Project) -> None:
    """The plan shows every job once with the claims that need it, and what is skipped, also under xdist."""
    project.write("line.mlspec.yaml", LINE.replace("checks: data", "checks: [data, resumes]"))

    result = project.run_plainly("--mlspec-plan", "-n", "2")

    result.stdout.fnmatch_lines(
        [
            "line.mlspec.yaml::line  (engine callable, limit 600 s a job)",
            "  prepare the data *runs: no evidence yet",
            "      for data",
            "  train (seed 0) *runs: a job that it needs runs",
            "      for train.seconds",
            "  resumes: not applicable: *",
        ]
    )
    assert (result.ret, project.trainings, (project.root / ".mlspec").exists()) == (pytest.ExitCode.OK, [], False)


def test_store_that_cannot_be_written(project: Project, workers: tuple[str, ...]) -> None:
    """The run warns once and goes on without stored evidence."""
    project.write(".mlspec", "a file where the folder of the store would be")
    project.write("line.mlspec.yaml", LINE)

    result = project.run(*workers)

    result.assert_outcomes(passed=2, warnings=1)
    result.stdout.fnmatch_lines(["*/.mlspec cannot be written: evidence is kept for this run only*"])


def test_store_that_cannot_be_written_where_warnings_are_errors(project: Project) -> None:
    """The run ends with the warning as its message, and without a traceback."""
    project.write(".mlspec", "a file where the folder of the store would be")
    project.write("line.mlspec.yaml", LINE)

    result = project.run("-W", "error")

    result.stderr.fnmatch_lines(["ERROR: */.mlspec cannot be written: *"])
    assert result.ret == pytest.ExitCode.USAGE_ERROR
