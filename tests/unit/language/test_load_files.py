"""Which files are specs, and which of them cannot be read: each is named with its path as the user knows it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pytest_mlspec.errors import SpecError
from pytest_mlspec.language.load import Document, is_spec, read

pytestmark = pytest.mark.usefixtures("both_parsers")


def test_the_path_is_shown_relative_to_the_root(tmp_path: Path) -> None:
    """A file elsewhere keeps the path that was given."""
    spec = tmp_path / "specs" / "a.yaml"
    spec.parent.mkdir()
    spec.write_text("a: 1\n", encoding="utf-8")

    (inside,) = read(spec, root=tmp_path)
    (outside,) = read(spec, root=tmp_path / "other")

    assert inside == Document("specs/a.yaml", {"a": 1}, inside.places)
    assert outside.path == spec.as_posix()


def unreadable_of(path: Path) -> str:
    with pytest.raises(SpecError) as caught:
        read(path, root=path.parent)
    return str(caught.value)


def test_a_missing_file_is_a_problem_of_the_spec(tmp_path: Path) -> None:
    """It has a place, as every problem."""
    expected = f"a.yaml:1:1  the file cannot be read: {os.strerror(errno.ENOENT)}"

    assert unreadable_of(tmp_path / "a.yaml") == expected


def test_a_directory_is_a_problem_of_the_spec(tmp_path: Path) -> None:
    """Directories may be called like specs."""
    (tmp_path / "a.mlspec.yaml").mkdir()

    assert unreadable_of(tmp_path / "a.mlspec.yaml") == "a.mlspec.yaml:1:1  the file cannot be read: it is a directory"


def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """Opening it would block until somebody writes."""
    os.mkfifo(tmp_path / "a.yaml")

    assert unreadable_of(tmp_path / "a.yaml") == "a.yaml:1:1  the file cannot be read: it is not a regular file"


def test_a_loop_of_links_is_a_problem_of_the_spec(tmp_path: Path) -> None:
    """The path is shown as given."""
    (tmp_path / "a.yaml").symlink_to("b.yaml")
    (tmp_path / "b.yaml").symlink_to("a.yaml")

    assert unreadable_of(tmp_path / "a.yaml") == f"a.yaml:1:1  the file cannot be read: {os.strerror(errno.ELOOP)}"


def test_a_file_without_permission_is_a_problem_of_the_spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated, since the superuser may read everything."""
    (tmp_path / "a.yaml").write_text("a: 1\n", encoding="utf-8")

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "open", refuse)

    assert unreadable_of(tmp_path / "a.yaml") == f"a.yaml:1:1  the file cannot be read: {os.strerror(errno.EACCES)}"


def test_a_path_that_no_file_can_have_is_a_problem_of_the_spec(tmp_path: Path) -> None:
    """A name with a NUL is refused by Python itself."""
    assert "the file cannot be read: embedded null" in unreadable_of(tmp_path / "a\0.yaml")


@pytest.mark.parametrize(
    "start",
    [
        "mlspec: 1\n",
        "mlspec:\n",
        "\ufeffmlspec: 1\n",
        "# churn\r\n\r\n# model\r\nmlspec: 1\r\n",
        "%YAML 1.2\n---\nmlspec: 1\n",
        "--- # first\nmlspec: 1\n",
        "--- {mlspec: 1}\n",
        "{mlspec: 1, name: a}\n",
        '{\n  "mlspec": 1\n}',
        "'mlspec': 1\n",
        "mlspec : 1\n",
        "# " + "x" * 4000 + "\nmlspec: 1\n",
    ],
)
def test_a_yaml_file_whose_first_key_is_mlspec_is_a_spec(start: str, tmp_path: Path) -> None:
    """After comments, directives, the start of the document and a byte order mark; in flow style too."""
    (tmp_path / "a.yaml").write_text(start, encoding="utf-8", newline="")

    assert is_spec(tmp_path / "a.yaml")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"name: a\nmlspec: 1\n",
        b"mlspecs: 1\n",
        b"mlspec:1\n",
        b"mlspec\n",
        b"# mlspec: 1\n",
        b"- mlspec: 1\n",
        b"a:\n  mlspec: 1\n",
        b"!!python/object {",
        b"\xff\xfe\x00\xe9",
        b"\x00" * 100,
        b"[" * 100_000,
        b"#" * 100_000 + b"\nmlspec: 1\n",
    ],
)
def test_any_other_yaml_is_left_alone(raw: bytes, tmp_path: Path) -> None:
    """Whatever it holds, nothing is raised."""
    (tmp_path / "a.yml").write_bytes(raw)

    assert not is_spec(tmp_path / "a.yml")


def test_a_file_with_the_name_of_a_spec_is_one_whatever_it_holds(tmp_path: Path) -> None:
    """An empty `a.mlspec.yaml` has to be an error, not a file that is passed over."""
    assert is_spec(tmp_path / "a.mlspec.yaml")
    assert is_spec(tmp_path / "a.mlspec.yml")
    assert not is_spec(tmp_path / "a.mlspec.json")


def test_what_cannot_be_read_is_not_a_spec(tmp_path: Path) -> None:
    """Looking for specs never raises."""
    (tmp_path / "folder.yaml").mkdir()
    os.mkfifo(tmp_path / "pipe.yaml")

    assert not is_spec(tmp_path / "missing.yaml")
    assert not is_spec(tmp_path / "folder.yaml")
    assert not is_spec(tmp_path / "pipe.yaml")
    assert not is_spec(tmp_path / "a\0.yaml")
