from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_mlspec.errors import RecipeError, UserCodeError
from pytest_mlspec.recipe.resolve import resolve, resolve_module

from .conftest import Project


def _resolve(project: Project, path: str, **more: Any) -> Any:
    return resolve(path, root=project.root, key="model", **more)


@pytest.mark.parametrize(
    "path", ["nets:Net", "nets:make", "nets:Net.build", "nets:Net.Inner", "nets:tanh_net", "pkg.deep:Net"]
)
def test_what_the_project_defines_is_found(project: Project, path: str) -> None:
    """Classes, functions, their members and lambdas of modules and namespace packages."""
    project.write(
        "nets.py",
        """
        class Net:
            class Inner: pass
            @classmethod
            def build(cls): return cls()
        def make(): return Net()
        tanh_net = lambda: Net()
        """,
    )
    project.write("pkg/deep.py", "class Net: pass")

    assert callable(_resolve(project, path))


def test_a_name_may_be_defined_in_another_module_of_the_project(project: Project) -> None:
    """A package's __init__ re-exports its own modules."""
    project.write("shop/__init__.py", "from shop.nets import Net")
    project.write("shop/nets.py", "class Net: pass")

    assert _resolve(project, "shop:Net").__module__ == "shop.nets"


@pytest.mark.parametrize("name", ["loader", "cached", "wrapped", "pipeline", "closure"])
def test_an_object_that_the_module_itself_makes_is_found(project: Project, name: str) -> None:
    """Partials, instances and decorated functions may be made by code from elsewhere."""
    project.write(
        "things.py",
        """
        import functools
        from contextlib import contextmanager, ExitStack
        def read(path): return path
        loader = functools.partial(read, "x.csv")
        pipeline = ExitStack()
        @functools.lru_cache
        def cached(): return 1
        @contextmanager
        def wrapped(): yield
        def outer():
            def inner(): return 2
            return inner
        closure = outer()
        """,
    )

    assert _resolve(project, f"things:{name}") is not None


HOSTILE = [
    "os:system",
    "os.path:join",
    "logging:os.system",
    "logging.os:system",
    "builtins:eval",
    "builtins:exec",
    "sys:exit",
    "math:sqrt",
    "subprocess:Popen",
    "importlib:import_module",
    "posix:system",
    "runpy:run_path",
    "pickle:loads",
    "numpy:load",
    "sklearn.datasets:load_digits",
    "_pytest.config:main",
    "__main__:x",
    "mine:system",
    "mine:os",
    "mine:os.system",
    "mine:run",
    "mine:Popen",
    "mine:load_digits",
    "mine:environment",
    "mine:leave",
    "mine:alias",
    "mine:Mine.load_all",
    "mine:Mine.mro",
    "mine:Mine.__subclasses__",
    "mine:function.__globals__",
    "mine:__builtins__",
    "mine:starred",
]


@pytest.mark.parametrize("path", HOSTILE)
def test_a_path_that_leads_out_of_the_project_is_refused(project: Project, path: str) -> None:
    """The standard library, installed packages, and what a module of the project merely imported."""
    project.write("outside_base.py", "")
    project.write(
        "mine.py",
        """
        import os
        from os import system, environ as environment
        from os import system as run
        from subprocess import *
        from subprocess import Popen
        from site import sys
        from sklearn.datasets import load_digits
        from json import JSONDecoder
        from _sitebuiltins import Quitter as leave
        from json.decoder import scanner as starred
        alias = os.system
        def function(): pass
        class Mine(JSONDecoder):
            load_all = classmethod(JSONDecoder.decode)
        """,
    )

    with pytest.raises(RecipeError) as caught:
        _resolve(project, path)

    assert caught.value.key == "model"
    assert "Traceback" not in caught.value.details


@pytest.mark.parametrize(
    "path", ["nets", "nets:", ":Net", "nets:Net()", "../nets:Net", "nets:a b", "a-b:c", ".nets:Net", "nets:x:y", ""]
)
def test_text_that_is_no_import_path_is_refused(project: Project, path: str) -> None:
    """Nothing but identifiers, dots and one colon."""
    project.write("nets.py", "raise AssertionError('imported')")

    with pytest.raises(RecipeError, match=r"no import path|no name of a module"):
        _resolve(project, path)


@pytest.mark.parametrize(
    "file",
    [
        "env/pyvenv.cfg",
        "env/conda-meta",
    ],
)
def test_code_in_an_environment_is_refused_before_it_runs(
    project: Project, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    """An environment below the root is not the project's own code."""
    project.write(file, "")
    project.write("env/lib/vendored.py", "raise AssertionError('imported')")
    monkeypatch.syspath_prepend(project.root / "env/lib")

    with pytest.raises(RecipeError, match=r"the module vendored, from env/lib/vendored\.py, is not the project's own"):
        _resolve(project, "vendored:x")


def test_site_packages_below_the_root_are_refused(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of that name holds installed packages wherever it lies."""
    project.write("lib/site-packages/installed.py", "raise AssertionError('imported')")
    monkeypatch.syspath_prepend(project.root / "lib/site-packages")

    with pytest.raises(RecipeError, match="not the project's own"):
        _resolve(project, "installed:x")


def test_a_link_out_of_the_root_is_refused(project: Project, tmp_path: Path) -> None:
    """What counts is the file that a symbolic link leads to."""
    (tmp_path / "elsewhere.py").write_text("raise AssertionError('imported')")
    (project.root / "linked.py").symlink_to(tmp_path / "elsewhere.py")

    with pytest.raises(RecipeError, match="the module linked, from"):
        _resolve(project, "linked:x")


def test_a_package_outside_the_root_is_refused_for_its_own_code(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The __init__ of a parent package would run too."""
    (tmp_path / "other/pkg").mkdir(parents=True)
    (tmp_path / "other/pkg/__init__.py").write_text("raise AssertionError('imported')")
    monkeypatch.syspath_prepend(tmp_path / "other")

    with pytest.raises(RecipeError, match="the module pkg, from"):
        _resolve(project, "pkg.inside:x")


def test_an_allowed_package_may_be_named(project: Project) -> None:
    """The project's pytest configuration lists it, whole or in part."""
    found = _resolve(project, "sklearn.datasets:load_digits", allowed=["sklearn.datasets"])

    assert found.__name__ == "load_digits"
    with pytest.raises(RecipeError, match="the module sklearn,"):
        _resolve(project, "sklearn.svm:SVC", allowed=["sklearn.datasets"])
    with pytest.raises(RecipeError, match="the module subprocess,"):
        _resolve(project, "subprocess:run", allowed=["sub"])


def test_refusal_before_import_runs_no_code(project: Project) -> None:
    """No hostile path imports, starts a process or opens a file for writing, seen by an audit hook in a new interpreter."""
    watch = """
        import sys
        from pathlib import Path
        import pytest_mlspec.recipe.resolve as resolving
        root = Path(sys.argv[1])
        seen = []
        quiet = {"os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "socket.connect", "exec"}
        sys.addaudithook(lambda event, arguments: seen.append(event) if event in quiet else None)
        for path in sys.argv[2:]:
            try:
                resolving.resolve(path, root=root, key="model")
            except resolving.RecipeError:
                continue
            raise SystemExit(f"{path} was resolved")
        raise SystemExit(f"events: {seen}" if seen else 0)
    """
    script = project.write("watch.py", watch)
    outside = [path for path in HOSTILE if not path.startswith("mine")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(project.root), *sys.path])}
    ended = subprocess.run(
        [sys.executable, str(script), str(project.root), *outside],
        capture_output=True, text=True, timeout=60, check=False, env=environment,
    )  # fmt: skip

    assert ended.returncode == 0, ended.stderr


def test_an_unknown_module_gets_the_near_miss(project: Project) -> None:
    """Modules of the project are proposed."""
    project.write("training_nets.py", "")

    with pytest.raises(RecipeError, match="no module is called 'trainings_nets'") as caught:
        _resolve(project, "trainings_nets:Net")
    assert caught.value.advice == "did you mean 'training_nets'?"


def test_an_unknown_module_beside_no_other_is_to_be_installed_or_written(project: Project) -> None:
    """Where the project has no module to propose."""
    with pytest.raises(RecipeError, match="no module is called 'no_such_package'") as caught:
        _resolve(project, "no_such_package:Net")
    assert caught.value.advice.startswith("install it where pytest runs, or write the module below")


def test_an_unknown_name_gets_the_near_miss(project: Project) -> None:
    """Public names of the module are proposed."""
    project.write("nets.py", "class SmallNet: pass")

    with pytest.raises(RecipeError, match="nets has no 'SmalNet'") as caught:
        _resolve(project, "nets:SmalNet")
    assert caught.value.advice == "did you mean 'SmallNet'?"


def test_an_exception_at_import_is_told_with_the_users_frames_alone(project: Project) -> None:
    """Neither our frames nor those of the import system stand in the traceback."""
    project.write("broken.py", "def fail():\n    raise ValueError('no data here')\nfail()\n")

    with pytest.raises(UserCodeError, match="import broken raised ValueError: no data here") as caught:
        _resolve(project, "broken:x")
    assert "broken.py" in caught.value.details
    assert "importlib" not in caught.value.details
    assert "pytest_mlspec" not in caught.value.details


def test_a_syntax_error_is_told_with_its_line(project: Project) -> None:
    """The place is the user's file."""
    project.write("typo.py", "x = 1\ndef broken(:\n")

    with pytest.raises(UserCodeError, match="import typo raised SyntaxError") as caught:
        _resolve(project, "typo:x")
    assert 'typo.py", line 2' in caught.value.details


def test_a_module_that_is_missing_inside_the_users_module_is_the_users_error(project: Project) -> None:
    """It is told apart from a path that leads nowhere."""
    project.write("needs.py", "import a_package_that_nobody_has")

    with pytest.raises(UserCodeError, match="raised ModuleNotFoundError: No module named 'a_package_that_nobody_has'"):
        _resolve(project, "needs:x")


def test_a_module_alone_is_resolved_under_the_same_rules(project: Project) -> None:
    """As `recipe.use` names one."""
    project.write("team/loop.py", "x = 1")

    assert resolve_module("team.loop", root=project.root, key="recipe").x == 1
    with pytest.raises(RecipeError, match="the module json,"):
        resolve_module("json.decoder", root=project.root, key="recipe")
