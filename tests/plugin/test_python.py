"""Trainings from Python: the marker with its overrides, the fixtures, and `run_spec` in a script without pytest."""

from __future__ import annotations

import pytest

from .project import FAILING, LINE, Project

TESTS = """
import pytest

@pytest.mark.mlspec("specs/line.mlspec.yaml")
def test_the_run(mlspec_run):
    assert mlspec_run.spec.name == "line"
    assert mlspec_run.training.rows == 48
    assert mlspec_run.history["loss"].shape == (0,)
    assert mlspec_run.metrics["train.seconds"] < 30
    assert mlspec_run.predictions("test").shape == (12,)
    with pytest.raises(Exception, match="there is no split 'tset'"):
        mlspec_run.predictions("tset")
    assert dict(mlspec_run.artefacts) == {}
    assert {name: verdict.status for name, verdict in mlspec_run.verdicts.items()} == {
        "data": "passed",
        "train.seconds": "passed",
    }

@pytest.mark.mlspec("specs/line.mlspec.yaml", **{"train.seed": 3})
def test_another_seed(mlspec_run, mlspec_spec):
    assert mlspec_run.training.seed == 3
    assert mlspec_spec.train.seed == 3
    assert mlspec_spec.name == "line[train.seed=3]"

@pytest.mark.mlspec("specs/line.mlspec.yaml", **{"train.seed": 0})
def test_the_seed_that_it_has(mlspec_run):
    assert mlspec_run.training.seed == 0

def test_the_device(mlspec_device):
    assert mlspec_device in ("cpu", "cuda", "mps")
"""

MODEL = """
import pytest

@pytest.mark.mlspec("specs/line.mlspec.yaml")
def test_the_model(mlspec_run):
    slope, constant = mlspec_run.model
    assert 2.9 < slope < 3.1
"""

FOLDS = """
mlspec: 1
name: folds
data: {source: sklearn.iris, split: {folds: 3}}
model: LogisticRegression
train: {engine: sklearn}
gates:
  cv.accuracy: {at_least: 0.5}
  cv_std.accuracy: {at_most: 0.5}
"""

OF_SEVERAL = """
from pytest_mlspec import MlspecError, run_spec

run = run_spec("specs/folds.mlspec.yaml")
print("as judged:", *(run.verdicts[name].measured == value for name, value in run.metrics.items()))
try:
    run.measure("val.loss")
except MlspecError as error:
    print(error.message)
"""

MISTAKES = """
import pytest

@pytest.mark.mlspec("specs/line.mlspec.yaml", **{"train.sed": 3})
def test_an_unknown_key(mlspec_spec): pass


@pytest.mark.mlspec("specs/line.mlspec.yaml", **{"train.epochs": 3})
def test_a_key_without_use(mlspec_run): pass

@pytest.mark.mlspec(7)
def test_no_path(mlspec_spec): pass
"""

SCRIPT = """
from pytest_mlspec import run_spec

run = run_spec("specs/line.mlspec.yaml", **{"train.seed": 2})
print("seed", run.training.seed)
print("error below 1:", run.measure("test.mean_absolute_error") < 1)
print({name: str(verdict.status) for name, verdict in run.verdicts.items()})
run.check()
"""

RED = """
from pytest_mlspec import run_spec

run_spec("specs/line.mlspec.yaml").check()
"""

WRONG = """
from pytest_mlspec import run_spec

run_spec("specs/line.mlspec.yaml", **{"train.sed": 2})
"""


def test_a_test_gets_the_training_that_its_marker_asks_for(project: Project) -> None:
    """Overrides that change nothing share the training of the file; those that do have one of their own."""
    project.write("specs/line.mlspec.yaml", LINE)
    project.write("test_line.py", TESTS)

    result = project.run("--strict-markers")

    result.assert_outcomes(passed=6)
    assert len(project.trainings) == 2


def test_the_model_is_restored_when_it_is_asked_for(project: Project) -> None:
    """That of the team's own fit by fitting again, in the process of the test."""
    project.write("specs/line.mlspec.yaml", LINE)
    project.write("test_line.py", MODEL)

    project.run("test_line.py").assert_outcomes(passed=1)

    assert len(project.trainings) == 2


def test_mistakes_in_a_marker_are_told_at_the_test(project: Project) -> None:
    """With the path of the key and what is near it, before anything is trained."""
    project.write("specs/line.mlspec.yaml", LINE)
    project.write("test_line.py", MISTAKES)

    result = project.run("test_line.py")

    result.assert_outcomes(errors=3)
    result.stdout.fnmatch_lines(
        [
            "test_line.py:4:1  train.sed: unknown key 'sed'",
            "*did you mean 'seed'?",
            "test_line.py:8:1  train.epochs: the engine callable has no use for this key",
            "mlspec_spec needs @pytest.mark.mlspec*",
        ]
    )
    assert project.trainings == []


def test_a_script_trains_without_pytest(project: Project) -> None:
    """It gets the training, any quantity, and every verdict."""
    project.write("specs/line.mlspec.yaml", LINE)

    result = project.script(SCRIPT)

    result.stdout.fnmatch_lines(
        ["seed 2", "error below 1: True", "{'data': 'passed', 'train.seconds': 'passed'}"], consecutive=True
    )
    assert result.ret == 0
    assert len(project.trainings) == 1


def test_a_script_reads_what_the_gates_judge(project: Project) -> None:
    """Of several folds or seeds that is their mean, or standard deviation, and not the value of one training."""
    project.write("specs/folds.mlspec.yaml", FOLDS)

    result = project.script(OF_SEVERAL)

    result.stdout.fnmatch_lines(["as judged: True True", "there is no val.loss"], consecutive=True)
    assert result.ret == 0


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (RED, "AssertionError: specs/line.mlspec.yaml:11:3  test.mean_absolute_error FAILED: *"),
        (WRONG, "*SpecError: *script.py:4:1  train.sed: unknown key 'sed'"),
    ],
)
def test_a_script_is_told_what_a_report_would_say(project: Project, script: str, message: str) -> None:
    """A claim that does not hold as an AssertionError, a mistake where it was written."""
    project.write("specs/line.mlspec.yaml", FAILING)

    result = project.script(script)

    result.stderr.fnmatch_lines([message])
    assert result.ret == 1
