"""Arrays in the idx format, in which MNIST and its kin are published: images in one file, labels in another.

The format is described at the end of http://yann.lecun.com/exdb/mnist: two zero bytes, the type, the number of axes, the
length of each as 32 bits, then the values; everything with the highest byte first.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlspec.errors import DataError
from pytest_mlspec.recipe.protocol import Rows
from pytest_mlspec.sources.files import KEY, opened
from pytest_mlspec.sources.origins import Numbered

if TYPE_CHECKING:
    from pytest_mlspec.recipe.protocol import NumpyArray

_TYPES: Mapping[int, str] = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read(path: str, *, root: Path, labels: str | None = None) -> Rows:
    """The rows of the file at `path`, [N, H, W] for images, with the numbers [N] in the file `labels` as their targets."""
    import numpy as np

    features = _array(path, root)
    if labels is None:
        targets: NumpyArray = np.empty((len(features), 0), dtype=np.float32)
    else:
        targets = _array(labels, root)
        if targets.ndim != 1:
            raise DataError(
                f"{labels} holds an array {list(targets.shape)}, and labels are [N]",
                key=f"{KEY}.labels",
                advice="is it the file of the images? `use` names those, `labels` the numbers of their classes",
            )
        if len(targets) != len(features):
            raise DataError(
                f"{path} has {len(features)} rows, and {labels} has {len(targets)} labels",
                key=f"{KEY}.labels",
                advice="name two files of the same split",
            )
    return Rows(features, targets, np.arange(len(features)), target_name="label", origin=Numbered(path))


def _array(path: str, root: Path) -> NumpyArray:
    import numpy as np

    with opened(path, root=root) as file:
        head = file.read(4)
        if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _TYPES or not head[3]:
            shown = head.hex(" ") or "nothing"
            packed = " (gzip: the name lacks .gz)" if head[:2] == b"\x1f\x8b" else ""
            raise DataError(f"{path} is no idx file: it begins with {shown}{packed}", key=KEY)
        lengths = file.read(4 * head[3])
        if len(lengths) < 4 * head[3]:
            raise DataError(f"{path} is cut: it ends in its header", key=KEY, advice="copy it again")
        shape = struct.unpack(f">{head[3]}I", lengths)
        dtype = np.dtype(_TYPES[head[2]])
        content = file.read()
    needed = math.prod(shape) * dtype.itemsize
    if len(content) != needed:
        raise DataError(
            f"{path} holds {len(content)} bytes of values, and its header says {list(shape)}: {needed}",
            key=KEY,
            advice="copy the file again",
        )
    return np.frombuffer(content, dtype).reshape(shape).astype(dtype.newbyteorder("="))
