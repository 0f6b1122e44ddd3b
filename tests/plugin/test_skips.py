"""Claims that are not asked: skipped with the reason and at the place of their line, never passed."""

from __future__ import annotations

from .project import LINE, UNTRAINED, Project


def test_reasons_and_places(project: Project, workers: tuple[str, ...]) -> None:
    """A skip of the spec tells why; a claim that the engine cannot be asked is skipped as not applicable."""
    project.write("untrained.mlspec.yaml", UNTRAINED)
    asked = "train.seconds: {at_most: 30s}"
    project.write("line.mlspec.yaml", LINE.replace("checks: data", "checks: [resumes]").replace(asked, asked))

    result = project.run("-rs", "-k", "not seconds", *workers)

    result.assert_outcomes(skipped=3, deselected=0 if workers else 1)
    result.stdout.fnmatch_lines_random(
        [
            "SKIPPED [[]1] untrained.mlspec.yaml:7: the vendor checks it",
            "SKIPPED [[]1] untrained.mlspec.yaml:8: too slow for now",
            "SKIPPED [[]1] line.mlspec.yaml:8: not applicable: the team's own fit cannot be interrupted*",
        ]
    )


def test_what_the_machine_lacks(project: Project) -> None:
    """Where the machine has not what a spec requires nothing is trained, and the items say what is missing."""
    requires = "requires: {packages: [pytest, no-such-package], environment: [NO_SUCH_TOKEN]}\n"
    project.write("line.mlspec.yaml", LINE + requires)

    result = project.run("-rs")

    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(
        ["*requires what is not here: the package no-such-package, the environment variable NO_SUCH_TOKEN"]
    )
    assert project.trainings == []
