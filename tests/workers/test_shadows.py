"""A file of the project that has the name of a module of the standard library is named where it does harm, and only there."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from pytest_mlspec.workers.shadows import shadow_behind


def missing_in(module: str) -> BaseException:
    """What Python raises where a name is not found in a module."""
    with pytest.raises(AttributeError) as caught:
        importlib.import_module(module).no_such_name  # noqa: B018
    return caught.value


def test_a_name_that_is_missing_in_one_of_the_two(tmp_path: Path) -> None:
    """Also where the exception is the cause of another one."""
    (tmp_path / "wave.py").touch()
    outer = RuntimeError("numpy cannot be imported")
    outer.__cause__ = missing_in("wave")

    found = shadow_behind(outer, [str(tmp_path)])

    assert found is not None
    assert (found.name, found.file) == ("wave", tmp_path / "wave.py")


def test_an_exception_of_the_file_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it raises while it is imported."""
    (tmp_path / "wave").mkdir()
    (tmp_path / "wave" / "__init__.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "wave", raising=False)
    with pytest.raises(ZeroDivisionError) as caught:
        importlib.import_module("wave")

    found = shadow_behind(caught.value, [str(tmp_path)])

    assert found is not None
    assert found.file == tmp_path / "wave" / "__init__.py"


def test_a_file_that_has_nothing_to_do_with_it(tmp_path: Path) -> None:
    """A folder of tests called `test` is common."""
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "__init__.py").touch()

    assert shadow_behind(missing_in("wave"), [str(tmp_path)]) is None
    assert shadow_behind(ValueError("x"), [str(tmp_path)]) is None
