"""`chance` as users run it: a training on shuffled targets that a team's fit refuses says nothing against its data."""

from __future__ import annotations

from .project import LINE, Project

REFUSES = '''
"""The team's own training, which raises where nothing was learned."""

import numpy as np

from team.fit import fit as least_squares, predict


def fit(examples, *, seed):
    weights = least_squares(examples, seed=seed)
    train = examples["train"]
    if np.abs(predict(weights, train.inputs) - train.targets).mean() > 10:
        raise ValueError("the model has learned nothing")
    return weights
'''


def test_a_fit_that_refuses_shuffled_targets_leaves_nothing_to_ask(project: Project) -> None:
    """The claim is skipped with what it raised; the others are judged as ever."""
    project.write("team/careful.py", REFUSES)
    spec = LINE.replace("team.fit", "team.careful").replace("checks: data", "checks: [data, preparation, chance]")
    project.write("line.mlspec.yaml", spec)

    result = project.run("-rs")

    result.assert_outcomes(passed=3, skipped=1)
    result.stdout.fnmatch_lines(["*no training on shuffled targets came to its end: fit raised ValueError: *"])
