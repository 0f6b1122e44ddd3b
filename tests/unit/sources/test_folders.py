from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pytest_mlspec.errors import DataError, MissingExtraError
from pytest_mlspec.recipe.protocol import Rows

Image = pytest.importorskip("PIL.Image")

Load = Callable[..., Rows]
LoadSplits = Callable[..., Mapping[str, Rows]]
Refused = Callable[..., DataError]

RED, BLUE = (255, 0, 0), (0, 0, 255)


def _image(path: Path, color: Any = RED, *, mode: str = "RGB", size: tuple[int, int] = (4, 3), **more: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, color).save(path, **more)


def _text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def test_a_folder_of_images_by_class_is_read(tmp_path: Path, load: Load) -> None:
    """In the order of their paths; what begins with a dot is left out, a file beside the folders that is no image too."""
    _image(tmp_path / "photos" / "dog" / "b.png", BLUE)
    _image(tmp_path / "photos" / "cat" / "c.png")
    _image(tmp_path / "photos" / "cat" / "a.PNG")
    _text(tmp_path / "photos" / "cat" / ".hidden", "")
    _text(tmp_path / "photos" / "LICENSE", "")
    rows = load("photos/")
    features = np.asarray(rows.features)

    assert features.dtype == np.uint8
    assert features.shape == (3, 3, 4, 3)
    assert features[:, 0, 0].tolist() == [list(RED), list(RED), list(BLUE)]
    assert rows.targets.tolist() == ["cat", "cat", "dog"]
    assert [rows.place(position) for position in range(3)] == [
        "photos/cat/a.PNG",
        "photos/cat/c.png",
        "photos/dog/b.png",
    ]


def test_images_come_in_one_mode(tmp_path: Path, load: Load) -> None:
    """Grey ones are [N, H, W], those with transparency have four channels."""
    _image(tmp_path / "p" / "a" / "1.png", 7, mode="L")
    _image(tmp_path / "p" / "a" / "2.png", (7, 7, 7, 255), mode="RGBA")
    _image(tmp_path / "p" / "a" / "3.jpg", (7, 7, 7), quality=100)

    assert np.asarray(load("p/").features).shape == (3, 3, 4, 3)
    assert np.asarray(load("p/", mode="L").features).tolist() == [[[7] * 4] * 3] * 3
    assert load("p/", mode="RGBA").features[0, 0, 0].tolist() == [7, 7, 7, 255]


def test_images_of_several_sizes_are_scaled_to_the_one_that_is_declared(
    tmp_path: Path, load: Load, refused: Refused
) -> None:
    """Which is needed then."""
    _image(tmp_path / "p" / "a" / "1.png")
    _image(tmp_path / "p" / "a" / "2.png", size=(5, 5))
    error = refused("p/")

    assert error.message == "the images differ in size: p/a/1.png is 4 x 3, p/a/2.png is 5 x 5"
    assert "size: 32" in error.advice
    assert np.asarray(load("p/", size=2).features).shape == (2, 2, 2, 3)
    assert np.asarray(load("p/", size=[2, 6]).features).shape == (2, 2, 6, 3)


def test_an_image_is_turned_as_its_camera_says(tmp_path: Path, load: Load) -> None:
    """Else it would lie on its side."""
    exif = Image.Exif()
    exif[0x0112] = 6
    _image(tmp_path / "p" / "a" / "1.jpg", exif=exif)

    assert np.asarray(load("p/").features).shape == (1, 4, 3, 3)


def test_every_image_that_cannot_be_used_is_named(tmp_path: Path, refused: Refused) -> None:
    """With the reason: nothing is lost in silence."""
    folder = tmp_path / "p" / "a"
    _image(folder / "1.png")
    _image(folder / "cut.png", size=(64, 64))
    (folder / "cut.png").write_bytes((folder / "cut.png").read_bytes()[:-40])
    (folder / "empty.png").write_bytes(b"")
    _text(folder / "text.png", "no image")
    _image(folder / "deep.png", 70, mode="I;16")
    _image(folder / "clear.png", (1, 2, 3, 0), mode="RGBA")
    frames = [Image.new("L", (4, 3), shade) for shade in (0, 255)]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    message = refused("p/", size=4).message

    assert message.startswith("6 of 7 images cannot be used: p/a/clear.png: it is transparent in places")
    assert "p/a/cut.png: " in message
    assert "p/a/deep.png: its pixels are of mode I" in message
    assert "p/a/empty.png: it is empty" in message
    assert "p/a/moving.gif: it has 2 frames" in message


def test_folders_of_splits_are_splits(tmp_path: Path, load_splits: LoadSplits) -> None:
    """Under the names that are usual."""
    for split in ("train", "valid", "test"):
        _image(tmp_path / "p" / split / "cat" / "1.png")
    splits = load_splits("p/")

    assert list(splits) == ["train", "val", "test"]
    assert splits["val"].place(0) == "p/valid/cat/1.png"


def test_a_folder_of_texts_by_class_is_read(tmp_path: Path, load: Load) -> None:
    """A file is a text, with its line ends."""
    _text(tmp_path / "mail" / "spam" / "1.txt", "Win\nnow")
    _text(tmp_path / "mail" / "ham" / "2.txt", "Hällo")
    rows = load("mail/")
    assert isinstance(rows.features, pd.DataFrame)

    assert rows.features["text"].tolist() == ["Hällo", "Win\nnow"]
    assert rows.targets.tolist() == ["ham", "spam"]
    assert rows.place(1) == "mail/spam/1.txt"


def test_a_folder_that_is_none_of_classes_is_refused(tmp_path: Path, refused: Refused) -> None:
    """Each with the file or folder that is out of place."""
    _image(tmp_path / "loose" / "1.png")
    _image(tmp_path / "beside" / "a" / "1.png")
    _image(tmp_path / "beside" / "2.png")
    _image(tmp_path / "deep" / "a" / "b" / "1.png")
    _image(tmp_path / "mixed" / "a" / "1.png")
    _text(tmp_path / "mixed" / "a" / "notes.txt", "x")
    _image(tmp_path / "hollow" / "a" / "1.png")
    (tmp_path / "hollow" / "b").mkdir()
    _text(tmp_path / "blank" / "a" / "1.txt", " \n")
    _text(tmp_path / "texts" / "a" / "1.txt", "x")

    assert refused("loose/").message == "loose has no folders in it"
    assert refused("beside/").message == "beside/2.png lies beside the folders of classes, in none"
    assert refused("deep/").message == "deep/a/b is a folder in a folder of files"
    assert refused("mixed/").message == "mixed/a/notes.txt is none of the images in mixed/"
    assert refused("hollow/").message == "hollow/b is empty"
    assert refused("blank/").message == "blank/a/1.txt is empty"
    assert refused("texts/", size=8).message == "texts/ holds texts, which have no size"


def test_a_link_out_of_the_root_directory_is_refused(tmp_path: Path) -> None:
    """Links are followed first."""
    from pytest_mlspec.sources import folders

    _image(tmp_path / "secret.png")
    (tmp_path / "root" / "p" / "a").mkdir(parents=True)
    (tmp_path / "root" / "p" / "a" / "1.png").symlink_to(tmp_path / "secret.png")

    with pytest.raises(DataError, match=r"p/a/1\.png is a link that leads outside the root directory"):
        folders.read("p/", root=tmp_path / "root")


def test_without_pillow_the_command_that_installs_it_is_told(
    tmp_path: Path, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Texts need none."""
    _image(tmp_path / "p" / "a" / "1.png")
    monkeypatch.setitem(sys.modules, "PIL", None)

    with pytest.raises(MissingExtraError, match="'pillow' is not installed") as caught:
        load("p/")
    assert caught.value.advice == "python -m pip install 'pytest-mlspec[images]'"
