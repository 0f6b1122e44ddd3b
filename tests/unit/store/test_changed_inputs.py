"""Each later change of what a run has read is found and named, and no other: the second level of the key of evidence."""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from unittest import mock

import pytest

from pytest_mlspec.store import environment
from pytest_mlspec.store.inputs import Digests, Inputs

from .recorded import MODEL, record, train


@pytest.fixture
def inputs(project: Path) -> Inputs:
    """What training in the project reads."""
    return record(project, train, "data/*.csv")


def edit_unseen(path: Path, text: str) -> None:
    """Puts other content of the same size at `path` and restores its times."""
    status = path.stat()
    path.write_text(text)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


MUST_MISS: dict[str, tuple[Callable[[], object], str]] = {
    "source": (lambda: Path("churn_demo/model.py").write_text(MODEL + "# more\n"), "churn_demo/model.py changed"),
    "source of equal size and times": (
        lambda: edit_unseen(Path("churn_demo/model.py"), MODEL.replace("extra = None", "extra = 1234")),
        "churn_demo/model.py changed",
    ),
    "source of a package": (
        lambda: Path("churn_demo/__init__.py").write_text("x = 1"),
        "churn_demo/__init__.py changed",
    ),
    "data": (lambda: Path("data/churn.csv").write_text("a,b\n9,9\n9,9\n"), "data/churn.csv changed"),
    "data of equal size and times": (
        lambda: edit_unseen(Path("data/churn.csv"), "a,b\n9,9\n"),
        "data/churn.csv changed",
    ),
    "data gone": (lambda: Path("data/churn.csv").unlink(), "data/churn.csv is gone"),
    "a file that was absent": (lambda: Path("settings.json").touch(), "settings.json is new"),
    "a matching file": (lambda: Path("data/x.csv").touch(), "new file data/x.csv matches inputs"),
    "matching data": (lambda: Path("data/old.csv").write_text("5"), "data/old.csv changed"),
    "matching data gone": (lambda: Path("data/old.csv").unlink(), "data/old.csv is gone"),
    "a folder that was listed": (
        lambda: Path("images/2.png").touch(),
        "the content of images changed: 1 entries -> 2 entries",
    ),
    "a name in that folder": (
        lambda: Path("images/1.png").rename("images/3.png"),
        "the content of images changed: 1 entries -> 1 entries",
    ),
    "a module that shadows": (lambda: Path("wave.py").touch(), "wave.py is new and may answer `import wave`"),
    "a package that shadows": (lambda: Path("wave").mkdir(), "wave is new and may answer `import wave`"),
    "an import that failed": (
        lambda: Path("churn_booster.py").touch(),
        "churn_booster.py is new and may answer `import churn_booster`",
    ),
    "a submodule that failed": (
        lambda: Path("churn_demo/extra.py").touch(),
        "churn_demo/extra.py is new and may answer `import extra`",
    ),
    "a package beside a module": (
        lambda: Path("churn_demo/model").mkdir(),
        "churn_demo/model is new and may answer `import model`",
    ),
}


@pytest.mark.parametrize("change", MUST_MISS)
def test_changed_input_is_named(inputs: Inputs, project: Path, change: str) -> None:
    """Whatever the run read, its change is found and named."""
    mutate, words = MUST_MISS[change]
    mutate()

    assert inputs.difference(project) == words


def test_changed_package_is_named(inputs: Inputs, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed distribution of another version changes the inputs of every run."""
    monkeypatch.setattr(environment, "installed", lambda root: {**inputs.packages, "numpy": "99.0"})

    assert inputs.difference(project) == f"package numpy {inputs.packages['numpy']} -> 99.0"


MUST_HIT: dict[str, Callable[[], object]] = {
    "nothing": lambda: None,
    "times": lambda: os.utime("data/churn.csv", (1, 1)),
    "an unrelated file": lambda: Path("notes.txt").touch(),
    "an unrelated module": lambda: Path("tests_of_mine.py").touch(),
    "a data file with a module's name": lambda: Path("wave.csv").touch(),
    "bytecode": lambda: Path("images/__pycache__").mkdir(),
    "the store": lambda: Path(".mlspec/evidence").mkdir(parents=True),
    "a file that does not match": lambda: Path("data/readme.txt").touch(),
    "a file in another folder": lambda: Path("churn_demo/notes.md").touch(),
    "the same content again": lambda: Path("data/churn.csv").write_text("a,b\n1,2\n"),
}


@pytest.mark.parametrize("change", MUST_HIT)
def test_what_was_not_read_may_change(inputs: Inputs, project: Path, change: str) -> None:
    """Changes that the run could not have noticed leave its inputs unchanged."""
    MUST_HIT[change]()

    assert inputs.difference(project) is None


def test_another_checkout_has_the_same_inputs(inputs: Inputs, project: Path, tmp_path: Path) -> None:
    """Below the root paths are relative."""
    other = shutil.copytree(project, tmp_path / "elsewhere")
    (other / "data" / "churn.csv").write_text("changed")

    assert inputs.difference(project) is None
    assert inputs.difference(other) == "data/churn.csv changed"
    assert sorted(path for path in inputs.files if "churn" in path and "/unit/" not in path) == [
        "churn_demo/__init__.py",
        "churn_demo/model.py",
        "data/churn.csv",
    ]


def test_inputs_come_back_from_json(inputs: Inputs) -> None:
    """What a manifest holds is what was recorded."""
    assert Inputs.from_json(inputs.to_json()) == inputs


def test_run_that_only_reads_is_stable(inputs: Inputs) -> None:
    """Nothing changed, everything was seen."""
    assert inputs.unstable == ()
    assert inputs.unobserved == ()


def overwrite_what_was_read() -> None:
    Path("data/churn.csv").read_text()
    Path("data/churn.csv").write_text("other")


def add_to_what_was_listed() -> None:
    list(Path("images").iterdir())
    Path("images/2.png").touch()


def make_what_was_absent() -> None:
    with suppress(FileNotFoundError):
        Path("late.json").read_text()
    Path("images/1.png").rename("late.json")


def edit_what_was_imported() -> None:
    importlib.import_module("churn_demo.model")
    Path("churn_demo/model.py").write_text(MODEL + "# more")


def exchange_and_put_back() -> None:
    Path("data/churn.csv").read_text()
    Path("data/churn.csv").rename("data/kept")
    Path("data/churn.csv").write_text("other")
    os.close(os.open("data/churn.csv", os.O_RDONLY))
    Path("data/kept").replace("data/churn.csv")


CHANGES: dict[str, tuple[Callable[[], object], str]] = {
    "data after it was read": (overwrite_what_was_read, "data/churn.csv"),
    "declared data": (lambda: Path("data/old.csv").write_text("other"), "data/old.csv"),
    "a new declared file": (lambda: Path("data/new.csv").write_text("new"), "data/new.csv"),
    "a listed folder": (add_to_what_was_listed, "images"),
    "a file that was absent": (make_what_was_absent, "late.json"),
    "source": (edit_what_was_imported, "churn_demo/model.py"),
    "data that is back at the end": (exchange_and_put_back, "data/churn.csv"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_during_the_run_is_unstable(project: Path, change: str) -> None:
    """Evidence of files that were edited meanwhile belongs to no state of them."""
    run, name = CHANGES[change]

    assert name in record(project, run, "data/*.csv").unstable


def test_digest_of_what_is_no_file_is_none(tmp_path: Path) -> None:
    """Folders, missing files and impossible names have no digest, and a pipe is not waited for."""
    os.mkfifo(tmp_path / "pipe")
    digests = Digests()

    assert [digests.of(str(path)) for path in (tmp_path, tmp_path / "no", tmp_path / "pipe")] == [None, None, None]
    assert digests.of("a\0b") is None


def test_digest_is_remembered_only_for_files_at_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that has just changed is read each time; one whose times lie back is read once."""
    read = mock.Mock(return_value="digest")
    monkeypatch.setattr("pytest_mlspec.store.inputs.file_digest", read)
    (tmp_path / "new").touch()
    digests = Digests()
    digests.of(str(tmp_path / "new"))
    digests.of(str(tmp_path / "new"))
    monkeypatch.setattr("time.time", lambda: 4e9)
    digests.of(str(tmp_path / "new"))
    digests.of(str(tmp_path / "new"))

    assert read.call_count == 3
