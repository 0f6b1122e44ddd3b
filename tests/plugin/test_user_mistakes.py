"""What only a worker can find: a red item with the place of the key, what was found, the next step; no traceback of ours."""

from __future__ import annotations

import pytest

from .project import LINE, Project

WINE = """
mlspec: 1
name: wine
data:
  source: sklearn.wine
model: {use: "team.models:classifier"}
train: {engine: sklearn}
gates: {train.seconds: {at_most: 30s}}
"""

CODE = {
    "team/models.py": """
from sklearn.linear_model import LogisticRegression


def classifier(strength=1.0):
    return LogisticRegression(C=strength)
""",
    "team/unfinished.py": "def classifier(:\n",
    "team/sources.py": """
def rows():
    print("asking the warehouse")
    raise ConnectionError("the warehouse does not answer")
""",
}

SPECS = {
    "no_module": WINE.replace("team.models:", "team.modles:"),
    "no_name": WINE.replace(":classifier", ":clasifier"),
    "no_argument": WINE.replace(':classifier"}', ':classifier", strenght: 2.0}'),
    "no_syntax": WINE.replace("team.models:", "team.unfinished:"),
    "no_column": LINE.replace("target: y", "target: z"),
    "no_rows": WINE.replace("sklearn.wine", "team.sources:rows\n  split: {stratify: true}").replace(
        "data:", "task: multiclass\ndata:"
    ),
}


@pytest.fixture
def mistaken(project: Project) -> Project:
    """A project whose specs each hold a mistake that no validation can find."""
    for path, text in CODE.items():
        project.write(path, text)
    for name, text in SPECS.items():
        project.write(f"{name}.mlspec.yaml", text.replace("name: wine", f"name: {name}"))
    return project


def test_mistakes_that_workers_find(mistaken: Project) -> None:
    """Each is a red item of its own spec, told at its key; the run goes on to the end."""
    result = mistaken.run()

    result.assert_outcomes(failed=7)
    result.stdout.fnmatch_lines_random(
        [
            "no_module.mlspec.yaml:6:1  train.seconds ERROR: model: team has no module 'modles'",
            "  next: did you mean 'models'?",
            "no_name.mlspec.yaml:6:1  train.seconds ERROR: model: team.models has no 'clasifier'",
            "  next: did you mean 'classifier'?",
            "no_argument.mlspec.yaml:6:1  train.seconds ERROR: model: team.models:classifier cannot be called*strenght*",
            "no_syntax.mlspec.yaml:6:1  train.seconds ERROR: model: import team.unfinished raised SyntaxError*",
            "*def classifier(:*",
            "no_column.mlspec.yaml:*  data ERROR: data.target: rows.csv has no column 'z'",
            "no_rows.mlspec.yaml:6:3  train.seconds ERROR: data.source: team.sources:rows raised ConnectionError: the warehouse*",
            "*team/sources.py*line 4, in rows",
            "asking the warehouse",
        ]
    )
    result.stdout.no_re_match_line(r".*pytest_mlspec/.*\.py")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
