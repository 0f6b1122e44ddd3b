"""The worker process around the target: cut off from the server, its output in the log, its result on the channel.

The channel is a socket that carries one JSON object a line: the request in, then `started`, any number of `progress`
and exactly one `result` or `error` out. A process that ends without one of the last two has failed.
"""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import importlib
import json
import os
import resource
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NoReturn

from pytest_mlspec.errors import ErrorRecord, MlspecError, RecipeError, UserCodeError
from pytest_mlspec.store.environment import relative_to
from pytest_mlspec.tracebacks import users_traceback
from pytest_mlspec.workers.shadows import shadow_behind
from pytest_mlspec.workers.tasks import Surroundings, exit_code, exit_error, internal_error

PR_SET_PDEATHSIG = 1
BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]); import pytest_mlspec; del sys.path[0]; "
    "from pytest_mlspec.workers.{module} import main; main(*sys.argv[2:])"
)
"""What a new interpreter runs: this package, wherever it lies, without its folder on the path of the user's code."""


def command(module: str, *arguments: str) -> list[str]:
    """The command line of a new interpreter that runs `main(*arguments)` of a module of this package."""
    return [sys.executable, "-P", "-c", BOOT.format(module=module), str(Path(__file__).parents[2]), *arguments]


def prctl(option: int, value: int) -> None:
    """Sets a property of this process on Linux; nothing elsewhere."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def detach(server: int, log: str) -> None:
    """Makes this new process the leader of its own session, which dies with `server` and writes to `log`."""
    os.setsid()
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:  # it died before the line above could bind us to it
        os._exit(1)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(name, signal.SIG_DFL)
    output = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)


def become_interpreter(channel: socket.socket, surroundings: Surroundings, *, other_hash_seed: bool) -> NoReturn:
    """Replaces this process by a new interpreter that serves the same channel."""
    environment = dict(os.environ)
    if other_hash_seed:
        environment["PYTHONHASHSEED"] = str((int(environment["PYTHONHASHSEED"]) + 1) % 2**32)
    channel.set_inheritable(True)
    arguments = command("child", str(channel.fileno()), json.dumps(asdict(surroundings)))
    os.execve(arguments[0], arguments, environment)


def fail(channel: socket.socket, error: BaseException) -> None:
    """Sends an error that came before the target could be called."""
    channel.sendall(_line({"error": internal_error(error).to_json()}))


def main(channel: str, surroundings: str) -> None:
    """Runs the request of the channel, given as the number of its socket, in a new interpreter."""
    inherited = socket.socket(fileno=int(channel))
    inherited.set_inheritable(False)
    serve(inherited, Surroundings.from_json(json.loads(surroundings)))


def serve(channel: socket.socket, surroundings: Surroundings) -> NoReturn:
    """Runs the one request of `channel` and ends the process: exit code 0 where it sent a result or an error."""
    process = os.getpid()
    code, line = _answer(channel, surroundings)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # the disk is full, or user code has closed the stream: the result still counts
            continue
    if line and os.getpid() == process:  # else it is a fork of user code that came back to us: not ours to answer for
        channel.sendall(line)
    os._exit(code)


def _answer(channel: socket.socket, surroundings: Surroundings) -> tuple[int, bytes]:
    """The exit code of the process and the last line for its channel, empty where user code interrupted it."""
    try:
        _settle(surroundings)
        lock = threading.Lock()
        channel.sendall(_line({"started": os.getpid()}))
        with channel.makefile("rb") as lines:
            request = json.loads(lines.readline())

        def report(progress: dict[str, Any]) -> None:
            with lock:
                channel.sendall(_line({"progress": progress}))

        return 0, _line({"result": _target(surroundings.target)(request, report)})
    except SystemExit as error:
        record = exit_error(error, Path(surroundings.root))
        print(record.details, end="", file=sys.stderr)
        return exit_code(error), _line({"error": record.to_json()})
    except KeyboardInterrupt:
        traceback.print_exc()
        return 128 + signal.SIGINT, b""
    except BaseException as error:
        return 0, _line({"error": _record(error, surroundings).to_json()})


def _record(error: BaseException, surroundings: Surroundings) -> ErrorRecord:
    """The record of an exception; where a file of the project hides a module of the standard library, it names the file."""
    ours = isinstance(error, MlspecError) and not isinstance(error, UserCodeError)
    shadow = None if ours else shadow_behind(error, surroundings.python_path)
    if shadow is None:
        return ErrorRecord.of(error) if isinstance(error, MlspecError) else internal_error(error)
    shown = relative_to(Path(surroundings.root), str(shadow.file))
    advice = f"rename {shown}: `import {shadow.name}` finds either it or a module of Python's standard library"
    if isinstance(error, UserCodeError):
        return replace(ErrorRecord.of(error), advice=advice)
    line = str(error).strip().partition("\n")[0]
    told = RecipeError(
        f"{shown} hides Python's own module {shadow.name}: {type(error).__name__}: {line}",
        advice=advice,
        details=users_traceback(error),
    )
    return ErrorRecord.of(told)


def _settle(surroundings: Surroundings) -> None:
    """Gives user code the process it expects: live output, its folder, its import path, and stacks when it crashes."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]
    faulthandler.enable(all_threads=True)
    faulthandler.register(signal.SIGUSR1, all_threads=True, chain=False)
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    gc.enable()
    os.chdir(surroundings.root)
    sys.path[:] = dict.fromkeys((*surroundings.python_path, *sys.path))
    importlib.invalidate_caches()
    del sys.argv[1:]  # ours; user code that parses a command line sees an empty one


def _target(path: str) -> Callable[[dict[str, Any], Callable[[dict[str, Any]], None]], dict[str, Any]]:
    module, _, name = path.partition(":")
    function: Callable[[dict[str, Any], Callable[[dict[str, Any]], None]], dict[str, Any]]
    function = getattr(importlib.import_module(module), name)
    return function


def _line(record: dict[str, Any]) -> bytes:
    return json.dumps(record).encode() + b"\n"
