"""`--mlspec-profile` shows where the time of the trainings went, and leaves a trace of each."""

from __future__ import annotations

import pytest

from .project import Project

DIGITS = """
mlspec: 1
name: digits
data: {source: sklearn.digits}
model: {use: mlp, hidden: [8]}
train: {epochs: 1}
gates:
  train.seconds: {at_most: 60s}
"""


def test_the_summary_is_shown_and_the_trace_is_kept(project: Project, workers: tuple[str, ...]) -> None:
    """For the controller of xdist as for one process; the option implies --mlspec."""
    project.write("digits.mlspec.yaml", DIGITS)
    result = project.run_plainly("--mlspec-profile", *workers)
    result.assert_outcomes(passed=1)
    traces = list((project.root / ".mlspec" / "profiles").glob("*/digits-train-seed-0.json"))

    result.stdout.fnmatch_lines(
        ["*profiled by mlspec*", "digits: train (seed 0): * steps in *", "*aten::*", "  trace: .mlspec/profiles/*.json"]
    )
    assert len(traces) == 1


def test_a_profiled_run_trains_again_and_leaves_the_evidence_of_others_alone(project: Project) -> None:
    """Its times are not those of a training without a profiler."""
    project.write("digits.mlspec.yaml", DIGITS)
    project.run("-vv")
    profiled = project.run_plainly("--mlspec-profile", "-vv")
    after = project.run("-vv")

    profiled.stdout.no_fnmatch_line("*passed: *, stored")
    after.stdout.fnmatch_lines(["*passed: *, stored"])


def test_where_nothing_was_profiled_it_is_said(project: Project) -> None:
    """An estimator of scikit-learn has no steps."""
    project.write(
        "forest.mlspec.yaml",
        DIGITS.replace("{use: mlp, hidden: [8]}", "GaussianNB").replace("epochs: 1", "engine: sklearn"),
    )
    result = project.run_plainly("--mlspec-profile")

    result.stdout.fnmatch_lines(["*profiled by mlspec*", "no training was profiled: those of the engine torch are"])


def test_a_folder_that_cannot_be_written_is_told_before_anything_runs(project: Project) -> None:
    """With the exit code of a wrong option."""
    project.write("digits.mlspec.yaml", DIGITS)
    project.write(".mlspec/profiles", "a file")
    result = project.run_plainly("--mlspec-profile")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --mlspec-profile writes to *: Not a directory"])
