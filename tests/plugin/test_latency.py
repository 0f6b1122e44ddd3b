"""Gates on the time of a call, through pytest: timed once for all gates that look at it, and red where it is too long."""

from __future__ import annotations

from .project import FIT, LINE, Project

GATES = """\
  latency.min: {at_most: 30s}
  latency.throughput: {at_least: 0.01}
  latency.p50[batch=100]: {at_most: 30s}
"""

SLEEPS = FIT.replace("    return np.c_[inputs, ", "    __import__('time').sleep(0.02)\n    return np.c_[inputs, ")


def test_a_call_within_its_bounds(project: Project) -> None:
    """The report names calls, rows, threads and what else was seen; nothing is timed again while nothing changes."""
    project.write("line.mlspec.yaml", LINE + GATES)
    plan = project.run("--mlspec-plan")
    found = project.run("-vv")
    again = project.run("--mlspec-plan")

    found.assert_outcomes(passed=5)
    found.stdout.fnmatch_lines(["*calls of eager, 100 rows (12 different ones), 1 thread, * processors"])
    assert plan.stdout.str().count("time 10 calls") == 2
    assert again.stdout.str().count("time 10 calls (eager, batch 1, threads 1) ") == 1
    again.stdout.fnmatch_lines(["  time 10 calls (eager, batch 1, threads 1)*reused*"])


def test_a_call_that_sleeps(project: Project) -> None:
    """The team's model takes 20 ms, where 10 are allowed."""
    project.write("team/fit.py", SLEEPS)
    project.write("line.mlspec.yaml", f"{LINE}  latency.min: {{at_most: 10ms}}\n")
    found = project.run()

    found.assert_outcomes(passed=2, failed=1)
    found.stdout.fnmatch_lines(["line.mlspec.yaml:11:3  latency.min FAILED: * ms, at most 10 ms (n=*, cpu)"])


def test_a_percentile_on_a_machine_that_is_not_quiet(project: Project) -> None:
    """It is refused before anything is trained."""
    project.write("line.mlspec.yaml", f"{LINE}  latency.p99: {{at_most: 10ms}}\n")
    found = project.run()

    found.assert_outcomes(errors=1)
    found.stdout.fnmatch_lines(["line.mlspec.yaml:11:3  gates.latency.p99: latency.p99 tells of the neighbours *"])
    assert project.trainings == []
