"""A folder with specs that differ in their data alone, and pytest run over all of them at once, as users run it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

SECONDS = 240
"""What one run may take on a machine that does much else."""


class Folder:
    """The folder that pytest runs in."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.root = pytester.path
        pytester.makeini("[pytest]\n")

    def write(self, files: Mapping[str, str]) -> None:
        """Writes these files by their paths."""
        for path, text in files.items():
            file = self.root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")

    def specs(self, **data: str) -> None:
        """Writes a spec for each name with this `data`, followed by any keys that are not those of the others."""
        for name, text in data.items():
            task = "" if "task:" in text else "task: binary\n"
            spec = f"mlspec: 1\nname: {name}\n{task}data: {text}\nmodel: mlp\nchecks: data\n"
            self.write({f"{name}.mlspec.yaml": spec})

    def run(self) -> pytest.RunResult:
        """Runs pytest over every spec, as a process of its own."""
        return self.pytester.runpytest_subprocess("--mlspec", "-p", "no:cacheprovider", timeout=SECONDS)


@pytest.fixture
def folder(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """An empty folder."""
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_XDIST_TESTRUNUID", "CI"):
        monkeypatch.delenv(name, raising=False)
    return Folder(pytester)
