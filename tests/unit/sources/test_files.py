from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from pytest_mlspec.errors import DataError
from pytest_mlspec.language.names import FORMATS, format_of
from pytest_mlspec.recipe.protocol import Rows
from pytest_mlspec.store.reads import Recorder

Load = Callable[..., Rows]
Refused = Callable[..., DataError]


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    recorder = Recorder(tmp_path)
    yield recorder
    recorder.stop()


@pytest.mark.parametrize("ending", [ending for ending in FORMATS if ending != "/"])
def test_every_format_says_which_file_is_absent(refused: Refused, ending: str) -> None:
    """With the directory that it was looked for in."""
    if ending == ".parquet":
        pytest.importorskip("pyarrow")
    error = refused(f"absent{ending}", target="y")

    assert error.message.startswith(f"there is no file 'absent{ending}' below the root directory /")


@pytest.mark.parametrize("name", ["../rows.csv", "/etc/x.csv", "a/../../rows.csv", "linked.csv", "folder/rows.csv"])
def test_a_file_outside_the_root_is_refused(tmp_path: Path, name: str) -> None:
    """Symbolic links are followed first."""
    from pytest_mlspec.sources.files import find

    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "rows.csv").write_text("a\n", "utf-8")
    (root / "linked.csv").symlink_to(tmp_path / "rows.csv")
    (root / "folder").symlink_to(tmp_path)

    with pytest.raises(DataError, match="lies outside the root directory"):
        find(name, root=root)


def test_a_folder_is_no_file_and_a_file_no_folder(tmp_path: Path, refused: Refused) -> None:
    """Each is told."""
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").write_text("", "utf-8")

    assert refused("folder.csv", target="y").message == "'folder.csv' is not a file"
    assert refused("file/").message == "'file/' is not a folder"
    assert "is no folder below the root directory" in refused("absent/").message


@pytest.mark.parametrize("name", ["x.pkl", "x.pt", "x.pth", "x.joblib", "x.feather", "data/x", "x.csv.pkl", "x.npy.gz"])
def test_formats_that_are_not_read_are_refused(refused: Refused, name: str) -> None:
    """Among them all that are unpickled: that runs what the file says."""
    error = refused(name, target="y")

    assert "is not of a format that is read" in error.message
    assert ".csv" in error.advice


@pytest.mark.parametrize(
    ("name", "reader"),
    [
        ("a.csv", "tables"),
        ("a.csv.gz", "tables"),
        ("a.jsonl.gz", "records"),
        ("a.parquet", "parquet"),
        ("t10k-labels-idx1-ubyte.gz", "idx"),
        ("photos/", "folders"),
        ("a.gz", None),
        ("a.parquet.gz", None),
    ],
)
def test_the_end_of_a_name_tells_the_format(name: str, reader: str | None) -> None:
    """A second ending .gz is allowed where the format is read as a stream."""
    found = format_of(name)

    assert (found.reader if found else None) == reader


def test_a_change_of_a_mapped_array_is_noticed(tmp_path: Path, load: Load, recorder: Recorder) -> None:
    """What is read is recorded, so that the next run does not take the evidence of this one."""
    np.save(tmp_path / "x.npy", np.zeros((4, 3)))
    np.save(tmp_path / "y.npy", np.zeros(4))
    recorder.start()
    load("x.npy", targets="y.npy")

    assert {"x.npy", "y.npy"} <= recorder.inputs().files.keys()


def test_a_change_of_a_parquet_file_is_noticed(tmp_path: Path, load: Load, recorder: Recorder) -> None:
    """The reader is compiled code, whose own opens nobody sees."""
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    pandas.DataFrame({"x": [1], "y": [2]}).to_parquet(tmp_path / "rows.parquet")
    recorder.start()
    load("rows.parquet", target="y")

    assert "rows.parquet" in recorder.inputs().files


def test_a_change_of_an_image_or_of_a_listing_is_noticed(tmp_path: Path, load: Load, recorder: Recorder) -> None:
    """A new file in a folder is a new row."""
    image = pytest.importorskip("PIL.Image")
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    image.new("RGB", (2, 2)).save(tmp_path / "photos" / "cat" / "a.png")
    recorder.start()
    load("photos/")
    inputs = recorder.inputs()

    assert "photos/cat/a.png" in inputs.files
    assert {"photos", "photos/cat"} <= inputs.folders.keys()
