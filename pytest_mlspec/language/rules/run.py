"""The rules of what stands around a training: tags, and what the machine must have."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pytest_mlspec.language.complaints import described
from pytest_mlspec.language.rules.mistake import Mistake

if TYPE_CHECKING:
    from pytest_mlspec.language.spec import Spec

_TAG = re.compile(r"[A-Za-z_]\w*", re.ASCII)
# These change what pytest does with a test: `xfail` would turn a red claim green.
_MARKS_OF_PYTEST = frozenset(
    {"filterwarnings", "parametrize", "skip", "skipif", "tryfirst", "trylast", "usefixtures", "xfail"}
)
_PACKAGE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_VARIABLE = re.compile(r"[^=\s]+")


def mistakes(spec: Spec) -> Iterator[Mistake]:
    """The mistakes of `tags` and `requires`."""
    for number, tag in enumerate(spec.tags):
        if not _TAG.fullmatch(tag) or keyword.iskeyword(tag):
            yield Mistake(
                ("tags", number), f"{described(tag)} cannot be a mark", "write letters, digits and underscores"
            )
        elif tag in _MARKS_OF_PYTEST or tag.startswith("mlspec"):
            yield Mistake(("tags", number), f"the mark {tag!r} has a meaning of its own", "take another word")
    for number, package in enumerate(spec.requires.packages):
        if not _PACKAGE.fullmatch(package):
            yield Mistake(
                ("requires", "packages", number),
                f"{described(package)} is no name of a package",
                "write the name alone: versions are not compared here",
            )
    for number, variable in enumerate(spec.requires.environment):
        if not _VARIABLE.fullmatch(variable):
            yield Mistake(
                ("requires", "environment", number),
                f"{described(variable)} is no name of an environment variable",
                "write the name alone: values are not compared here",
            )
