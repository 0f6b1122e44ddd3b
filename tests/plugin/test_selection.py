"""Which items run: by mark, by word, by node id, until the first failure, those that failed last."""

from __future__ import annotations

import pytest

from .project import TWICE, UNTRAINED, Project

TAGGED = UNTRAINED.replace("data: {", "tags: [pr, nightly]\ndata: {")


@pytest.mark.parametrize(
    ("arguments", "selected"),
    [
        (("-m", "pr"), 2),
        (("-m", "nightly and mlspec"), 2),
        (("-m", "not pr"), 3),
        (("-m", "mlspec"), 4),
        (("-k", "overfit"), 2),
        (("-k", "tagged and not data"), 1),
        (("tagged.mlspec.yaml::untrained::overfit",), 1),
        (("tagged.mlspec.yaml::untrained",), 2),
    ],
)
def test_selection(project: Project, arguments: tuple[str, ...], selected: int) -> None:
    """Tags are marks, known to --strict-markers; every item has the mark mlspec."""
    project.write("plain.mlspec.yaml", UNTRAINED)
    project.write("tagged.mlspec.yaml", TAGGED)
    project.write("test_other.py", "def test_it():\n    pass\n")

    result = project.run("--strict-markers", "--collect-only", "-q", *arguments)

    assert len([line for line in result.outlines if "::" in line]) == selected
    assert result.ret == 0


def test_first_failure_ends_the_run(project: Project) -> None:
    """With -x nothing runs after the first red item."""
    project.write("first.mlspec.yaml", TWICE)
    project.write("second.mlspec.yaml", UNTRAINED)

    result = project.run("-x")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*stopping after 1 failures*"])


def test_last_failed(project: Project) -> None:
    """With --lf those run that failed last, and no others."""
    project.write("twice.mlspec.yaml", TWICE)
    project.run().assert_outcomes(failed=1, skipped=1)

    result = project.run("--lf", "-v")

    result.assert_outcomes(failed=1, deselected=1)
    result.stdout.fnmatch_lines(["twice.mlspec.yaml::twice::data FAILED*"])
