"""A module whose forward names what it takes: of a forward with `**tokens` no exporter can tell which axes are free."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

from torch import nn


def with_named_arguments(module: nn.Module, names: Iterable[str]) -> nn.Module:
    """`module` itself, or where its forward takes arguments by any name, one around it that takes these."""
    parameters = inspect.signature(module.forward).parameters.values()
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return module
    return _Named(module, names)


class _Named(nn.Module):
    """Exporters read the signature of forward, so that of this one is made for each module."""

    def __init__(self, module: nn.Module, names: Iterable[str]) -> None:
        super().__init__()
        self.module = module

        def forward(**named: Any) -> Any:
            return module(**named)

        taken = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names]
        forward.__signature__ = inspect.Signature(taken)  # type: ignore[attr-defined]
        self.forward = forward
