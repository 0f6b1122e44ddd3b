"""`RoundTrip`: a short training through the team's own `save` and `restore`, held against itself part by part.

Three questions: is everything back in a new state; does what was saved stay what it was while the training goes on; and is one
of two whole checkpoints there after a process that was writing the second was killed? For the last one, the save runs in a
child process that the kernel ends (RLIMIT_FSIZE) once a file has so many bytes; Linux on the CPU alone.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pytest_mlspec.engines.assembly import Assembly, assemble
from pytest_mlspec.engines.fitting import fitted
from pytest_mlspec.engines.outside import from_outside
from pytest_mlspec.engines.paused import has_own, own_restore, own_save
from pytest_mlspec.engines.splits import Splits
from pytest_mlspec.errors import MlspecError
from pytest_mlspec.evidence import RoundTripped
from pytest_mlspec.jobs import RoundTrip
from pytest_mlspec.recipe.protocol import Recipe
from pytest_mlspec.recipe.work import Result, Work
from pytest_mlspec.training import checkpoint
from pytest_mlspec.training.evaluation import model_outputs
from pytest_mlspec.training.seeding import kept_generators, perturb
from pytest_mlspec.training.state import State

Parts = Mapping[str, Any]
"""A state taken apart: a tensor or a plain value under the path where it stands."""

_ROWS = 32
_NAMED = 8
_MOST_TORN = 6
_SECONDS_OF_A_SAVE = 20.0
_POLL_SECONDS = 0.002


def round_trip(job: RoundTrip, work: Work) -> Result:
    """Tries the points of the recipe; nothing where it gives none, or where another trainer writes the checkpoints."""
    engine = work.spec.train.engine.use
    if engine != "torch" or not has_own(work.recipe):
        return Result(RoundTripped(unasked="the recipe gives no save and restore of the team's own"))
    with from_outside("the checkpoint", key="recipe.save"):
        return Result(trip(Trip(work, job.steps), work.recipe))


@dataclass(frozen=True)
class Trip:
    """A training that is saved after `steps` of its steps."""

    work: Work
    steps: int

    @cached_property
    def assembly(self) -> Assembly:
        """What is trained, long enough for the steps and two more."""
        found = assemble(self.work)
        return found if found.total_steps >= self.steps + 2 else assemble(self.work, steps=self.steps + 2)

    @cached_property
    def splits(self) -> Splits:
        """The rows that the loop looks at."""
        return Splits(self.assembly, self.assembly.prepared.splits)

    def trained(self, state: State, until: int) -> None:
        """Takes `state` on to the step `until`."""
        fitted(state, self.assembly, self.splits, self.work, until=until)


def trip(asked: Trip, recipe: Recipe) -> RoundTripped:
    """The training through `save` and `restore` of `recipe`."""
    assembly, seed = asked.assembly, asked.work.spec.train.seed
    state = assembly.new_state(seed)
    asked.trained(state, asked.steps)
    with TemporaryDirectory() as place:
        first = Path(place) / "first"
        first.mkdir()
        with kept_generators():
            own_save(state, recipe, first)
        saved, outputs_N = taken_apart(state), _outputs(state, assembly)
        try:
            found = _restored(first, recipe, assembly, seed)
        except MlspecError as error:
            return RoundTripped(
                steps=state.step, compared=len(saved), failed=error.message, device=assembly.device.name
            )
        lost = differing(saved, taken_apart(found))
        apart = float(np.abs(_outputs(found, assembly) - outputs_N).max())
        asked.trained(state, asked.steps + 1)
        moved = () if lost else differing(saved, _parts_restored(first, recipe, assembly, seed))
        torn = Torn(
            reason="what was whole did not come back" if lost or moved else why_not_torn(assembly.device.device)
        )
        if not torn.reason:
            torn = _torn(state, saved, recipe, assembly, first)
    return RoundTripped(
        steps=asked.steps,
        compared=len(saved),
        lost=lost,
        moved=moved,
        outputs=apart,
        torn=torn.wrong,
        whole=torn.whole,
        not_torn=torn.reason,
        device=assembly.device.name,
    )


def taken_apart(state: State) -> dict[str, Any]:
    """Everything that a training must get back (`checkpoint.parts`) by its path, with copies of the tensors."""
    return dict(_leaves(checkpoint.parts(state), ""))


def differing(saved: Parts, restored: Parts) -> tuple[str, ...]:
    """The paths under which `restored` has something else than `saved`, or nothing, or something of its own."""
    names = dict.fromkeys((*saved, *restored))
    return tuple(name for name in names if not _same(saved.get(name), restored.get(name)))


def why_not_torn(device: torch.device) -> str:
    """Why no save can be cut off here; empty where it can."""
    if not sys.platform.startswith("linux"):
        return f"on {sys.platform} no process can be ended in the middle of a file"
    if device.type != "cpu":
        return f"the training is on {device.type}, which a child process cannot use"
    return ""


def sizes(folder: Path) -> list[int]:
    """The sizes of the files of a checkpoint."""
    return [path.stat().st_size for path in folder.rglob("*") if path.is_file()]


def limits(of_files: list[int]) -> list[int]:
    """After how many bytes a save is cut off, for files of these sizes: at the start, within, and shortly before the end."""
    largest = max(of_files, default=0)
    found = {1, *(size // 2 for size in of_files), *(size + 1 for size in of_files if size < largest), largest - 1}
    ordered = sorted(limit for limit in found if 0 < limit < largest)
    positions = np.unique(np.linspace(0, len(ordered) - 1, min(len(ordered), _MOST_TORN)).astype(int))
    return [ordered[position] for position in positions]


def cut_off(write: Callable[[], None], *, after: int) -> bool:
    """Whether `write` ended by itself, in a child process that the kernel kills when a file is to have more bytes than that.

    Raises TimeoutError where it has not ended after 20 seconds; the child is killed then.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork with threads: the child runs one save and ends
        child = os.fork()
    if child == 0:
        _write_and_end(write, after)
    deadline = time.monotonic() + _SECONDS_OF_A_SAVE
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0
        time.sleep(_POLL_SECONDS)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise TimeoutError(f"a save did not end within {_SECONDS_OF_A_SAVE:g} s")


def _write_and_end(write: Callable[[], None], after: int) -> None:
    """In the child: the kernel's own action in place of Python's, which would raise and let `write` tidy up."""
    import resource

    ended = 1
    try:
        torch.set_num_threads(1)  # the pool of threads did not come along
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (after, after))
        write()
        ended = 0
    finally:
        os._exit(ended)


@dataclass(frozen=True)
class Torn:
    """What was `wrong` after a save that was cut off, by the place where, empty where one checkpoint was `whole`: which.

    `reason` is why none was cut off.
    """

    wrong: Mapping[str, str] = field(default_factory=dict)
    whole: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""


def _torn(state: State, first: Parts, recipe: Recipe, assembly: Assembly, folder: Path) -> Torn:
    """Cuts off the save of `state` over the checkpoint `first`, at several places."""
    second, seed = taken_apart(state), state.seed
    wrong: dict[str, str] = {}
    whole: dict[str, str] = {}
    for limit in limits(sizes(folder)):
        with TemporaryDirectory() as place:
            copy = Path(place) / "first"
            shutil.copytree(folder, copy)
            try:
                cut_off(lambda: own_save(state, recipe, copy), after=limit)  # noqa: B023 - called before the next one
            except TimeoutError as error:
                return Torn(reason=str(error))
            name = f"after {limit} bytes"
            try:
                parts = _parts_restored(copy, recipe, assembly, seed)
            except MlspecError as error:
                wrong[name] = error.message
                continue
            as_first, as_second = differing(first, parts), differing(second, parts)
            if as_first and as_second:
                wrong[name] = f"a mixture of both: {', '.join(as_first[:_NAMED])} are not those of the first"
            else:
                wrong[name], whole[name] = "", "the second" if as_first else "the first"
    return Torn(wrong, whole)


def _parts_restored(folder: Path, recipe: Recipe, assembly: Assembly, seed: int) -> dict[str, Any]:
    return taken_apart(_restored(folder, recipe, assembly, seed))


def _restored(folder: Path, recipe: Recipe, assembly: Assembly, seed: int) -> State:
    """A new state, unlike the first one, into which the team's `restore` put what is in a copy of `folder`."""
    with kept_generators(), TemporaryDirectory() as place:
        perturb()
        state = assembly.new_state(seed, seeded=False)
        copy = Path(place) / folder.name
        shutil.copytree(folder, copy)
        own_restore(state, recipe, copy)
    return state


def _outputs(state: State, assembly: Assembly) -> np.ndarray[Any, Any]:
    rows = assembly.examples.take(np.arange(min(_ROWS, len(assembly.examples))))
    return model_outputs(state.evaluated, assembly.source(rows), len(rows)).double().numpy()


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Tensors, copied, and plain values; of any other object its type."""
    match value:
        case Tensor():
            yield path, value.detach().cpu().clone()
        case Mapping():
            for key, item in value.items():
                yield from _leaves(item, f"{path}.{key}" if path else str(key))
        case list() | tuple():
            for number, item in enumerate(value):
                yield from _leaves(item, f"{path}.{number}")
        case None | bool() | int() | float() | str():
            yield path, value
        case _:
            yield path, type(value).__name__


def _same(one: Any, other: Any) -> bool:
    """Equal to the last bit; a number that is not one equals itself."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.dtype == other.dtype and one.shape == other.shape and bool(_bits(one).equal(_bits(other)))
    if isinstance(one, Tensor) or isinstance(other, Tensor):
        return False
    return bool(one == other) or repr(one) == repr(other) == "nan"


def _bits(tensor: Tensor) -> Tensor:
    return tensor.contiguous().reshape(-1).view(torch.uint8)
