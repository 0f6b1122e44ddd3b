"""Rows that are made when training asks for them, in this process or in worker processes; the batches are the same.

The order comes from outside, and whatever draws from the global generators of Python, NumPy or torch while a row is made
gets numbers that are a function of (seed, epoch, row). So neither the number of workers nor a resume changes a batch. The
workers are those of torch's DataLoader: they live as long as the source and never outlive this process. On Linux they are
forked, so that nothing has to be pickled; untested elsewhere.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from pytest_mlspec.errors import MlspecError, TrainingError
from pytest_mlspec.training.batches import Batch, Step
from pytest_mlspec.training.seeding import derived_seed, kept_generators, seed_generators
from pytest_mlspec.training.worker_signals import deaths_held_back

_WORKERS, _TIMEOUT = "train.workers", "train.timeout"
_NOTHING = -1
_ROWS_SHOWN = 20
# What a dead worker leaves unfinished is noticed before its end is.
_SECONDS_TO_DIE = 1.0


@dataclass(frozen=True)
class Draws:
    """Where the randomness of rows comes from while they are made; `epoch` is None in evaluation.

    `at` is memory that worker processes share with this one: the row at which each of them is, and its process.
    """

    seed: int = 0
    epoch: int | None = None
    at: Tensor | None = None

    def begin(self, row: int, *, stream: int | None = None) -> None:
        """Seeds the global generators for what is made of `row` next; `stream` is the seed's number where not the row's."""
        worker = get_worker_info()
        if self.at is not None and worker is not None:
            self.at[worker.id] = torch.tensor([row, os.getpid()])
        seed_generators(derived_seed(self.seed, "rows", self.epoch, row if stream is None else stream))


LoadRows = Callable[[Tensor, Draws], Batch]
"""Makes the batch of rows [B], on the CPU; calls `Draws.begin` before anything that may draw random numbers."""


class LoadedSource:
    """Rows that `load` makes into batches. `workers` processes do so ahead of training, each batch within `timeout` seconds.

    Without a `seed` training sees what evaluation sees, in every epoch. `name_row` is what messages call a row. What `load`
    raises in a worker is raised here, where it is a MlspecError.
    """

    def __init__(
        self,
        rows: int,
        load: LoadRows,
        device: torch.device,
        *,
        seed: int | None = None,
        workers: int = 0,
        timeout: float = 0.0,
        name_row: Callable[[int], str] = "row {}".format,
    ) -> None:
        self._rows = rows
        self._load = load
        self._device = device
        self._seed = seed
        self._timeout = timeout
        self._name_row = name_row
        self._orders = _Orders()
        self._at = torch.full((workers, 2), _NOTHING)
        self._loader: DataLoader[Any] | None = None
        self._walk: Generator[Batch] | None = None
        if workers:
            self._at.share_memory_()  # type: ignore[no-untyped-call]
            self._loader = DataLoader(
                _Batches(load, seed, self._at),
                sampler=self._orders,
                batch_size=None,
                num_workers=workers,
                collate_fn=_as_it_is,
                timeout=timeout,
                persistent_workers=True,
                multiprocessing_context="fork" if sys.platform == "linux" else None,
            )

    def __len__(self) -> int:
        return self._rows

    def fetch(self, index: Tensor) -> Batch:
        """The batch of the rows `index`, made in this process; what is random in a row is the same at every call."""
        with kept_generators():
            return self._load(index, Draws()).to(self._device)

    def steps(self, order: Sequence[Step], epoch: int) -> Iterator[list[Batch]]:
        """The batches of `order`; raises TrainingError where a worker ends, or does not make one in time."""
        if self._loader is None:
            yield from ([self._made(index, epoch) for index in step] for step in order)
            return
        self._orders.keys = [(epoch, index) for step in order for index in step]
        self._walk = self._from_workers()
        for step in order:
            yield list(islice(self._walk, len(step)))

    def close(self) -> None:
        """Ends the workers."""
        if self._walk is None:
            return
        self._walk.close()
        with deaths_held_back():
            # They end with the iterator of the loader, so nothing may hold on to it, a suspended generator least of all.
            self._loader = self._walk = None

    def _made(self, index: Tensor, epoch: int) -> Batch:
        with kept_generators():
            return self._load(index, _draws(self._seed, epoch)).to(self._device)

    def _from_workers(self) -> Generator[Batch]:
        assert self._loader is not None, "the source is closed"
        batches: Iterator[Any] | None = None
        with deaths_held_back() as heard:
            for _, index in self._orders.keys:
                try:
                    if batches is None:
                        with kept_generators():  # the loader draws a seed of its own, which nothing here rests on
                            batches = iter(self._loader)
                    with heard():
                        made = next(batches)
                except (RuntimeError, OSError, EOFError) as error:
                    made = self._told(error, index)
                if isinstance(made, Exception):  # raised here: the frames of the loader stay out of its traceback
                    batches = self._loader = None
                    raise made
                yield made.to(self._device)

    def _told(self, error: Exception, index: Tensor) -> Exception:
        """What torch says of a worker, with the row at which it was; `error` itself, where that is nothing of the kind."""
        if "timed out" in str(error):
            self._end_workers()
            return TrainingError(
                f"no batch within {self._timeout:g} s, at {self._name_rows(index)}",
                key=_TIMEOUT,
                advice="look at what makes this row; if the rows are only slow, raise train.timeout or train.workers",
            )
        row = self._row_of_the_dead()
        if row is None:
            return error
        self._end_workers()
        return TrainingError(
            f"the worker that loaded {self._name_row(row)} ended: it was killed, or something called os._exit",
            key=_WORKERS,
            advice="look at what makes this row, and whether memory runs out; workers: 0 makes it in the training process",
        )

    def _row_of_the_dead(self) -> int | None:
        """The row at which a worker ended; None where all live on after a second."""
        deadline = time.monotonic() + _SECONDS_TO_DIE
        while time.monotonic() < deadline:
            living = {worker.pid for worker in multiprocessing.active_children()}
            for row, process in self._at.tolist():
                if process not in {_NOTHING, *living}:
                    return int(row)
            time.sleep(0.01)
        return None

    def _end_workers(self) -> None:
        """Kills the workers: torch would wait seconds for one that hangs, or for a lock that a dead one holds."""
        for _, process in self._at.tolist():
            if process != _NOTHING:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGTERM)

    def _name_rows(self, index: Tensor) -> str:
        """The row of a batch at which a worker is, else all of them."""
        rows: list[int] = index.tolist()
        at_work = [row for row, _ in self._at.tolist() if row in rows]
        shown = at_work or rows[:_ROWS_SHOWN]
        more = f", … ({len(rows)} in all)" if len(rows) > len(shown) and not at_work else ""
        return ", ".join(map(self._name_row, shown)) + more


class _Orders:
    """The batches of an epoch as the loader asks for them; each epoch has its own."""

    def __init__(self) -> None:
        self.keys: list[tuple[int, Tensor]] = []

    def __iter__(self) -> Iterator[tuple[int, Tensor]]:
        return iter(self.keys)

    def __len__(self) -> int:
        return len(self.keys)


class _Batches(Dataset[Any]):
    """Whole batches as the items of a loader; an error that can be named is one too, for torch would make text of it."""

    def __init__(self, load: LoadRows, seed: int | None, at: Tensor) -> None:
        self._load = load
        self._seed = seed
        self._at = at

    def __getitem__(self, key: tuple[int, Tensor]) -> Batch | MlspecError:
        epoch, index = key
        try:
            return self._load(index, _draws(self._seed, epoch, self._at))
        except MlspecError as error:
            return error


def _draws(seed: int | None, epoch: int, at: Tensor | None = None) -> Draws:
    return Draws(at=at) if seed is None else Draws(seed, epoch, at)


def _as_it_is(batch: Any) -> Any:
    return batch
