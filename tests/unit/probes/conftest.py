"""The fixture of these tests."""

from __future__ import annotations

from projects import project

__all__ = ["project"]
