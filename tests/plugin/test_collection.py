"""Which files are collected as specs, and what their items are called."""

from __future__ import annotations

import pytest

from .project import LINE, UNTRAINED, Project

IMPORTED = """
import sys

def pytest_sessionfinish():
    heavy = {"numpy", "pandas", "scipy", "sklearn", "torch"}
    ours = {name for name in sys.modules if name.startswith("pytest_mlspec")}
    print("imported:", *sorted(ours | (heavy & sys.modules.keys())))
"""


def test_node_ids(project: Project) -> None:
    """An item is named by its file, its spec and its claim: checks in the order of the standard, gates as they stand."""
    project.write("specs/line.mlspec.yaml", LINE.replace("checks: data", "checks: [overfit, data]"))

    result = project.run("--collect-only", "-q")

    assert result.outlines[:3] == [
        "specs/line.mlspec.yaml::line::data",
        "specs/line.mlspec.yaml::line::overfit",
        "specs/line.mlspec.yaml::line::train.seconds",
    ]
    assert result.ret == 0


def test_files_that_are_specs(project: Project) -> None:
    """A YAML file whose first key is mlspec is a spec, by whatever name; other YAML is left alone."""
    project.write("specs/first_key.yml", UNTRAINED)
    project.write("specs/two.yaml", f"{UNTRAINED}---{UNTRAINED.replace('untrained', 'second')}")
    project.write("specs/compose.yaml", "services: {web: {image: mlspec}}\n")
    project.write("specs/broken.yaml", "{{ not yaml at all\n")

    result = project.run("--collect-only", "-q")

    result.stdout.fnmatch_lines_random(
        ["specs/first_key.yml::untrained::data", "specs/two.yaml::untrained::data", "specs/two.yaml::second::overfit"]
    )
    result.stdout.no_fnmatch_line("*compose*")
    result.stdout.no_fnmatch_line("*broken*")


def test_named_file_that_is_no_spec(project: Project) -> None:
    """A YAML file that the command line names is never passed over."""
    project.write("compose.yaml", "services: {}\n")

    result = project.run("compose.yaml")

    result.stdout.fnmatch_lines(["compose.yaml:1:1*'services'*"])
    assert result.ret == pytest.ExitCode.INTERRUPTED


def test_switched_on_by_the_ini_file(project: Project) -> None:
    """`mlspec = true` stands for the flag."""
    project.pytester.makeini("[pytest]\nmlspec = true\n")
    project.write("untrained.mlspec.yaml", UNTRAINED)

    project.run_plainly().assert_outcomes(skipped=2)


def test_without_the_flag(project: Project) -> None:
    """An idle session collects no spec and imports nothing but the file of the hooks."""
    project.pytester.makeconftest(IMPORTED)
    project.write("line.mlspec.yaml", "not even: a spec")
    project.write("test_other.py", "def test_it():\n    pass\n")

    result = project.run_plainly()

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*imported: pytest_mlspec pytest_mlspec.plugin"])
    result.stdout.no_fnmatch_line("*passed over*")


def test_collecting_imports_nothing_heavy(project: Project) -> None:
    """Specs are read, validated and planned without torch, scikit-learn and what they stand on."""
    project.pytester.makeconftest(IMPORTED)
    project.write("line.mlspec.yaml", LINE)
    project.write("wine.mlspec.yaml", UNTRAINED + "gates: {test.accuracy: {at_least: 0.9}}\n")

    result = project.run("--collect-only")

    result.stdout.fnmatch_lines(["*imported: pytest_mlspec *"])
    result.stdout.no_re_match_line(r".*imported: .*\b(numpy|pandas|scipy|sklearn|torch)\b")


def test_variants_of_a_matrix(project: Project) -> None:
    """Each combination of a matrix is a spec of its own, with its values in the name; a variant can be named alone."""
    matrix = "matrix: {train.seed: [0, 1], data.split.test: [0.2, 0.4]}\n"
    project.write("line.mlspec.yaml", LINE.replace("prepare: none", "split: {test: 0.2}") + matrix)

    result = project.run("--collect-only", "-q", "line.mlspec.yaml::line[seed=1, test=0.4]")

    assert result.outlines[:2] == [
        "line.mlspec.yaml::line[seed=1, test=0.4]::data",
        "line.mlspec.yaml::line[seed=1, test=0.4]::train.seconds",
    ]
    result.stdout.fnmatch_lines(["2 tests collected*"])


def test_specs_with_one_name(project: Project) -> None:
    """Two specs of a file cannot have one name: their items could not be told apart."""
    project.write("two.mlspec.yaml", f"{UNTRAINED}---{UNTRAINED}")

    result = project.run()

    result.stdout.fnmatch_lines(["two.mlspec.yaml:11:1  name: *untrained*two.mlspec.yaml:3:1*"])
    assert result.ret == pytest.ExitCode.INTERRUPTED


def test_a_spec_that_is_named_without_the_flag_says_what_to_add(project: Project) -> None:
    """Without it pytest would only say that it found nothing."""
    project.write("line.mlspec.yaml", LINE)

    result = project.run_plainly("line.mlspec.yaml")

    result.stdout.fnmatch_lines(["this is a spec: add --mlspec, or `mlspec = true` to the ini file"])
    assert result.ret == pytest.ExitCode.INTERRUPTED


@pytest.mark.parametrize(("folder", "more"), [("specs", ()), (".", ("-q",))])
def test_a_folder_of_specs_without_the_flag_says_what_to_add(
    project: Project, folder: str, more: tuple[str, ...]
) -> None:
    """Where nothing else was found; a YAML file that is no spec does not count."""
    project.write("specs/line.mlspec.yaml", LINE)
    project.write("specs/first_key.yml", UNTRAINED)
    project.write("specs/compose.yaml", "services: {}\n")

    result = project.run_plainly(folder, *more)

    result.stdout.fnmatch_lines(["2 specs were passed over: add --mlspec, or `mlspec = true` to the ini file"])
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_user_code_imports_from_the_folders_of_the_ini_value_pythonpath(project: Project) -> None:
    """As it does in Python tests: a src layout works."""
    project.write("pytest.ini", "[pytest]\npythonpath = src\n")
    project.write("src/side.py", "SCALE = 2.0\n")
    project.write(
        "team/fit.py", (project.root / "team/fit.py").read_text().replace("import os\n", "import os\nimport side\n")
    )
    project.write("line.mlspec.yaml", LINE)

    result = project.run()

    result.assert_outcomes(passed=2)
