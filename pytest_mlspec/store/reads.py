"""What a run really reads, recorded while it runs, so that its evidence is used again only where all of that is unchanged.

A worker calls `Recorder.start` before it touches the user's code and `Recorder.inputs` at the end. Every regular file that
Python opens outside the standard library and the installed packages is hashed at that moment, before the run sees it, and
again at the end; what differs is named as unstable. Forked children are recorded too, through a file they share with us.

Environment variables count where user code asks for one by name in `os.environ`.

What Python cannot see: opens of compiled readers (parquet, safetensors, polars), questions whether a file exists, and
programs and connections. The last two are named in `Inputs.unobserved`; for the first a spec declares `inputs`.
"""

# Audit events give paths as text, and a link in a path must stay as the user wrote it.
# ruff: noqa: PTH100, PTH110, PTH112, PTH117, PTH119
from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import source_from_cache
from pathlib import Path
from typing import IO, Any

from pytest_mlspec.store.environment import installed, library_folders, relative_to
from pytest_mlspec.store.inputs import TOOL_FOLDERS, Digests, Inputs, importable, listing, matches, variable_digest

# This package, also where it is installed from a folder of its source.
_OURS = f"{Path(__file__).parents[1]}{os.sep}"
_SYSTEM = ("/proc/", "/sys/", "/dev/")

# What the broker sets for every worker: the same in each run, whatever it is in the process of pytest.
_SET_FOR_WORKERS = frozenset({"OMP_NUM_THREADS", "OMP_WAIT_POLICY"})

# Programs that libraries ask about the machine; what they answer is part of the environment.
_HARMLESS = frozenset({"cc", "file", "gcc", "ld", "ldconfig", "lscpu", "nvidia-smi", "objdump", "uname"})
# Modules that list folders to find modules: imports are recorded by name instead.
_FINDERS = frozenset({"_frozen_importlib_external", "importlib", "pkg_resources", "pkgutil"})
_SPAWNERS = frozenset(f"multiprocessing.popen_{way}" for way in ("forkserver", "spawn_posix", "spawn_win32"))


class Recorder:
    """Records what this process reads between `start` and `inputs`.

    `globs` are the patterns that the spec declares under `inputs`, relative to `root`. Nothing at or below `ignore` is
    recorded: the store, and files whose content is in the key already, such as the spec.
    """

    def __init__(self, root: Path, *, globs: Sequence[str] = (), ignore: Iterable[Path] = ()) -> None:
        self._root = Path(os.path.abspath(root))
        self._globs = tuple(globs)
        ignored = (spelling(path) for path in ignore for spelling in (os.path.abspath, os.path.realpath))
        # What torch.compile generates follows from what is recorded anyway, and may be thrown away at any time.
        compiled = f"{tempfile.gettempdir()}{os.sep}torchinductor_"
        self._skipped = (*library_folders(), *_SYSTEM, compiled, *(f"{path}{os.sep}" for path in ignored))
        self._digests = Digests()
        self._files: dict[str, str | None] = {}
        self._folders: dict[str, str] = {}
        self._variables: dict[str, str | None] = {}
        self._variables_before: dict[str, str] = {}
        self._written: set[str] = set()
        self._names: set[str] = set()
        self._unstable: set[str] = set()
        self._unobserved: set[str] = set()
        self._matched: dict[str, dict[str, str]] = {}
        self._modules_before: frozenset[str] = frozenset()
        self._path_before: tuple[str, ...] = ()
        self._process = os.getpid()
        self._children: IO[bytes] | None = None

    def start(self) -> None:
        """Begins to record; what is loaded already is recorded as it stands now."""
        self._process = os.getpid()
        self._children = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  (closed when it has been read)
        self._modules_before = frozenset(sys.modules)
        self._path_before = tuple(sys.path)
        self._matched = {pattern: matches(self._root, pattern, self._digests) for pattern in self._globs}
        for file in self._module_files():
            self._read(file)
        self._variables_before = dict(os.environ)
        _install_hook()
        os.environ.__class__ = _WatchedEnviron
        sys.meta_path.insert(0, self)
        _recording.append(self)

    def stop(self) -> None:
        """Ends the recording; without effect where none is under way."""
        if self in _recording:
            _recording.remove(self)
            sys.meta_path.remove(self)
            if not _recording:
                os.environ.__class__ = _PlainEnviron

    def inputs(self) -> Inputs:
        """Everything read since `start`; ends the recording."""
        self.stop()
        self._take_over_children()
        for file in [*self._module_files(), *filter(os.path.isfile, map(os.path.abspath, sys.path))]:
            self._read(file)
        self._unobserved.update(f"processes of {name}" for name in _SPAWNERS & {*sys.modules} - self._modules_before)
        for seen in (self._files, self._folders):
            for path in [path for path, state in seen.items() if state is not None and self._is_scratch(path)]:
                del seen[path]
        return Inputs(
            files={self._shown(path): self._files[path] for path in sorted(self._files)},
            folders={self._shown(path): self._folders[path] for path in sorted(self._folders)},
            globs=self._matched,
            imports=self._searched(),
            variables=dict(sorted(self._variables.items())),
            packages=installed(self._root),
            unobserved=tuple(sorted(self._unobserved)),
            unstable=tuple(sorted({*self._unstable, *self._changed()})),
        )

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Notes the name of a module that is looked for and finds nothing, as the first finder on `sys.meta_path`."""
        self._names.add(name)

    def observe(self, event: str, arguments: tuple[Any, ...], caller: str) -> None:
        """Takes one audit event; `caller` is the name of the module whose code raised it."""
        if event in _STARTS:
            program = _program(event, arguments)
            if program not in _HARMLESS:
                self._missed(f"a program was started: {program}")
            return
        if event == "socket.connect":
            if isinstance(arguments[1], tuple):  # the address of a local socket is text
                self._missed(f"a connection was made: {arguments[1][0]}")
            return
        path = _path("." if arguments[0] is None else arguments[0])
        if path is None or self._is_skipped(path):
            return
        if event not in _LISTS:
            self._opened(path, arguments[2] or 0 if event == "open" else 0)
        elif not _finds_modules(caller, path):
            self._listed(path)

    def asked(self, name: str, file: str) -> None:
        """Takes a question for an environment variable by the code in `file`; what the run itself set is no input."""
        before = self._variables_before.get(name)
        full = os.path.abspath(file)
        if name in _SET_FOR_WORKERS or full.startswith(_OURS):
            return
        if not self._is_skipped(full) and os.environ.get(name) == before:
            self._variables.setdefault(name, variable_digest(before))

    def _missed(self, what: str) -> None:
        self._unobserved.add(what)
        self._pass_on("unobserved", what, None)

    def _opened(self, path: str, flags: int) -> None:
        writes = flags & (os.O_WRONLY | os.O_RDWR)
        if writes and (flags & (os.O_TRUNC | os.O_EXCL) or not os.path.exists(path)):
            if path not in self._files:
                self._written.add(path)
        elif os.path.isdir(path):
            self._listed(path)  # os.fwalk lists what it has opened
        elif not flags & os.O_WRONLY and path not in self._written:
            self._read(path)

    def _read(self, path: str) -> None:
        if path.endswith(".pyc"):
            path = _source_of(path)
        digest = self._digests.of(path)
        if path not in self._files:
            self._pass_on("file", path, digest)
        if self._files.setdefault(path, digest) != digest:
            self._unstable.add(self._shown(path))

    def _listed(self, path: str) -> None:
        if path not in self._folders and TOOL_FOLDERS.isdisjoint(self._shown(path).split("/")):
            self._folders[path] = listing(path)
            self._pass_on("folder", path, self._folders[path])

    def _pass_on(self, kind: str, path: str, state: str | None) -> None:
        """From a forked child, tells the process that records: its copy of this object is lost with it."""
        if self._children is not None and os.getpid() != self._process:
            os.write(self._children.fileno(), json.dumps([kind, path, state]).encode() + b"\n")

    def _take_over_children(self) -> None:
        if self._children is None:
            return
        self._children.seek(0)
        for line in self._children.read().splitlines():
            kind, path, state = json.loads(line)
            if kind == "unobserved":
                self._unobserved.add(path)
            elif (self._files if kind == "file" else self._folders).setdefault(path, state) != state:
                self._unstable.add(self._shown(path))
        self._children.close()
        self._children = None

    def _is_skipped(self, path: str) -> bool:
        return f"{path}{os.sep}".startswith(self._skipped)

    def _is_scratch(self, path: str) -> bool:
        """True for a temporary file or folder of the run's own: read while it was there, gone by now."""
        return (
            path.startswith(tempfile.gettempdir() + os.sep)
            and os.path.isabs(self._shown(path))
            and not os.path.exists(path)
        )

    def _changed(self) -> Iterator[str]:
        yield from (self._shown(path) for path, digest in self._files.items() if self._digests.of(path) != digest)
        yield from (self._shown(path) for path, listed in self._folders.items() if listing(path) != listed)
        for pattern, before in self._matched.items():
            after = matches(self._root, pattern, self._digests)
            yield from (path for path in {*before, *after} if before.get(path) != after.get(path))

    def _module_files(self) -> Iterator[str]:
        """The source of every loaded module that is neither in the standard library nor in an installed package."""
        for module in list(sys.modules.values()):
            file = _attribute(module, "__file__")
            # Thousands of modules: those that lie in a library as their path is written are passed over at once.
            if isinstance(file, str) and not file.startswith(self._skipped):
                full = os.path.abspath(file)
                if not self._is_skipped(full):
                    yield full

    def _searched(self) -> dict[str, dict[str, list[str]]]:
        """Each folder of the user's where modules were looked for, with the names asked for and the entries that answer."""
        folders = dict.fromkeys(("", folder) for folder in (*self._path_before, *sys.path))
        for name, module in list(sys.modules.items()):
            places = _attribute(module, "__path__") or ()
            folders.update({(name, str(place)): None for place in places if not self._is_skipped(str(place))})
        asked: dict[str, set[str]] = {}
        for name in (*sys.modules, *self._names):
            parent, _, child = name.rpartition(".")
            asked.setdefault(parent, set()).add(child)
        searched: dict[str, set[str]] = {}
        for parent, place in folders:
            full = os.path.abspath(place)
            if parent in asked and not self._is_skipped(full):
                searched.setdefault(full, set()).update(asked[parent])
        return {
            self._shown(folder): {"asked": sorted(names), "found": importable(folder, names)}
            for folder, names in sorted(searched.items())
        }

    def _shown(self, path: str) -> str:
        return relative_to(self._root, path)


_OPENS = frozenset({"open", "sqlite3.connect"})
_LISTS = frozenset({"os.listdir", "os.scandir"})
_STARTS = frozenset({"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn"})
_EVENTS = _OPENS | _LISTS | _STARTS | {"socket.connect"}

_PlainEnviron = type(os.environ)


class _WatchedEnviron(_PlainEnviron):  # type: ignore[valid-type, misc]
    """`os.environ` while a recording is under way."""

    def __getitem__(self, name: str) -> str:
        if not getattr(_inside, "busy", False):
            _inside.busy = True
            try:
                frame = sys._getframe(1)
                while frame.f_back is not None and frame.f_globals.get("__name__") in _ASKS_FOR_OTHERS:
                    frame = frame.f_back
                for recorder in _recording:
                    recorder.asked(name, frame.f_code.co_filename)
            finally:
                _inside.busy = False
        value: str = super().__getitem__(name)
        return value


# `get`, `in` and `os.getenv` end in `__getitem__`.
_ASKS_FOR_OTHERS = frozenset({"os", "_collections_abc", "collections.abc"})

_recording: list[Recorder] = []
_inside = threading.local()
_hooked: list[bool] = []


def _install_hook() -> None:
    """Adds the audit hook, once a process: a hook cannot be taken away."""
    if not _hooked:
        sys.addaudithook(_hook)
        _hooked.append(True)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in _EVENTS or not _recording or getattr(_inside, "busy", False):
        return
    _inside.busy = True
    try:
        caller = str(sys._getframe(1).f_globals.get("__name__", ""))
        for recorder in _recording:
            recorder.observe(event, arguments, caller)
    finally:
        _inside.busy = False


def _path(argument: object) -> str | None:
    """The absolute path of an audited argument, None for a file descriptor and for a database in memory."""
    if not isinstance(argument, str | bytes | os.PathLike) or argument == ":memory:":
        return None
    path = os.fsdecode(argument)
    if path.startswith("file:"):  # the form in which sqlite3 takes a path with options
        path = path.removeprefix("file:").partition("?")[0]
    return os.path.abspath(path)


def _program(event: str, arguments: tuple[Any, ...]) -> str:
    """The name of the program that an audited call starts."""
    if event == "subprocess.Popen":
        program = arguments[0] or (arguments[1] if isinstance(arguments[1], str | bytes) else arguments[1][0])
    else:
        program = arguments[1] if event == "os.spawn" else arguments[0]
    return os.path.basename(os.fsdecode(program).partition(" ")[0])


def _attribute(module: object, name: str) -> Any:
    """The attribute as it stands in the module; modules that load on demand are not made to load by the question."""
    return getattr(module, "__dict__", {}).get(name)


def _finds_modules(caller: str, folder: str) -> bool:
    package = caller.partition(".")[0]
    return package in _FINDERS and (package != "pkgutil" or folder in map(os.path.abspath, sys.path))


def _source_of(cached: str) -> str:
    """The source file of a .pyc in `__pycache__`; a .pyc that stands alone is itself the source."""
    try:
        source = source_from_cache(cached)
    except ValueError:
        return cached
    return source if os.path.exists(source) else cached
