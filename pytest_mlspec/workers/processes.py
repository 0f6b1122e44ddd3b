"""The processes of a worker as the system sees them: which they are, what memory they use, how one ended.

A worker leads a session of its own, so its processes are those of its session: unlike the process group, a shell's job
control does not leave it.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress

import psutil

from pytest_mlspec.workers.tasks import Ending

CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT}


def kill(leader: int) -> None:
    """Kills the group and the session of `leader`, whether or not it still runs itself."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
    for pid in _session(leader):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def memory(leader: int) -> int:
    """Bytes resident in the processes of a session; what they share is counted for each."""
    used = 0
    for pid in _session(leader):
        with suppress(psutil.Error):
            used += psutil.Process(pid).memory_info().rss
    return used


def describe(status: int, peak: int) -> Ending:
    """What happened to a worker that ended by itself with this wait status."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return Ending(
            f"the worker ended without a result (exit code {code}): something called os._exit",
            "the log shows the last that it wrote; a training must return",
        )
    name = (signal.strsignal(-code) or "unknown").lower()
    if -code in CRASHES:
        return Ending(f"the worker crashed: {name} (signal {-code})", "the log ends with the stack of the crash")
    if -code == signal.SIGKILL:
        return Ending(
            f"the worker was killed by signal 9, perhaps by the system for want of memory (peak {size(peak)})",
            "set limits.memory below what the machine has, or run fewer jobs at a time",
        )
    return Ending(f"the worker was killed by signal {-code} ({name})")


def size(count: float) -> str:
    """A number of bytes as it is shown, in decimal units."""
    return f"{count / 1e9:.4g} GB" if count >= 1e9 else f"{count / 1e6:.4g} MB"


def _session(leader: int) -> list[int]:
    members = []
    for pid in psutil.pids():
        with suppress(OSError):
            if os.getsid(pid) == leader:
                members.append(pid)
    return members
