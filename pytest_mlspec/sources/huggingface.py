"""Data sets of Hugging Face: folders below the root directory, and the hub.

A folder is what `save_to_disk` wrote, or holds files of Parquet, JSON or CSV. The hub is asked when a job runs; where it
cannot be reached, what an earlier run has fetched is read. Code of a data set is never run.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytest_mlspec.errors import DataError, MissingExtraError, did_you_mean
from pytest_mlspec.sources import images
from pytest_mlspec.sources.files import KEY, find_folder
from pytest_mlspec.sources.folders import SPLITS
from pytest_mlspec.sources.origins import Numbered, Table
from pytest_mlspec.sources.parquet import to_frame

# For the first answer of the hub.
_TIMEOUT_S = 5.0


def read(
    *,
    root: Path,
    path: str,
    name: str | None = None,
    split: str | None = None,
    revision: str | None = None,
    columns: Sequence[str] = (),
    size: int | Sequence[int] | None = None,
    mode: str = "RGB",
) -> Table | dict[str, Table]:
    """The data set at `path`, a folder below `root` or a name on the hub; by split where it has several.

    `name` is its configuration, `split` one of its splits, `revision` a commit of the hub, `columns` those to read, by
    default all. `size` and `mode` are those of images.
    """
    try:
        import datasets
    except ImportError:
        raise MissingExtraError("datasets", extra="datasets", key=KEY) from None

    datasets.disable_progress_bars()
    if (root / path).exists():
        folder = find_folder(path, root=root)
        found = _in_folder(folder, path, name, split)
    else:
        found = _on_the_hub(path, name, split, revision)
    if split is not None and isinstance(found, Mapping):
        if split not in found:
            raise DataError(f"{path} has no split {split!r}", key=f"{KEY}.split", advice=did_you_mean(split, found))
        found = found[split]
    return tables(found, path, columns=columns, size=size, mode=mode)


def tables(found: Any, path: str, **form: Any) -> Table | dict[str, Table]:
    """A `Dataset` or `DatasetDict` called `path` as a table, or tables by split; `form` is that of `read`."""
    if not isinstance(found, Mapping):
        return _table(found, path, **form)
    if list(found) == ["train"]:
        return _table(found["train"], path, **form)
    unknown = [split for split in found if split not in SPLITS]
    if unknown:
        raise DataError(
            f"{path} has the splits {', '.join(map(str, found))}, and {unknown[0]!r} is none of train, val and test",
            key=KEY,
            advice="write `split: NAME` beside `use` for one of them, or name each under `data.split.files`",
        )
    by_split = {SPLITS[split]: _table(part, f"{path}, split {split}", **form) for split, part in found.items()}
    if len(by_split) < len(found):
        raise DataError(f"{path} has two splits for validation", key=KEY, advice="name each under `data.split.files`")
    return by_split


def _in_folder(folder: Path, path: str, name: str | None, split: str | None) -> Any:
    import datasets

    files = sorted(file for file in folder.rglob("*") if file.is_file())
    for file in files:
        with file.open("rb"):  # what pyarrow opens, nobody sees: so the file is noted as read
            pass
    try:
        if (folder / "dataset_dict.json").exists() or (folder / "state.json").exists():
            return datasets.load_from_disk(str(folder))
        with tempfile.TemporaryDirectory() as scratch:  # a cache elsewhere might answer with what the files were before
            return datasets.load_dataset(str(folder), name, split=split, cache_dir=scratch, keep_in_memory=True)
    except (OSError, ValueError, KeyError, TypeError, datasets.exceptions.DatasetsError) as error:
        cause = error.__cause__ or error
        raise DataError(
            f"{path} cannot be read: {str(cause).splitlines()[0] if str(cause) else type(cause).__name__}",
            key=KEY,
            advice="a folder is one that save_to_disk wrote, or holds train.parquet, test.parquet or the like",
        ) from error


def _on_the_hub(path: str, name: str | None, split: str | None, revision: str | None) -> Any:
    import datasets

    told = f"the data set {path!r}" + (f", revision {revision!r}," if revision else "")
    is_reached = _is_reached(path, revision, told)
    try:
        with _offline(not is_reached):
            found = datasets.load_dataset(path, name, split=split, revision=revision)
    except (ConnectionError, FileNotFoundError) as error:
        if is_reached:
            raise DataError(f"{told} cannot be fetched: {_line(error)}", key=KEY) from error
        raise DataError(
            f"the hub cannot be reached, and {told} was never fetched on this machine",
            key=KEY,
            advice="connect, or save it below the root directory: datasets.load_dataset(…).save_to_disk(folder)",
        ) from error
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise DataError(f"{told} cannot be read: {_line(error)}", key=KEY) from error
    for part in found.values() if isinstance(found, Mapping) else [found]:
        for cached in part.cache_files:
            with Path(cached["filename"]).open("rb"):
                pass
    return found


def _is_reached(path: str, revision: str | None, told: str) -> bool:
    """Whether the hub answers in time; raises DataError where it answers that it has no such data set."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        HfApi().dataset_info(path, revision=revision, timeout=_TIMEOUT_S)
    except HfHubHTTPError as error:
        raise DataError(
            f"the hub does not give {told}: {_line(error)}",
            key=KEY,
            advice="is the name right, and is it public? For another's, log in: hf auth login",
        ) from None
    except Exception:  # of whichever library of HTTP this version uses
        return False
    return True


@contextmanager
def _offline(wanted: bool) -> Iterator[None]:
    """Has the libraries look at what they have fetched alone; else they ask again and again, for half a minute."""
    import datasets
    import huggingface_hub

    places = (datasets.config, huggingface_hub.constants)
    before = [place.HF_HUB_OFFLINE for place in places]
    for place, value in zip(places, before, strict=True):
        place.HF_HUB_OFFLINE = wanted or value
    try:
        yield
    finally:
        for place, value in zip(places, before, strict=True):
            place.HF_HUB_OFFLINE = value


def _table(
    dataset: Any,
    path: str,
    *,
    columns: Sequence[str] = (),
    size: int | Sequence[int] | None = None,
    mode: str = "RGB",
) -> Table:
    import datasets

    names = list(columns or dataset.column_names)
    for column in names:
        if column not in dataset.column_names:
            advice = did_you_mean(column, dataset.column_names)
            raise DataError(f"{path} has no column {column!r}", key=f"{KEY}.columns", advice=advice)
    kinds = dataset.features
    pictures = [column for column in names if isinstance(kinds[column], datasets.Image)]
    if len(pictures) > 1:
        raise DataError(
            f"{path} has the images {', '.join(pictures)}", key=KEY, advice="keep one: `columns: [...]` beside `use`"
        )
    plain = dataset.select_columns([column for column in names if column not in pictures])
    frame = to_frame(plain.with_format("arrow")[:], path)
    for column in frame.columns:
        if isinstance(kinds[column], datasets.ClassLabel):
            frame[column] = _named(frame[column], kinds[column].names)
    pixels = _pixels(dataset, pictures[0], path, size, mode) if pictures else None
    return Table(frame, Numbered(path), pixels)


def _named(numbers: Any, names: Sequence[str]) -> Any:
    """The names of class numbers; of none, and of -1, which stands for a label that is kept secret, a missing value."""
    return numbers.map(dict(enumerate(names))).astype("str")


def _pixels(dataset: Any, column: str, path: str, size: int | Sequence[int] | None, mode: str) -> Any:
    import datasets

    stored = dataset.select_columns([column]).cast_column(column, datasets.Image(decode=False))

    def contents() -> Iterator[tuple[str, bytes]]:
        for number, row in enumerate(stored):
            where, image = Numbered(path)(number), row[column]
            if image is None:
                raise DataError(f"{where} has no image in the column {column!r}", key=KEY)
            yield where, Path(image["path"]).read_bytes() if image["bytes"] is None else image["bytes"]

    return images.stack(contents(), count=len(stored), size=size, mode=mode)


def _line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
