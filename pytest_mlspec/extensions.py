"""What extensions registered: sources, probes and engines of a team, with the file that each comes from.

An extension is a `conftest.py`, which pytest imports, or an installed package that names itself under the entry point group
`pytest_mlspec`. A worker loads the files behind what its job uses, and no others: `used_by` tells which, `load` loads one.
The decorators stand in `extending.py`.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlspec.errors import RecipeError
from pytest_mlspec.jobs import Job, Measure
from pytest_mlspec.registry import Registry

if TYPE_CHECKING:
    from pytest_mlspec.language.spec import Spec

GROUP = "pytest_mlspec"
"""The entry point group of packages that extend."""


@dataclass(frozen=True)
class Origin:
    """Where an extension stands: its module, file, and line counted from 1."""

    module: str
    file: str
    line: int

    def __str__(self) -> str:
        """The place as messages show it."""
        path = Path(self.file)
        return f"{path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}:{self.line}"

    @classmethod
    def of(cls, function: Callable[..., Any]) -> Origin:
        """Where `function` is defined."""
        code = inspect.unwrap(function).__code__
        return cls(function.__module__, code.co_filename, code.co_firstlineno)


@dataclass(frozen=True)
class Extension:
    """A function of an extension, under the name that a spec uses."""

    function: Callable[..., Any]
    origin: Origin


SOURCES: Registry[Extension] = Registry("source")
"""`(**arguments) -> DataFrame or Rows`, what `data.source` names."""

PROBES: Registry[Extension] = Registry("probe")
"""`(model, examples, **arguments) -> {name: number}`, what a `Measure` job names."""

FITS: Registry[Extension] = Registry("fit of an engine")
"""`(examples, *, seed, **arguments) -> predict`, what `train.engine` names."""

MISTAKES: list[str] = []
"""What could not be registered or imported, with its file and line."""


def used_by(spec: Spec, job: Job) -> tuple[Origin, ...]:
    """The extensions behind what `job` of `spec` uses, each file once."""
    named = [(FITS, spec.train.engine.use), (SOURCES, spec.data.source.use if spec.data and spec.data.source else "")]
    if isinstance(job, Measure):
        named.append((PROBES, job.probe))
    origins = {registry.find(name).origin for registry, name in named if name in registry}
    return tuple({origin.file: origin for origin in sorted(origins, key=lambda origin: origin.line)}.values())


def to_json(origin: Origin) -> dict[str, Any]:
    """`origin` as plain data."""
    return asdict(origin)


def load(description: Mapping[str, Any]) -> None:
    """Imports the extension that `to_json` described, unless this process has it; raises RecipeError where that fails."""
    origin = Origin(**description)
    if any(known.origin.file == origin.file for known in _all()):
        return
    try:
        if Path(origin.file).name == "conftest.py":
            # By its path: pytest gives every conftest.py a name of its own making.
            specification = importlib.util.spec_from_file_location(f"mlspec_extension_{len(sys.modules)}", origin.file)
            assert specification is not None, "a Python file can be loaded"
            assert specification.loader is not None, "a Python file can be loaded"
            module = importlib.util.module_from_spec(specification)
            sys.modules[specification.name] = module
            specification.loader.exec_module(module)
        else:
            importlib.import_module(origin.module)
    except Exception as error:
        raise RecipeError(f"the extension at {origin} cannot be imported in a worker: {error}") from error


def load_installed() -> None:
    """Imports every installed package that extends; one that fails is a mistake, and no more."""
    for entry in entry_points(group=GROUP):
        try:
            entry.load()
        except Exception as error:
            trace = error.__traceback__
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else entry.value
            MISTAKES.append(
                f"{where}: the extension {entry.name!r} cannot be imported: {type(error).__name__}: {error}"
            )


def _all() -> Iterator[Extension]:
    for registry in (SOURCES, PROBES, FITS):
        yield from map(registry.find, registry)
