"""The data of a task on the hub, at one commit: as they were fetched before, else fetched now, or an error within seconds."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlspec.engines.outside import from_outside
from pytest_mlspec.errors import DataError
from pytest_mlspec.probes.mteb.folders import load_copy

if TYPE_CHECKING:
    from mteb import AbsTask

# For the first answer of the hub, the look-up of its address included.
_TIMEOUT_S = 5.0


def load(task: AbsTask, *, scratch: Path) -> str:
    """Gives `task` its data; the commit. What was fetched before is read without a connection, so that nothing can change it.

    Raises DataError where the hub cannot be reached, or does not give it.
    """
    return ", ".join(dict.fromkeys(_load(each, scratch) for each in _single(task)))


def _single(task: AbsTask) -> Iterator[AbsTask]:
    """The task; for one that puts others together, those."""
    from mteb.abstasks.aggregated_task import AbsTaskAggregate

    if isinstance(task, AbsTaskAggregate):
        for each in task.metadata.tasks:
            yield from _single(each)
    else:
        yield task


def _load(task: AbsTask, scratch: Path) -> str:
    from huggingface_hub import snapshot_download

    name, key = task.metadata.name, f"mteb.{task.metadata.name}"
    path, revision = str(task.metadata.dataset["path"]), str(task.metadata.dataset["revision"])
    try:
        folder = snapshot_download(path, repo_type="dataset", revision=revision, local_files_only=True)
    except (OSError, ValueError):  # never fetched, or a cache that cannot be read
        _reach(path, revision, key=key, name=name)
        with from_outside(f"the data of {name}", key=key):
            task.load_data()
    else:
        load_copy(task, Path(folder), scratch=scratch, key=key)
    return revision


def _reach(path: str, revision: str, *, key: str, name: str) -> None:
    """Raises DataError unless the hub answers, once and in time: the library itself would try for half a minute."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    failed: list[Exception] = []
    answered = threading.Event()

    def ask() -> None:
        try:
            HfApi().dataset_info(path, revision=revision, timeout=_TIMEOUT_S)
        except Exception as error:  # told below, in the thread that waits
            failed.append(error)
        answered.set()

    threading.Thread(target=ask, daemon=True).start()
    in_time = answered.wait(_TIMEOUT_S)
    told = f"the data {path!r}, revision {revision[:12]},"
    if failed and isinstance(failed[0], HfHubHTTPError):
        line = (str(failed[0]) or type(failed[0]).__name__).splitlines()[0]
        raise DataError(f"the hub does not give {told} {line}", key=key, advice="private data need: hf auth login")
    if failed or not in_time:
        raise DataError(
            f"the hub cannot be reached, and {told} were never fetched on this machine",
            key=key,
            advice=f"connect, or name a copy of them: mteb: {{{name}: {{data: FOLDER}}}}",
        )
