from __future__ import annotations

import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_mlspec.errors import DataError
from pytest_mlspec.recipe.protocol import Rows
from pytest_mlspec.sources import arrays

Load = Callable[..., Rows]
Refused = Callable[..., DataError]

X = np.arange(12, dtype=np.float32).reshape(4, 3)
Y = np.array([0, 1, 0, 1])


def test_two_files_hold_inputs_and_targets(tmp_path: Path, load: Load) -> None:
    """Types stay."""
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", Y.reshape(4, 1))
    rows = load("x.npy", targets="y.npy")

    assert np.array_equal(np.asarray(rows.features), X)
    assert np.asarray(rows.features).dtype == np.float32
    assert rows.targets.tolist() == [0, 1, 0, 1]
    assert rows.place(2) == "row 2 (from 0) of x.npy"


@pytest.mark.parametrize(
    ("given", "arguments"),
    [
        ({"X": X, "y": Y}, {}),
        ({"x": X, "labels": Y, "more": Y}, {}),
        ({"pixels": X, "digit": Y}, {"inputs": "pixels", "targets": "digit"}),
    ],
)
def test_an_archive_holds_both(tmp_path: Path, load: Load, given: dict[str, Any], arguments: dict[str, str]) -> None:
    """Under the usual names, or those that are declared."""
    np.savez_compressed(tmp_path / "rows.npz", **given)
    rows = load("rows.npz", **arguments)

    assert np.array_equal(np.asarray(rows.features), X)
    assert rows.targets.tolist() == [0, 1, 0, 1]


def test_a_large_array_is_mapped_and_not_copied(tmp_path: Path, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pages are read when a batch needs them."""
    monkeypatch.setattr(arrays, "_LARGE", 16)
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", Y)
    rows = load("x.npy", targets="y.npy")

    assert isinstance(rows.features, np.memmap)
    assert np.asarray(rows.take(rows.index[[3]]).features).tolist() == [[9, 10, 11]]


def test_the_byte_order_becomes_that_of_the_machine(tmp_path: Path, load: Load) -> None:
    """No model takes another."""
    np.save(tmp_path / "x.npy", X.astype(">f4"))
    np.save(tmp_path / "y.npy", Y.astype(">i8"))
    rows = load("x.npy", targets="y.npy")

    assert np.asarray(rows.features).dtype.isnative
    assert rows.targets.dtype.isnative


def test_rows_may_have_no_target_where_the_task_needs_none(tmp_path: Path, load: Load, refused: Refused) -> None:
    """And only there."""
    np.save(tmp_path / "x.npy", X)
    np.savez(tmp_path / "x.npz", X)

    assert load("x.npy", labelled=False).targets.shape == (4, 0)
    assert load("x.npz", labelled=False).targets.shape == (4, 0)
    assert refused("x.npy").message == "x.npy has no targets, and the task needs them"


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([[1], ["a"]], dtype=object), "x.npy holds Python objects, which only unpickling could read"),
        (np.zeros(4), "x.npy holds an array [4] of float64, and numbers [rows, …] are needed"),
        (
            np.zeros((4, 1), dtype=complex),
            "x.npy holds an array [4, 1] of complex128, and numbers [rows, …] are needed",
        ),
        (np.array([["a"]] * 4), "x.npy holds an array [4, 1] of <U1, and numbers [rows, …] are needed"),
        (np.float64(1), "x.npy holds a single value, and rows are needed"),
        (np.zeros((3, 1)), "x.npy has 3 rows, and y.npy has 4"),
        (np.zeros((0, 1)), "x.npy has 0 rows, and y.npy has 4"),
    ],
)
def test_what_is_no_array_of_numbers_is_refused(tmp_path: Path, refused: Refused, array: Any, message: str) -> None:
    """Nothing is unpickled."""
    np.save(tmp_path / "x.npy", array)
    np.save(tmp_path / "y.npy", Y)

    assert refused("x.npy", targets="y.npy").message == message


def test_no_rows_are_an_error(tmp_path: Path, refused: Refused) -> None:
    """As from every source."""
    np.savez(tmp_path / "x.npz", X=X[:0], y=Y[:0])

    assert refused("x.npz").message == "x.npz has 0 rows"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "x.npy is no array of NumPy"),
        (b"PK\x03\x04 no array", "x.npy is no array of NumPy"),
        (b"\x80\x04]\x94.", "x.npy is no array of NumPy"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, refused: Refused, content: bytes, message: str) -> None:
    """By what it begins with, whatever its name."""
    (tmp_path / "x.npy").write_bytes(content)

    assert refused("x.npy").message.startswith(message)


def test_a_cut_file_says_what_is_missing(tmp_path: Path, refused: Refused) -> None:
    """So does one with a header that promises more than there is."""
    np.save(tmp_path / "x.npy", X)
    whole = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(whole[:-5])
    (tmp_path / "y.npy").write_bytes(whole.replace(b"(4, 3)", b"(9**9,)"[:6]))

    assert refused("x.npy").message == "x.npy holds 43 bytes of values, and its header says [4, 3]: 48"
    assert refused("y.npy").message.startswith("y.npy is no array of NumPy")


@pytest.mark.parametrize(
    ("arguments", "message", "advice"),
    [
        ({"inputs": "XX", "targets": "b"}, "rows.npz has no array 'XX'", "known: a, b"),
        ({"targets": "b"}, "rows.npz has no array called X or x or inputs or features", "there are a, b"),
    ],
)
def test_arrays_of_an_archive_are_named(
    tmp_path: Path, refused: Refused, arguments: dict[str, str], message: str, advice: str
) -> None:
    """Where what is asked for is not among them."""
    np.savez(tmp_path / "rows.npz", a=X, b=Y)
    error = refused("rows.npz", **arguments)

    assert error.message == message
    assert advice in error.advice


def test_an_ambiguous_or_broken_archive_is_refused(tmp_path: Path, refused: Refused) -> None:
    """As are objects in it."""
    np.savez(tmp_path / "two.npz", X=X, features=X, y=Y)
    np.savez(tmp_path / "objects.npz", X=X, y=np.array([None] * 4))
    np.savez(tmp_path / "x.npz", X=X, y=Y)
    content = (tmp_path / "x.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(content[:-30])
    (tmp_path / "flipped.npz").write_bytes(content.replace(struct.pack("<f", 7.0), struct.pack("<f", 8.0), 1))

    assert refused("two.npz").message == "two.npz has the arrays X and features"
    assert refused("objects.npz").message.startswith("objects.npz, array 'y', holds Python objects")
    assert refused("cut.npz").message == "cut.npz cannot be read: File is not a zip file"
    assert "Bad CRC-32" in refused("flipped.npz").message


@pytest.mark.parametrize(
    ("offsets", "value", "reason"),
    [
        ((6, 8), 1, "is encrypted, password required for extraction"),
        ((8, 10), 99, "That compression method is not supported"),
    ],
)
def test_an_archive_that_python_cannot_unpack_is_refused(
    tmp_path: Path, refused: Refused, offsets: tuple[int, int], value: int, reason: str
) -> None:
    """Encrypted, or packed in another way: the headers of every array say so, at these offsets."""
    np.savez(tmp_path / "rows.npz", X=X, y=Y)
    content = bytearray((tmp_path / "rows.npz").read_bytes())
    for signature, offset in zip((b"PK\x03\x04", b"PK\x01\x02"), offsets, strict=True):
        for found in re.finditer(signature, bytes(content)):
            struct.pack_into("<H", content, found.start() + offset, value)
    (tmp_path / "rows.npz").write_bytes(content)
    told = refused("rows.npz")

    assert told.message.startswith("rows.npz cannot be read: ")
    assert reason in told.message
    assert told.advice == "save it with numpy.savez"
