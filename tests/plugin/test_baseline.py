"""The committed baseline: recorded when asked, read again whenever it changes, and never made in silence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .project import LINE, ROWS, Project

SPEC = LINE.replace("checks: data", "checks: baseline").partition("gates:")[0]
TWO = f"{SPEC}---{SPEC.replace('name: line', 'name: other')}"
UPDATE = "--mlspec-update"


@pytest.fixture
def file(project: Project) -> Path:
    """Where the baseline of the spec `line` stands; nothing is recorded yet."""
    project.write("specs/line.mlspec.yaml", SPEC)
    return project.root / "specs" / "line.mlspec.baseline.json"


@pytest.fixture
def recorded(project: Project, file: Path) -> Path:
    """The same, recorded."""
    project.run(UPDATE).assert_outcomes(passed=1)
    return file


def test_record(project: Project, file: Path) -> None:
    """With --mlspec-update alone; the run is green, says what was recorded, and writes one file beside the spec."""
    result = project.run_plainly(UPDATE)

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "=* baselines *=",
            "specs/line.mlspec.yaml::line::baseline  recorded in specs/line.mlspec.baseline.json: 60 rows, 60 of them golden",
        ]
    )
    assert sorted(path.name for path in file.parent.iterdir()) == ["line.mlspec.baseline.json", "line.mlspec.yaml"]
    assert json.loads(file.read_text())["specs"].keys() == {"line"}


def test_read(project: Project, recorded: Path) -> None:
    """An unchanged project passes, and a second record changes nothing."""
    before = recorded.read_bytes()
    result = project.run("-vv")
    again = project.run(UPDATE)

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*passed: as recorded: 60 rows, 1 columns, 60 golden rows*"])
    again.stdout.fnmatch_lines(["*::baseline  unchanged in specs/line.mlspec.baseline.json"])
    assert recorded.read_bytes() == before


def test_never_in_silence(project: Project, file: Path) -> None:
    """Without the option nothing is written: the item is skipped with the command as its reason."""
    result = project.run("-rs")

    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(
        ["*not applicable: no baseline is recorded: pytest --mlspec specs/line.mlspec.yaml --mlspec-update"]
    )
    assert not file.exists()


def test_missing_and_required(project: Project, file: Path) -> None:
    """An error that names the command."""
    project.write("specs/line.mlspec.yaml", SPEC.replace("checks: baseline", "checks: [baseline: {required: true}]"))
    result = project.run()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "specs/line.mlspec.yaml:8:* baseline ERROR: no baseline is recorded in specs/line.mlspec.baseline.json",
            "  next: pytest --mlspec specs/line.mlspec.yaml --mlspec-update, and commit it",
        ]
    )
    assert not file.exists()


def test_change(project: Project, recorded: Path) -> None:
    """Labels that stand at other rows are red, and the same change recorded is green."""
    head, *rows = ROWS.split()
    targets = [row.split(",")[1] for row in rows]
    shifted = [f"{number},{target}" for number, target in enumerate([*targets[1:], targets[0]])]
    project.write("rows.csv", "\n".join([head, *shifted, ""]))
    result = project.run()
    renewed = project.run(UPDATE)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*baseline FAILED: golden rows with another label: 1, at most 0.01 (n=60)",
            "  next: where this change is meant: pytest --mlspec specs/line.mlspec.yaml --mlspec-update, and commit *",
            "=* likely causes *=",
            "*labels do not belong to their rows*",
        ]
    )
    renewed.stdout.fnmatch_lines(["*::baseline  renewed in specs/line.mlspec.baseline.json: *golden*"])
    project.run().assert_outcomes(passed=1)


def test_a_spec_that_measured_something_else(project: Project, recorded: Path) -> None:
    """It is refused, with what it declares otherwise."""
    project.write("specs/line.mlspec.yaml", SPEC.replace("prepare: none", "prepare: standard"))
    result = project.run()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*baseline ERROR: the baseline measured something else: data.prepare declared otherwise*"]
    )


def test_a_file_that_was_broken(project: Project, recorded: Path) -> None:
    """It is an error until it is recorded again, and is never mended in silence."""
    text = recorded.read_text()
    recorded.write_text(text[: len(text) // 2])
    truncated = project.run()
    left = recorded.read_text()
    recorded.write_text(text.replace('"rows": 48', '"rows": 49'))
    edited = project.run()
    mended = project.run(UPDATE)

    truncated.assert_outcomes(failed=1)
    truncated.stdout.fnmatch_lines(
        [
            "*baseline ERROR: *the baseline specs/line.mlspec.baseline.json is unreadable: *",
            "  next: take it from version control, or record it again: pytest --mlspec-update",
        ]
    )
    assert left == text[: len(text) // 2]
    edited.stdout.fnmatch_lines(["*unreadable: the entry of line was changed by hand*"])
    mended.assert_outcomes(passed=1)
    mended.stdout.fnmatch_lines(["*::baseline  recorded in *", "  in the place of what could not be read: *"])
    assert recorded.read_text() == text


def test_it_is_read_again_when_it_changes(project: Project, recorded: Path) -> None:
    """Stored evidence is used again only for the same file, and for no file."""
    text = recorded.read_text()
    reused = project.run("-vv")
    recorded.unlink()
    gone = project.run("-rs")
    recorded.write_text(text)
    back = project.run()

    reused.stdout.fnmatch_lines(["*as recorded: *"])
    gone.assert_outcomes(skipped=1)
    back.assert_outcomes(passed=1)


def test_several_specs_of_one_file(project: Project, file: Path, workers: tuple[str, ...]) -> None:
    """All are recorded, whichever process comes first; an entry that no spec uses goes, and is told."""
    project.write("specs/line.mlspec.yaml", TWO)
    project.run(UPDATE, *workers).assert_outcomes(passed=2)
    both = json.loads(file.read_text())["specs"].keys()
    project.write("specs/line.mlspec.yaml", SPEC)
    fewer = project.run(UPDATE, *workers)

    fewer.stdout.fnmatch_lines(["  removed what no spec of the file uses: other"])
    assert both == {"line", "other"}
    assert json.loads(file.read_text())["specs"].keys() == {"line"}
    project.run(*workers).assert_outcomes(passed=1)


def test_one_of_several_specs_is_recorded_alone(project: Project, file: Path) -> None:
    """The entries of the others stay."""
    project.write("specs/line.mlspec.yaml", TWO)
    project.run(UPDATE).assert_outcomes(passed=2)
    before = json.loads(file.read_text())["specs"]
    project.write("rows.csv", ROWS + "60,181\n")
    project.run(UPDATE, "specs/line.mlspec.yaml::other").assert_outcomes(passed=1)
    after = json.loads(file.read_text())["specs"]

    assert after["line"] == before["line"]
    assert after["other"] != before["other"]


def test_variants_of_a_matrix(project: Project, file: Path) -> None:
    """Each has an entry of its own name."""
    matrix = SPEC.replace("seed: 0}", "seed: 0}\nmatrix: {train.seed: [1, 2]}")
    project.write("specs/line.mlspec.yaml", matrix)
    project.run(UPDATE).assert_outcomes(passed=2)

    assert json.loads(file.read_text())["specs"].keys() == {"line[seed=1]", "line[seed=2]"}


def test_the_plan_records_nothing(project: Project, file: Path) -> None:
    """It runs nothing."""
    project.run("--mlspec-plan", UPDATE)

    assert not file.exists()


def test_a_folder_that_cannot_be_written(project: Project, file: Path) -> None:
    """The item is red with the reason, and what stood there is intact."""
    file.mkdir()
    result = project.run(UPDATE)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*baseline ERROR: *specs/line.mlspec.baseline.json*"])
    assert [path.name for path in file.parent.iterdir() if path.name.endswith(".tmp")] == []
