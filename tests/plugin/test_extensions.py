"""Sources, engines, probes, checks and quantities of a team's own; and mistakes in them, which do not stop the run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .project import LINE, Project

GUIDE = (Path(__file__).parents[2] / "docs" / "extending.md").read_text("utf-8")
CONFTEST = "\n".join(re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL))
(SPEC,) = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)

OWN_ENGINE = """
import torch
from torch import nn

from pytest_mlspec.extending import engine

@engine("mine")
def mine(examples, *, seed):
    torch.manual_seed(seed)
    x, y = (torch.from_numpy(each) for each in (examples["train"].inputs, examples["train"].targets))
    model = nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(40):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x.float()), y).backward()
        optimizer.step()

    def predict(inputs):
        with torch.no_grad():
            return model(torch.from_numpy(inputs).float()).softmax(1).numpy()

    return predict
"""

OWN_ENGINE_SPEC = """
mlspec: 1
name: own
task: multiclass
data: {source: sklearn.digits, split: {test: 0.4, val: 0.1}}
train: {engine: mine}
checks: standard
"""

NAMED_TWICE = """
from pytest_mlspec.extending import Params, Verdict, check, passed

@check("data", needs=lambda params: {})
def data(params: Params) -> Verdict:
    '''The name is taken.'''
    return passed("fine")
"""

NAMED_AS_A_METRIC = """
from pytest_mlspec.extending import NoSelectors, TrainingRun, quantity

@quantity("test.mean_absolute_error", higher_is_better=False)
def error(of: NoSelectors, run: TrainingRun) -> float:
    '''A metric has this name.'''
    return 7.0
"""

WITHOUT_CLAIM = """
from pytest_mlspec.extending import Params, Verdict, check, passed

@check("silent", needs=lambda params: {})
def silent(params: Params) -> Verdict:
    return passed("fine")
"""

RAISES = """
from pytest_mlspec.extending import Params, Verdict, check, passed

@check("silent", needs=lambda params: {})
def silent(params: Params) -> Verdict:
    '''It divides by zero.'''
    one = 1
    return passed(str(one / 0))
"""

NO_VERDICT = RAISES.replace("return passed(str(one / 0))", "return True")

PARAMS_WITHOUT_DEFAULT = """
from pytest_mlspec.extending import Params, Verdict, check, passed

class Bound(Params):
    bound: float

@check("silent", needs=lambda params: {})
def silent(params: Bound) -> Verdict:
    '''It asks its params for a default.'''
    return passed("fine")
"""

NEEDS_RAISE = RAISES.replace("needs=lambda params: {}", "needs=lambda params: {'run': params.nothing}")
NEEDS_NO_JOB = RAISES.replace("needs=lambda params: {}", "needs=lambda params: {'run': 'largest'}")

PROBE_RAISES = """
from pytest_mlspec.extending import Measure, Measured, Params, Verdict, at_most, check, probe

@probe("largest")
def largest(model, examples):
    return {"value": {}["largest"]}

@check("silent", needs=lambda params: {"found": Measure("largest")})
def silent(params: Params, found: Measured) -> Verdict:
    '''Its probe raises.'''
    return at_most(found.values["value"], 1.0)
"""

SILENT = LINE.replace("checks: data", "checks: [data, silent]")


def test_the_guide_is_true(project: Project, workers: tuple[str, ...]) -> None:
    """Its conftest.py and its spec, as they stand there, also on two workers."""
    project.write("conftest.py", CONFTEST)
    project.write("specs/line.mlspec.yaml", SPEC)

    project.run(*workers).assert_outcomes(passed=5)


def test_an_engine_of_the_teams_own_takes_every_standard_check(project: Project) -> None:
    """Those that cannot look into it are not applicable, and say why."""
    project.write("conftest.py", OWN_ENGINE)
    project.write("specs/own.mlspec.yaml", OWN_ENGINE_SPEC)

    project.run().assert_outcomes(passed=9, skipped=12)


def test_every_extension_of_the_guide_takes_less_than_fifteen_lines() -> None:
    """The imports apart."""
    _, *blocks = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)

    assert max(len(block.splitlines()) for block in blocks) < 15


def test_a_changed_extension_is_a_changed_input(project: Project) -> None:
    """The bound that held for the old source is broken by the new one."""
    project.write("conftest.py", CONFTEST)
    project.write("specs/line.mlspec.yaml", SPEC)
    project.run().assert_outcomes(passed=5)

    project.write("conftest.py", CONFTEST.replace("slope: float = 3.0", "slope: float = 30.0"))

    project.run().assert_outcomes(passed=3, failed=2)


def test_nothing_of_it_is_imported_where_no_extension_is_used(project: Project) -> None:
    """A worker would otherwise run every conftest.py."""
    project.write("conftest.py", f"{CONFTEST}\nopen('imported', 'a').write('x')\n")
    project.write("specs/line.mlspec.yaml", LINE)

    project.run().assert_outcomes(passed=2)

    assert (project.root / "imported").read_text("utf-8") == "x"


@pytest.mark.parametrize(
    ("conftest", "told", "warnings"),
    [
        (WITHOUT_CLAIM, "conftest.py:4: check 'silent': the first line of its docstring is the claim", 1),
        (
            PARAMS_WITHOUT_DEFAULT,
            "conftest.py:7: check 'silent': give each of its params a default (bound has none)",
            1,
        ),
        (NEEDS_RAISE, "conftest.py:4: `needs` of the check 'silent' raised AttributeError", 1),
        (NEEDS_NO_JOB, "conftest.py:4: `needs` of the check 'silent' gives for 'run' 'largest', which is no job", 1),
        (RAISES, "conftest.py:8: the check 'silent' raised ZeroDivisionError: division by zero", 0),
        (NO_VERDICT, "conftest.py:4: the check 'silent' returned a bool, not a Verdict", 0),
        (PROBE_RAISES, "KeyError: 'largest'", 0),
    ],
)
def test_a_mistake_makes_its_own_claim_red(project: Project, conftest: str, told: str, warnings: int) -> None:
    """With file and line; the other claims are judged."""
    project.write("conftest.py", conftest)
    project.write("specs/line.mlspec.yaml", SILENT)

    result = project.run("-W", "default")

    result.assert_outcomes(passed=2, failed=1, warnings=warnings)
    result.stdout.fnmatch_lines([f"*{told}*"])
    result.stdout.no_re_match_line(r".*pytest_mlspec/extending.py")


@pytest.mark.parametrize(
    ("conftest", "told"),
    [
        (NAMED_TWICE, "conftest.py:4: check 'data' is registered twice"),
        (NAMED_AS_A_METRIC, "conftest.py:4: quantity 'test.mean_absolute_error' is registered twice"),
    ],
)
def test_a_name_that_is_taken_is_a_warning(project: Project, conftest: str, told: str) -> None:
    """The check, or the metric, that has the name stays."""
    project.write("conftest.py", conftest)
    project.write("specs/line.mlspec.yaml", f"{LINE}  test.mean_absolute_error: {{at_most: 1}}\n")

    result = project.run("-W", "default")

    result.assert_outcomes(passed=3, warnings=1)
    result.stdout.fnmatch_lines([f"*PytestWarning: {told}*"])


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("use: line, rws: 60", "data.source.rws: line has no argument 'rws'"),
        ("use: line", "data.source: line needs the argument 'rows'"),
        ("use: lime, rows: 60", "data.source: unknown source 'lime'"),
    ],
)
def test_arguments_are_held_against_the_function(project: Project, wrong: str, told: str) -> None:
    """Before anything runs."""
    project.write("conftest.py", CONFTEST)
    project.write("specs/line.mlspec.yaml", SPEC.replace("use: line, rows: 60", wrong))

    result = project.run()

    result.stdout.fnmatch_lines([f"*specs/line.mlspec.yaml:4:*{told}"])
    assert result.ret == pytest.ExitCode.INTERRUPTED
