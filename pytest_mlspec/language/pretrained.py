"""`model: {use: pretrained, …}`: the arguments of models that were trained before, by engine, and what pins one. No imports."""

from __future__ import annotations

import re
from collections.abc import Mapping

PRETRAINED = "pretrained"

PLACES = frozenset({"path", "name", "revision"})
"""Where the model lies: `path`, a folder or the import path of a function that gives one; `name`, on the hub at `revision`."""

ARGUMENTS: Mapping[str, frozenset[str]] = {
    "sentence_transformers": frozenset({"max_length"}),
    "transformers": frozenset(),
}
"""The engines that start from such a model, with what a spec may say to it beside where it lies."""

_COMMIT = re.compile(r"[0-9a-f]{40}", re.ASCII)


def is_commit(revision: object) -> bool:
    """True for the SHA of a commit: a name such as `main` is another model tomorrow."""
    return isinstance(revision, str) and _COMMIT.fullmatch(revision) is not None
