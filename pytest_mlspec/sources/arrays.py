"""NumPy's files: an array in a .npy, several by name in a .npz. Files that hold Python objects are refused, never unpickled.

A large .npy is mapped into memory: its pages are read when they are needed, and given back under pressure.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from tokenize import TokenError
from typing import IO, TYPE_CHECKING, Any

from pytest_mlspec.errors import DataError, did_you_mean
from pytest_mlspec.recipe.protocol import Rows
from pytest_mlspec.sources.files import KEY, find, opened
from pytest_mlspec.sources.origins import Numbered

if TYPE_CHECKING:
    from pytest_mlspec.recipe.protocol import NumpyArray

# What the arrays of a .npz are usually called.
_INPUTS = ("X", "x", "inputs", "features")
_TARGETS = ("y", "Y", "targets", "labels")
_LARGE = 64 << 20
_NUMBERS = "fiub"


def read(path: str, *, root: Path, inputs: str | None = None, targets: str | None = None) -> Rows:
    """The rows [N, …] in the file at `path`, relative to `root`, with targets [N].

    Of a .npz, `inputs` and `targets` name its arrays, by default X and y or the like; of a .npy, `targets` is another file.
    """
    import numpy as np

    if path.endswith(".npz"):
        features_NX, targets_N, told = _from_archive(path, root, inputs, targets)
    else:
        features_NX = _from_file(path, root)
        targets_N = None if targets is None else _from_file(targets, root)
        told = str(targets)
    if not features_NX.ndim:
        raise DataError(f"{path} holds a single value, and rows are needed", key=KEY)
    if targets_N is None:
        targets_N = np.empty((len(features_NX), 0), dtype=np.float32)
    elif not targets_N.ndim or len(targets_N) != len(features_NX):
        count = len(targets_N) if targets_N.ndim else 1
        raise DataError(
            f"{path} has {len(features_NX)} rows, and {told} has {count}",
            key=f"{KEY}.targets",
            advice="name targets of the same rows, one a row",
        )
    elif targets_N.ndim == 2 and targets_N.shape[1] == 1:
        targets_N = targets_N[:, 0]
    if features_NX.ndim < 2 or features_NX.dtype.kind not in _NUMBERS:
        raise DataError(
            f"{path} holds an array {list(features_NX.shape)} of {features_NX.dtype}, and numbers [rows, …] are needed",
            key=KEY,
        )
    return Rows(features_NX, targets_N, np.arange(len(features_NX)), origin=Numbered(path))


def _from_file(path: str, root: Path) -> NumpyArray:
    """The array of a .npy, mapped into memory where it is large."""
    import numpy as np

    full = find(path, root=root)
    with opened(path, root=root) as file:
        shape, dtype = _header(file, path)
        needed, found = math.prod(shape) * dtype.itemsize, full.stat().st_size - file.tell()
        if found != needed:
            raise DataError(
                f"{path} holds {found} bytes of values, and its header says {list(shape)}: {needed}",
                key=KEY,
                advice="was it written to the end? save it again",
            )
        if needed < _LARGE:
            file.seek(0)
            return _native(np.load(file, allow_pickle=False))
    return _native(np.load(full, mmap_mode="r", allow_pickle=False))


def _from_archive(
    path: str, root: Path, inputs: str | None, targets: str | None
) -> tuple[NumpyArray, NumpyArray | None, str]:
    """The inputs and the targets of a .npz, and what messages call the latter."""
    with opened(path, root=root) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                names = [name.removesuffix(".npy") for name in archive.namelist()]
                one = names[0] if len(names) == 1 else None
                chosen = _chosen(names, inputs, _INPUTS, "inputs", path) or one
                if chosen is None:
                    raise DataError(
                        f"{path} has no array called {' or '.join(_INPUTS)}",
                        key=KEY,
                        advice=f"write `inputs: NAME` beside `use`; there are {', '.join(names) or 'none'}",
                    )
                labels = _chosen(names, targets, _TARGETS, "targets", path)
                features = _member(archive, chosen, path)
                return features, None if labels is None else _member(archive, labels, path), f"its array {labels!r}"
        except (zipfile.BadZipFile, zlib.error, RuntimeError) as error:  # the last: encrypted, or packed in another way
            raise DataError(f"{path} cannot be read: {error}", key=KEY, advice="save it with numpy.savez") from error


def _chosen(names: Collection[str], asked: str | None, usual: Collection[str], argument: str, path: str) -> str | None:
    """The array that is asked for by name, or the one that is usually called so; None where there is none."""
    if asked is not None:
        if asked not in names:
            raise DataError(
                f"{path} has no array {asked!r}", key=f"{KEY}.{argument}", advice=did_you_mean(asked, names)
            )
        return asked
    found = [name for name in usual if name in names]
    if len(found) > 1:
        raise DataError(
            f"{path} has the arrays {' and '.join(found)}", key=KEY, advice=f"write `{argument}: NAME` beside `use`"
        )
    return found[0] if found else None


def _member(archive: zipfile.ZipFile, name: str, path: str) -> NumpyArray:
    import numpy as np

    where = f"{path}, array {name!r},"
    with archive.open(f"{name}.npy") as file:
        _header(file, where)
    with archive.open(f"{name}.npy") as file:
        try:
            return _native(np.lib.format.read_array(file, allow_pickle=False))
        except (ValueError, EOFError) as error:
            raise DataError(f"{where} cannot be read: {error}", key=KEY) from error


def _header(file: IO[bytes], where: str) -> tuple[tuple[int, ...], Any]:
    """The shape and type that a .npy declares; raises DataError where it is none, or holds Python objects."""
    import numpy as np

    try:
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(file)
    except (ValueError, SyntaxError, TokenError) as error:
        advice = "save it with numpy.save"
        raise DataError(f"{where} is no array of NumPy: {str(error).splitlines()[0]}", key=KEY, advice=advice) from None
    if dtype.hasobject:
        advice = "save numbers or texts: numpy.save(path, array.astype(float))"
        raise DataError(f"{where} holds Python objects, which only unpickling could read", key=KEY, advice=advice)
    return shape, dtype


def _native(array: NumpyArray) -> NumpyArray:
    """The array in the byte order of this machine: torch knows no other."""
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
