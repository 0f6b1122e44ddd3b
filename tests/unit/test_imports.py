"""What a new interpreter has loaded after the first steps of a session, and after a spec was read and planned."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from churn_spec import spec

HEAVY = {"numpy", "pandas", "safetensors", "scipy", "sklearn", "torch"}
FOR_SPECS = {"pydantic", "pydantic_core", "yaml"}


def loaded_after(code: str, *, folder: Path) -> set[str]:
    """The modules that a new interpreter has loaded after `code`."""
    program = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, timeout=60, check=True
    )
    return set(json.loads(run.stdout.splitlines()[-1]))


def packages(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


def test_importing_the_package_loads_nothing_else(tmp_path: Path) -> None:
    """One module."""
    bare = loaded_after("", folder=tmp_path)

    assert loaded_after("import pytest_mlspec", folder=tmp_path) - bare == {"pytest_mlspec"}


def test_an_idle_session_pays_for_the_plugin_alone(tmp_path: Path) -> None:
    """A few modules of the standard library beside those that pytest itself needs."""
    more = loaded_after("import pytest, pytest_mlspec.plugin", folder=tmp_path) - loaded_after(
        "import pytest", folder=tmp_path
    )

    assert {name for name in more if name.startswith("pytest_mlspec")} == {"pytest_mlspec", "pytest_mlspec.plugin"}
    assert packages(more) & (HEAVY | FOR_SPECS) == set()
    assert len(more) <= 15


def test_telling_specs_from_other_files_needs_no_yaml(tmp_path: Path) -> None:
    """Every YAML file of a project is looked at."""
    (tmp_path / "other.yaml").write_text("services: {}\n", "utf-8")
    code = "from pathlib import Path\nfrom pytest_mlspec.language.load import is_spec\nassert not is_spec(Path('other.yaml'))"

    assert packages(loaded_after(code, folder=tmp_path)) & (HEAVY | FOR_SPECS) == set()


def test_reading_and_planning_a_spec_loads_nothing_heavy(tmp_path: Path) -> None:
    """With every standard check, gates and a matrix; what makes a mistake readable is not loaded either."""
    spec(tmp_path)
    code = """
from pathlib import Path
from pytest_mlspec.language.declared import read
from pytest_mlspec.checks import STANDARD
from pytest_mlspec.plan import make_plan
(declared,) = read(Path("churn.mlspec.yaml"), root=Path.cwd())
assert len(make_plan(declared).claims) == len(STANDARD) + 1
"""
    loaded = loaded_after(code, folder=tmp_path)

    assert packages(loaded) & HEAVY == set()
    assert "pytest_mlspec.language.vocabulary" not in loaded
