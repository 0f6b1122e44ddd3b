"""A store with evidence in it, and a project whose reads are recorded."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_mlspec.store import Entry, Store
from pytest_mlspec.store.inputs import Inputs, file_digest

from .recorded import MODEL
from .stored import publish


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with one source file."""
    (tmp_path / "model.py").write_text("width = 64\n")
    return tmp_path


@pytest.fixture
def store(root: Path) -> Store:
    """The store of that project."""
    return Store(root)


@pytest.fixture
def inputs(root: Path, monkeypatch: pytest.MonkeyPatch) -> Inputs:
    """Inputs of a run that read the source file."""
    monkeypatch.setattr("pytest_mlspec.store.environment.installed", lambda root: {"torch": "2.12"})
    return Inputs(files={"model.py": file_digest(root / "model.py")}, packages={"torch": "2.12"})


@pytest.fixture
def entry(store: Store, inputs: Inputs) -> Entry:
    """Evidence of KEY in the store."""
    return publish(store, inputs)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project with a package, data and a folder that is listed; it is the working directory and on the path."""
    root = tmp_path / "project"
    for name, text in {
        "churn_demo/__init__.py": "",
        "churn_demo/model.py": MODEL,
        "data/churn.csv": "a,b\n1,2\n",
        "data/old.csv": "a,b\n3,4\n",
        "images/1.png": "one",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    monkeypatch.chdir(root)
    monkeypatch.syspath_prepend(str(root))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield root
    for name in [name for name in sys.modules if name.startswith("churn_")]:
        del sys.modules[name]
