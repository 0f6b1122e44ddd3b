"""The server process: forks workers, holds each to its limits, and leaves none of their processes behind.

It runs nothing but the preload, imports and one optimiser step: no user code, no source of data, no estimator, whose threads
would make forked children hang. It has one thread, so that a fork is safe. It ends, and everything that it started with
it, when the other end of its control socket closes: only the pytest process holds that.
"""

from __future__ import annotations

import gc
import json
import os
import selectors
import signal
import socket
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import NoReturn

import psutil

from pytest_mlspec.workers import child, processes
from pytest_mlspec.workers.tasks import Ending, Limits, Start, Surroundings

POLL_SECONDS = 0.1  # how often memory and time are looked at
STACK_SECONDS = 0.3  # what a worker over its time limit gets to write its stacks
SWELL_SECONDS = 0.05  # the same over its memory limit, where every moment costs
IDLE_SECONDS = 0.5
PR_SET_CHILD_SUBREAPER = 36
# Imported and never called: a pool of threads begins with the first call, and a fork would lose its threads.
IMPORTED_BY_JOBS = (
    *("pandas", "sklearn.compose", "sklearn.datasets", "sklearn.dummy", "sklearn.impute", "sklearn.metrics"),
    *("sklearn.neighbors", "sklearn.pipeline"),
    *("pytest_mlspec.workers.job", "pytest_mlspec.recipe.taken", "pytest_mlspec.engines.torch"),
)


@dataclass(frozen=True)
class Order:
    """What the pytest process asks of the server: one worker, started so, with this log and these limits."""

    start: Start
    log: str
    limits: Limits


@dataclass
class Worker:
    """A running worker. `doom` is the end that it is to have, at the time `kill_at`; `peak` is its most memory so far."""

    channel: socket.socket
    limits: Limits
    deadline: float
    peak: int = 0
    doom: Ending | None = None
    kill_at: float = float("inf")


def main(control: str, surroundings: str, parent: str, preload: str) -> None:
    """Serves the control socket, given as its number, until the pytest process `parent` closes it or ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    child.prctl(child.PR_SET_PDEATHSIG, signal.SIGKILL)  # the preload cannot watch the socket
    if preload == "torch":
        preload_torch()
    server = Server(socket.socket(fileno=int(control)), Surroundings.from_json(json.loads(surroundings)), int(parent))
    child.prctl(
        child.PR_SET_PDEATHSIG, 0
    )  # from here on the end of the socket is the sign: workers are to be killed too
    server.serve()


def preload_torch() -> None:
    """Imports torch, all that the first optimiser imports, and what most jobs import; nothing without torch.

    So forked workers need not: each saves two to three seconds.

    No backward pass: where there is a CUDA driver, autograd would start threads that a fork loses.
    """
    gc.disable()
    try:
        import torch
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        return
    torch.set_num_threads(1)
    weight = torch.nn.Parameter(torch.zeros(2))
    weight.grad = torch.zeros(2)
    torch.optim.AdamW([weight]).step()
    del weight
    for module in IMPORTED_BY_JOBS:
        import_module(module)
    gc.collect()
    gc.freeze()
    sys.stdout.flush()


class Server:
    """The loop of the server process."""

    def __init__(self, control: socket.socket, surroundings: Surroundings, parent: int) -> None:
        self._control = control
        self._surroundings = surroundings
        self._parent = parent
        self._pid = os.getpid()
        self._workers: dict[int, Worker] = {}
        self._next_poll = 0.0
        self._wake, self._waker = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        for end in (self._wake, self._waker):
            end.setblocking(False)
        for end in (self._wake, self._control):
            self._selector.register(end, selectors.EVENT_READ)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        for name in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(name, lambda *_: None)  # the byte on the wake-up socket tells the loop
        child.prctl(PR_SET_CHILD_SUBREAPER, 1)  # what a worker's processes orphan comes to us, to be killed

    def serve(self) -> None:
        """Forks and watches workers until the control socket ends, SIGTERM arrives or the pytest process is gone."""
        try:
            while self._attend():
                self._reap()
                self._enforce()
        finally:
            self._end_all()

    def _attend(self) -> bool:
        """Waits for something to do and starts the worker that was asked for; False when the server is to end."""
        for key, _ in self._selector.select(self._patience()):
            if key.fileobj is self._wake and signal.SIGTERM in self._wake.recv(4096):
                return False
            if key.fileobj is self._control and not self._accept():
                return False
        return os.getppid() == self._parent  # another fork of the pytest process may hold our socket open

    def _patience(self) -> float:
        if not self._workers:
            return IDLE_SECONDS
        until = min(worker.kill_at for worker in self._workers.values()) - time.monotonic()
        return min(max(until, 0.0), POLL_SECONDS)

    def _accept(self) -> bool:
        """Starts the worker of the next order; False at the end of the control socket."""
        try:
            head, descriptors, _, _ = socket.recv_fds(self._control, 4, 1)
            if not descriptors:
                return False
            channel = socket.socket(fileno=descriptors[0])
            channel.set_inheritable(False)
            size = int.from_bytes(head + _receive(self._control, 4 - len(head)), "big")
            fields = json.loads(_receive(self._control, size))
        except ConnectionError:
            return False
        order = Order(fields["start"], fields["log"], Limits(**fields["limits"]))
        try:
            pid = os.fork()
        except OSError as error:
            _end(channel, Ending(f"no worker could be started: {error.strerror}"))
            return True
        if pid == 0:
            self._become_worker(channel, order)
        self._workers[pid] = Worker(channel, order.limits, time.monotonic() + order.limits.seconds)
        return True

    def _become_worker(self, channel: socket.socket, order: Order) -> NoReturn:
        """What the forked process does: it lets go of all that is the server's, serves its channel and never returns."""
        try:
            child.detach(self._pid, order.log)
            self._selector.close()
            for end in (self._control, self._wake, self._waker, *(worker.channel for worker in self._workers.values())):
                end.close()
            if order.start == "fork":
                child.serve(channel, self._surroundings)
            child.become_interpreter(channel, self._surroundings, other_hash_seed=order.start == "fresh")
        except BaseException as error:
            child.fail(channel, error)
        finally:
            os._exit(1)

    def _enforce(self) -> None:
        """Dooms the workers that are over a limit, and kills those whose last moment has come."""
        now = time.monotonic()
        if now >= self._next_poll:
            self._next_poll = now + POLL_SECONDS
            for pid, worker in self._workers.items():
                if worker.doom is None:
                    self._judge(pid, worker, now)
        for pid, worker in self._workers.items():
            if now >= worker.kill_at:
                worker.kill_at = float("inf")
                processes.kill(pid)

    def _judge(self, pid: int, worker: Worker, now: float) -> None:
        limits = worker.limits
        if limits.memory is not None:
            worker.peak = max(worker.peak, used := processes.memory(pid))
            if used > limits.memory:
                worker.kill_at = now + SWELL_SECONDS
                worker.doom = Ending(
                    f"the worker was killed: memory {processes.size(used)}, over its limit of {processes.size(limits.memory)}",
                    "raise limits.memory, or make the model or the batches smaller; the log ends with the stacks",
                    "limits.memory",
                )
        if now >= worker.deadline and worker.doom is None:
            worker.kill_at = now + STACK_SECONDS
            worker.doom = Ending(
                f"the worker was killed: over its time limit of {limits.seconds:g} s",
                "raise limits.time, or train for less; the log ends with the stacks of where it was",
                "limits.time",
            )
        if worker.doom is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGUSR1)  # faulthandler writes the stacks, even while C code holds the GIL

    def _reap(self) -> bool:
        """Takes leave of the workers that ended, and of all that they left behind; True while processes remain."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                break
            worker = self._workers.pop(pid, None)
            if worker is not None:
                processes.kill(pid)
                peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
                _end(worker.channel, worker.doom or processes.describe(status, max(peak, worker.peak)))
        if not self._workers:  # while one runs, an orphan may be its daemon
            for orphan in psutil.Process().children():
                with suppress(psutil.Error):
                    orphan.kill()
        return True

    def _end_all(self) -> None:
        """Hangs up, so that no more tasks come, and kills the workers and all that they started."""
        self._control.close()
        for pid, worker in self._workers.items():
            worker.doom = worker.doom or Ending("the worker was killed: its server was told to end")
            processes.kill(pid)
        deadline = time.monotonic() + 2
        while self._reap() and time.monotonic() < deadline:
            time.sleep(0.01)


def _end(channel: socket.socket, ending: Ending) -> None:
    """Tells the pytest process how a worker ended. A newline first: the worker may have died within a line."""
    with channel, suppress(OSError):
        channel.sendall(b"\n" + json.dumps({"ended": asdict(ending)}).encode() + b"\n")


def _receive(connection: socket.socket, size: int) -> bytes:
    """Exactly `size` bytes; raises ConnectionResetError where the connection ends before."""
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise ConnectionResetError
        data += part
    return data
