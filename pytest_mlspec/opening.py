"""From what the command line and the ini file ask to the session of one pytest run: its store, and what carries jobs out."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pytest_mlspec.errors import MlspecError
from pytest_mlspec.reuse import StoredEvidence
from pytest_mlspec.session import Runs, Session, Shared
from pytest_mlspec.store import Store, environment


@dataclass(frozen=True)
class Asked:
    """What is asked of a session.

    `allowed` are packages that specs may name beside the project's own code; `python_path` is where user code imports from;
    `jobs` is how many run at a time, by default one for each processor. `debugs` says that pytest is to stop in a debugger,
    `post_mortem` that it is to stop at exceptions; `distributed` that xdist runs the items; `shared` is the session of its
    controller, in a worker.
    """

    root: Path
    allowed: tuple[str, ...] = ()
    python_path: tuple[str, ...] = ()
    jobs: int | None = None
    fresh: bool = False
    profile: bool = False
    inline: bool = False
    debugs: bool = False
    post_mortem: bool = False
    distributed: bool = False
    shared: Shared | None = None

    @classmethod
    def by(
        cls, option: Namespace, ini: Callable[[str], Any], *, root: Path, shared: Mapping[str, str] | None = None
    ) -> Asked:
        """What the parsed command line and the values of the ini file ask, in a worker of xdist with its controller's word."""
        post_mortem = bool(getattr(option, "usepdb", False))
        return cls(
            root,
            allowed=tuple(ini("mlspec_allow")),
            python_path=(str(root), *map(str, ini("pythonpath"))),
            jobs=option.mlspec_workers,
            fresh=option.mlspec_fresh,
            profile=option.mlspec_profile,
            inline=option.mlspec_inline,
            debugs=post_mortem or getattr(option, "trace", False),
            post_mortem=post_mortem,
            distributed=getattr(option, "dist", "no") != "no",
            shared=None if shared is None else Shared(**shared),
        )


def open_session(asked: Asked, *, warn: Callable[[str], None]) -> Session:
    """The session; `warn` is told where evidence cannot be kept. Raises MlspecError where profiles cannot be written."""
    from pytest_mlspec.workers.inline import InlineRuns, debugger_attached

    profiles = _profiles(asked) if asked.shared is None else asked.shared.profiles
    folder: TemporaryDirectory[str] | None = None
    runs: Runs
    inline = asked.inline or ((asked.debugs or debugger_attached()) and not asked.distributed)
    if asked.shared is not None:
        from pytest_mlspec.workers.remote import RemoteBroker

        inline, runs = False, RemoteBroker(asked.shared.broker)
        store = Store(asked.root, path=Path(asked.shared.store))
    elif inline:
        runs = InlineRuns(asked.root, post_mortem=asked.post_mortem)
        store = Store(asked.root, path=runs.folder)
    else:
        store = Store(asked.root)
        if not store.writable:
            warn(
                f"{store.path} cannot be written: evidence is kept for this run only, and none of an earlier one is used"
            )
            folder = TemporaryDirectory(prefix="mlspec-")
            store = Store(asked.root, path=Path(folder.name))
        runs = _broker(asked, store)
    return Session(
        asked.root,
        store,
        runs,
        fresh=asked.fresh or asked.profile,
        inline=inline,
        allowed=asked.allowed,
        python_path=asked.python_path,
        profiles=profiles,
        folder=folder,
    )


def _broker(asked: Asked, store: Store) -> Runs:
    from pytest_mlspec.workers.broker import Broker

    return Broker(
        target="pytest_mlspec.workers.job:run_job",
        # Two jobs at a time would be seen in the times of each other.
        slots=asked.jobs or (1 if asked.profile else _default_slots()),
        root=asked.root,
        python_path=asked.python_path,
        reuse=StoredEvidence(store, fresh=asked.fresh or asked.profile),
    )


def _default_slots() -> int:
    """How many jobs run at a time: the processors that this process may use; one where a GPU does the work."""
    if environment.device_class().startswith("cuda"):
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _profiles(asked: Asked) -> str:
    """The folder for the profiles of this run, empty where none are wanted; made here, so that a full disk is told at once."""
    if not asked.profile:
        return ""
    folder = Store(asked.root).path / "profiles" / datetime.now().strftime("%Y%m%d-%H%M%S-%f")
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise MlspecError(f"--mlspec-profile writes to {folder}: {error.strerror}") from None
    return str(folder)
