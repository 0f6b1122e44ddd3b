"""When the end of a worker process may be raised in the training: while it waits for a batch, and at no other time."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import FrameType
from typing import Any


class _ChildSignals:
    """SIGCHLD, whose handler raises that a worker has ended, wherever the main thread may be.

    Torch installs that handler with the first workers of a process. `handler` is the last one that was not `pass_by`.
    """

    def __init__(self) -> None:
        self.handler: Any = None

    def hold_back(self) -> None:
        """Lets nothing be raised from here on."""
        current = signal.getsignal(signal.SIGCHLD)
        if current != self.pass_by:
            self.handler = current
        signal.signal(signal.SIGCHLD, self.pass_by)

    def let_through(self) -> None:
        """Puts torch's handler back in its place."""
        current = signal.getsignal(signal.SIGCHLD)
        signal.signal(signal.SIGCHLD, self.handler if current == self.pass_by else current)

    def pass_by(self, signum: int, frame: FrameType | None) -> None:
        """Lets a signal pass."""


_CHILD_SIGNALS = _ChildSignals()


@contextmanager
def deaths_held_back() -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """Gives the block within which the end of a worker is raised: at once, or when the block begins.

    Anywhere else nobody could tell it from another error of the training.
    """
    if not hasattr(signal, "SIGCHLD") or threading.current_thread() is not threading.main_thread():
        yield nullcontext
        return

    @contextmanager
    def heard() -> Iterator[None]:
        try:
            _CHILD_SIGNALS.let_through()
            handler = signal.getsignal(signal.SIGCHLD)
            if callable(handler):
                handler(signal.SIGCHLD, None)
            yield
        finally:
            _CHILD_SIGNALS.hold_back()

    _CHILD_SIGNALS.hold_back()
    try:
        yield heard
    finally:
        _CHILD_SIGNALS.let_through()
