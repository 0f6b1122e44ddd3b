from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pytest_mlspec.errors import DataError
from pytest_mlspec.recipe.protocol import Rows

Load = Callable[..., Rows]
Refused = Callable[..., DataError]

IMAGES = b"\0\0\x08\x03" + struct.pack(">3I", 3, 2, 2) + bytes(range(12))
LABELS = b"\0\0\x08\x01" + struct.pack(">I", 3) + bytes([7, 2, 1])


def test_images_and_labels_are_read(tmp_path: Path, load: Load) -> None:
    """Packed or not."""
    (tmp_path / "images-idx3-ubyte.gz").write_bytes(gzip.compress(IMAGES))
    (tmp_path / "labels.idx").write_bytes(LABELS)
    rows = load("images-idx3-ubyte.gz", labels="labels.idx")

    assert np.asarray(rows.features).dtype == np.uint8
    assert rows.features[1].tolist() == [[4, 5], [6, 7]]
    assert rows.targets.tolist() == [7, 2, 1]
    assert rows.place(2) == "row 2 (from 0) of images-idx3-ubyte.gz"


def test_other_types_are_read_in_the_byte_order_of_the_machine(tmp_path: Path, load: Load) -> None:
    """The highest byte stands first in the file."""
    (tmp_path / "x.idx").write_bytes(b"\0\0\x0d\x02" + struct.pack(">2I2f", 2, 1, 0.5, -2.0))
    features = np.asarray(load("x.idx", labelled=False).features)

    assert features.tolist() == [[0.5], [-2.0]]
    assert features.dtype.isnative


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "x-ubyte is no idx file: it begins with nothing"),
        (b"\x89PNG\r\n", "x-ubyte is no idx file: it begins with 89 50 4e 47"),
        (
            gzip.compress(IMAGES, mtime=0),
            "x-ubyte is no idx file: it begins with 1f 8b 08 00 (gzip: the name lacks .gz)",
        ),
        (b"\0\0\x07\x01", "x-ubyte is no idx file: it begins with 00 00 07 01"),
        (IMAGES[:9], "x-ubyte is cut: it ends in its header"),
        (IMAGES[:-1], "x-ubyte holds 11 bytes of values, and its header says [3, 2, 2]: 12"),
        (IMAGES + b"\0", "x-ubyte holds 13 bytes of values, and its header says [3, 2, 2]: 12"),
    ],
)
def test_a_file_that_is_none_or_not_whole_is_refused(
    tmp_path: Path, refused: Refused, content: bytes, message: str
) -> None:
    """By its first bytes and its length."""
    (tmp_path / "x-ubyte").write_bytes(content)

    assert refused("x-ubyte").message == message


def test_a_cut_archive_is_refused(tmp_path: Path, refused: Refused) -> None:
    """Before anything is made of it."""
    (tmp_path / "x-ubyte.gz").write_bytes(gzip.compress(IMAGES)[:-4])

    assert refused("x-ubyte.gz").message.startswith("x-ubyte.gz cannot be read: Compressed file ended")


def test_labels_must_be_those_of_the_images(tmp_path: Path, refused: Refused) -> None:
    """As many, and one each."""
    (tmp_path / "x.idx").write_bytes(IMAGES)
    (tmp_path / "few.idx").write_bytes(b"\0\0\x08\x01" + struct.pack(">I", 2) + bytes(2))
    few, images = refused("x.idx", labels="few.idx"), refused("x.idx", labels="x.idx")

    assert (few.message, few.key) == ("x.idx has 3 rows, and few.idx has 2 labels", "data.source.labels")
    assert images.message == "x.idx holds an array [3, 2, 2], and labels are [N]"
    assert images.advice.startswith("is it the file of the images?")
    assert refused("x.idx").message == "x.idx has no targets, and the task needs them"
