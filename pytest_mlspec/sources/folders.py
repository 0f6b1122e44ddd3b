"""A folder whose subfolders are classes, or splits of such: images of one kind, or texts. Every file in them is a row.

Entries whose name begins with a dot are left out, as a listing leaves them out; any other file that is no row is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pytest_mlspec.errors import DataError
from pytest_mlspec.recipe.protocol import Rows
from pytest_mlspec.sources.files import KEY, find_folder
from pytest_mlspec.sources.images import ENDINGS
from pytest_mlspec.sources.origins import Files

SPLITS: Mapping[str, str] = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
"""What a split may be called where data are published, and what it is called here."""

_TEXTS = frozenset({".txt"})


@dataclass(frozen=True)
class Found:
    """The files of a folder of classes, in the order of their paths below `root`, and the class of each."""

    paths: tuple[str, ...]
    classes: tuple[str, ...]


def read(
    path: str, *, root: Path, size: int | Sequence[int] | None = None, mode: str = "RGB"
) -> Rows | dict[str, Rows]:
    """The rows of the folder at `path`, relative to `root`: by split where its subfolders are train, val and test.

    Images are features uint8 [N, H, W, C], with `mode` L [N, H, W]; `size` is what they are scaled to. Texts are features
    with the one column `text`. The targets are the names of the folders.
    """
    folder = find_folder(path, root=root)
    inside = _subfolders(folder)
    if not inside or not all(entry.name in SPLITS for entry in inside):
        alone = _found(folder, root)
        return _rows(alone, _reader(alone.paths, path, size, mode)(alone.paths, root))
    splits = {SPLITS[entry.name]: _found(entry, root) for entry in inside}
    if len(splits) < len(inside):
        raise DataError(f"{path} has two folders of validation rows", key=KEY, advice="keep one of them")
    read_files = _reader([file for part in splits.values() for file in part.paths], path, size, mode)
    return {split: _rows(part, read_files(part.paths, root)) for split, part in splits.items()}


def _rows(found: Found, features: Any) -> Rows:
    import numpy as np

    targets = np.array(found.classes, dtype=object)
    return Rows(features, targets, np.arange(len(targets)), target_name="folder", origin=Files(found.paths))


def _reader(
    paths: Sequence[str], folder: str, size: int | Sequence[int] | None, mode: str
) -> Callable[[Sequence[str], Path], Any]:
    """What reads these files: they are all images, or all texts."""
    from pytest_mlspec.sources import images, texts

    kinds = {"images": images.ENDINGS, "texts": _TEXTS}
    strays = {
        kind: [path for path in paths if PurePosixPath(path).suffix.lower() not in endings]
        for kind, endings in kinds.items()
    }
    kind = min(strays, key=lambda kind: len(strays[kind]))
    if strays[kind]:
        others = f" ({len(strays[kind])} such files)" if len(strays[kind]) > 1 else ""
        raise DataError(
            f"{strays[kind][0]} is none of the {kind} in {folder}{others}",
            key=KEY,
            advice=f"move it elsewhere; {kind} end in {', '.join(sorted(kinds[kind]))}",
        )
    if kind == "images":
        return lambda chosen, root: images.read_files(chosen, root, size=size, mode=mode)
    if size is not None:
        raise DataError(f"{folder} holds texts, which have no size", key=f"{KEY}.size", advice="remove this key")
    return texts.read_files


def _found(folder: Path, root: Path) -> Found:
    """The files in the subfolders of `folder`; raises where one is empty, lies outside, or holds folders."""
    shown = folder.relative_to(root.resolve()).as_posix()
    classes = _subfolders(folder)
    if not classes:
        raise DataError(
            f"{shown} has no folders in it", key=KEY, advice="put the files of each class in a folder named after it"
        )
    loose = [entry.name for entry in _entries(folder) if entry.suffix.lower() in ENDINGS and entry.is_file()]
    if loose:
        raise DataError(f"{shown}/{loose[0]} lies beside the folders of classes, in none", key=KEY)
    paths, labels = [], []
    for folder_of_class in classes:
        entries = _entries(folder_of_class)
        if not entries:
            raise DataError(f"{shown}/{folder_of_class.name} is empty", key=KEY, advice="remove the folder")
        for entry in entries:
            where = f"{shown}/{folder_of_class.name}/{entry.name}"
            if not entry.resolve().is_relative_to(root.resolve()):
                raise DataError(f"{where} is a link that leads outside the root directory {root}", key=KEY)
            if entry.is_dir():
                advice = f"the folders of {shown} are taken for classes; is it {shown}/{folder_of_class.name}/ that is meant?"
                raise DataError(f"{where} is a folder in a folder of files", key=KEY, advice=advice)
            paths.append(where)
            labels.append(folder_of_class.name)
    return Found(tuple(paths), tuple(labels))


def _subfolders(folder: Path) -> list[Path]:
    return [entry for entry in _entries(folder) if entry.is_dir()]


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder.name} cannot be read: {error.strerror}", key=KEY) from error
