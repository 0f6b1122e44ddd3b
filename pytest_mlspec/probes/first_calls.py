"""The time that modules spend in calls nobody asked to be timed, such as those of an engine that restores a model."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any

from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook


class ForwardTime:
    """Within it, adds up the time of the outermost calls of modules in `milliseconds`."""

    def __init__(self) -> None:
        self.milliseconds = 0.0
        self._depth = 0
        self._began = 0.0

    def __enter__(self) -> ForwardTime:
        self._hooks = (
            register_module_forward_pre_hook(self._begins),
            register_module_forward_hook(self._ends, always_call=True),
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for hook in self._hooks:
            hook.remove()

    def _begins(self, *call: Any) -> None:
        if self._depth == 0:
            self._began = time.perf_counter()
        self._depth += 1

    def _ends(self, *call: Any) -> None:
        self._depth -= 1
        if self._depth == 0:
            self.milliseconds += 1e3 * (time.perf_counter() - self._began)
