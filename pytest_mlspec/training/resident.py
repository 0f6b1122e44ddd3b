"""What this process holds in memory, as the system counts it; imports no torch, because engines without it ask too."""

from __future__ import annotations

import resource
import sys


def peak_memory() -> int:
    """The largest resident memory of this process so far, in bytes; its interpreter and its libraries are part of it."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
