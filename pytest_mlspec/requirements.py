"""What a spec requires of the machine, held against what is there."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version

from pytest_mlspec.language.spec import Requires
from pytest_mlspec.store import environment


def missing(requires: Requires) -> str:
    """What is absent, in words; empty where everything is there. The values of variables are never shown."""
    absent = [f"the package {name}" for name in requires.packages if not _installed(name)]
    absent += [f"the environment variable {name}" for name in requires.environment if name not in os.environ]
    if requires.gpu and not environment.device_class().startswith("cuda"):
        absent.append("a GPU")
    return ", ".join(absent)


def _installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True
