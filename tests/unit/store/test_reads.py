"""What a run reads is recorded, however it reads; what cannot be observed is said."""

from __future__ import annotations

import glob
import importlib
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from pytest_mlspec.store.reads import Recorder

from .recorded import record

READS: dict[str, Callable[[], object]] = {
    "open": lambda: Path("data/churn.csv").open().close(),
    "os.open": lambda: os.close(os.open("data/churn.csv", os.O_RDONLY)),
    "bytes": lambda: os.close(os.open(b"data/churn.csv", os.O_RDONLY)),
    "pathlib": lambda: Path("data/churn.csv").read_bytes(),
    "absolute": lambda: Path("data/churn.csv").absolute().read_bytes(),
    "detour": lambda: Path("images/../data/churn.csv").read_bytes(),
    "shutil": lambda: shutil.copyfile("data/churn.csv", "copy.csv"),
    "numpy": lambda: np.loadtxt("data/churn.csv", delimiter=",", skiprows=1),
    "reading and writing": lambda: Path("data/churn.csv").open("r+").close(),
}


@pytest.mark.parametrize("way", READS)
def test_every_way_to_open_is_recorded(project: Path, way: str) -> None:
    """A file counts whichever function of Python opened it."""
    inputs = record(project, READS[way])

    assert "data/churn.csv" in inputs.files


def test_link_out_of_the_root_counts_by_content(project: Path, tmp_path: Path) -> None:
    """A linked file has the name that the user gave it and the content of its target."""
    (tmp_path / "mounted.csv").write_text("1")
    Path("data/linked.csv").symlink_to(tmp_path / "mounted.csv")
    inputs = record(project, lambda: Path("data/linked.csv").read_text())
    (tmp_path / "mounted.csv").write_text("2")

    assert inputs.difference(project) == "data/linked.csv changed"


def test_file_outside_the_root_counts(project: Path, tmp_path: Path) -> None:
    """A data set beside the project is an input by its absolute path."""
    (tmp_path / "shared.csv").write_text("1")
    inputs = record(project, (tmp_path / "shared.csv").read_text)
    (tmp_path / "shared.csv").write_text("2")

    assert inputs.difference(project) == f"{tmp_path / 'shared.csv'} changed"


def test_database_counts(project: Path) -> None:
    """SQLite opens its file in C and says so, also where it is named with options."""
    sqlite3.connect("rows.db").execute("create table rows (a)").connection.close()
    plain = record(project, lambda: sqlite3.connect("rows.db").close())
    options = record(project, lambda: sqlite3.connect("file:rows.db?mode=ro", uri=True).close())

    assert "rows.db" in plain.files
    assert "rows.db" in options.files


def make_temporary_folder() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "scratch").write_text("1")
        Path(folder, "scratch").read_text()


NOT_INPUTS: dict[str, Callable[[], object]] = {
    "the store": lambda: Path(".mlspec/record.json").read_text(),
    "the spec": lambda: Path("specs/churn.mlspec.yaml").read_text(),
    "the system": lambda: Path("/dev/null").read_text(),
    "the standard library": lambda: Path(os.__file__).read_text(),
    "an installed package": lambda: Path(pytest.__file__).read_text(),
    "its own output": lambda: Path("out.txt").write_text("1") and Path("out.txt").read_text(),
    "a log that it appends to": lambda: Path("train.log").open("a").close(),
    "its temporary file": lambda: tempfile.NamedTemporaryFile("w+").close(),
    "its temporary folder": make_temporary_folder,
    "a search for modules": lambda: importlib.import_module("churn_demo"),
}


@pytest.mark.parametrize("read", NOT_INPUTS)
def test_what_is_no_input_is_left_out(project: Path, read: str) -> None:
    """Files and folders that are the run's own, the tool's or the environment's do not count."""
    for name in (".mlspec/record.json", "specs/churn.mlspec.yaml", "train.log"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text("content")
    loaded = {path for path in record(project, lambda: None).files if Path(path).suffix == ".py"}
    inputs = record(project, NOT_INPUTS[read])

    assert {*inputs.files} - loaded <= {"churn_demo/__init__.py"}
    assert inputs.folders == {}
    assert inputs.unstable == ()


LISTS: dict[str, Callable[[], object]] = {
    "listdir": lambda: os.listdir("images"),  # noqa: PTH208
    "scandir": lambda: list(os.scandir("images")),
    "walk": lambda: list(os.walk("images")),
    "fwalk": lambda: list(os.fwalk("images")),
    "glob": lambda: glob.glob("images/*"),  # noqa: PTH207
    "pathlib": lambda: list(Path("images").glob("*.png")),
}


@pytest.mark.parametrize("way", LISTS)
def test_listed_folder_is_recorded(project: Path, way: str) -> None:
    """However a folder was listed, a new file in it counts."""
    assert [*record(project, LISTS[way]).folders] == ["images"]


def test_missing_folder_is_recorded_as_absent(project: Path) -> None:
    """The appearance of a folder that was asked for counts."""
    inputs = record(project, lambda: list(Path().glob("later/*")) + list(os.walk("later")))
    Path("later").mkdir()

    assert inputs.folders["later"] == "absent"
    assert inputs.difference(project) == "the content of later changed: absent -> 0 entries"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_reads_of_forked_children_count(project: Path) -> None:
    """A data loader's worker process reports to the run that forked it."""

    def fork() -> None:
        child = os.fork()
        if child == 0:
            Path("data/churn.csv").read_text()
            os.listdir("images")  # noqa: PTH208
            os._exit(0)
        os.waitpid(child, 0)

    inputs = record(project, fork)

    assert "data/churn.csv" in inputs.files
    assert [*inputs.folders] == ["images"]


STARTS: dict[str, Callable[[], object]] = {
    "subprocess": lambda: subprocess.run([sys.executable, "-c", ""], timeout=60, check=True),
    "shell": lambda: subprocess.run("exit", shell=True, timeout=60, check=True),
    "os.system": lambda: os.system("exit"),
}


@pytest.mark.parametrize("way", STARTS)
def test_programs_that_the_run_starts_are_named(project: Path, way: str) -> None:
    """What another program reads cannot be seen, and that is said."""
    inputs = record(project, STARTS[way])

    assert inputs.unobserved
    assert inputs.unobserved[0].startswith("a program was started: ")


@pytest.mark.parametrize(
    "question", ["os.environ['WIDTH']", "os.environ.get('WIDTH')", "os.getenv('WIDTH')", "'WIDTH' in os.environ"]
)
def test_environment_variables_count(project: Path, monkeypatch: pytest.MonkeyPatch, question: str) -> None:
    """Where user code asks for one by name: another value is a change, and its value is in no manifest."""
    monkeypatch.setenv("WIDTH", "hush-6f1d")
    recorder = Recorder(project)
    recorder.start()
    exec(compile(f"import os\n{question}", str(project / "net.py"), "exec"))
    inputs = recorder.inputs()

    assert inputs.difference(project) is None
    assert "hush-6f1d" not in str(inputs.to_json())
    monkeypatch.setenv("WIDTH", "32")
    assert inputs.difference(project) == "the environment variable WIDTH changed"
    monkeypatch.delenv("WIDTH")
    assert inputs.difference(project) == "the environment variable WIDTH is gone"


def test_variables_of_the_run_itself_and_of_libraries_do_not_count(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the run sets before it asks is its own, and libraries ask for much; after the recording nothing is watched."""
    recorder = Recorder(project)
    recorder.start()
    monkeypatch.setenv("WIDTH", "16")
    exec(compile("import os\nos.environ['WIDTH']", str(project / "net.py"), "exec"))
    exec(compile("import os\nos.environ.get('HEIGHT')", os.__file__, "exec"))
    inputs = recorder.inputs()

    assert inputs.variables == {}
    assert type(os.environ).__name__ == "_Environ"


def test_connections_are_named(project: Path) -> None:
    """Data that comes over the network cannot be looked at again, and that is said."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        inputs = record(project, lambda: socket.create_connection(server.getsockname(), timeout=10).close())

    assert inputs.unobserved == ("a connection was made: 127.0.0.1",)


def test_questions_about_the_machine_are_no_reads(project: Path) -> None:
    """Libraries ask `uname` and its like; the answer is part of the environment."""
    inputs = record(project, lambda: subprocess.run(["uname"], timeout=60, check=False))

    assert inputs.unobserved == ()


def test_matched_folder_stands_for_its_files(project: Path) -> None:
    """`inputs: [data]` declares every file below, hidden ones included; folders of tools are left out."""
    Path("data/deep").mkdir()
    Path("data/deep/.hidden").touch()
    Path("data/__pycache__").mkdir()
    Path("data/__pycache__/x.pyc").touch()
    inputs = record(project, lambda: None, "data", "absent/*.csv")

    assert [*inputs.globs["data"]] == ["data/churn.csv", "data/deep/.hidden", "data/old.csv"]
    assert inputs.globs["absent/*.csv"] == {}


def test_module_without_source_counts_itself(project: Path) -> None:
    """A .pyc beside no source is what runs, so it is what is hashed; one in `__pycache__` stands for its source."""
    Path("churn_demo/__pycache__").mkdir()
    Path("churn_demo/__pycache__/model.cpython-311.pyc").touch()
    Path("churn_demo/alone.pyc").touch()
    inputs = record(
        project,
        lambda: [
            Path("churn_demo/__pycache__/model.cpython-311.pyc").read_bytes(),
            Path("churn_demo/alone.pyc").read_bytes(),
        ],
    )

    assert {"churn_demo/model.py", "churn_demo/alone.pyc"} <= {*inputs.files}


def test_recording_ends(project: Path) -> None:
    """After `stop` nothing is added, and stopping twice is harmless."""
    recorder = Recorder(project)
    recorder.start()
    recorder.stop()
    recorder.stop()
    Path("data/churn.csv").read_text()

    assert "data/churn.csv" not in recorder.inputs().files
    assert recorder not in sys.meta_path


def test_what_torch_compile_generates_is_no_input(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It follows from the sources, and its cache may be thrown away at any time."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    generated = tmp_path / "torchinductor_user" / "ab" / "kernel.so"
    generated.parent.mkdir(parents=True)
    generated.write_bytes(b"code")
    module = ModuleType("generated_kernel")
    module.__file__ = str(generated)
    monkeypatch.setitem(sys.modules, "generated_kernel", module)

    assert not [path for path in record(project, lambda: None).files if "kernel.so" in path]
