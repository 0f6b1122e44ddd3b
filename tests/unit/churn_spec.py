"""A spec as text, for tests that change a few words of it and look at what becomes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_mlspec.errors import SpecError
from pytest_mlspec.language.declared import Declared, read

CHURN = """\
mlspec: 1
name: churn
task: binary
data:
  source: data/churn.csv
  target: churned
  split: {test: 0.2, val: 0.1}
model: {use: mlp, hidden: [8]}
train:
  optimizer: {use: adamw, lr: 3e-3}
  epochs: 10
checks: [standard]
gates:
  test.accuracy: {at_least: 0.9}
"""

Change = tuple[str, str]
"""What stands once in the spec, and what replaces it."""


def specs(root: Path, *changes: Change, text: str = CHURN) -> list[Declared]:
    """The specs of `text` with `changes`, read from a file in `root`, where the table is."""
    for old, new in changes:
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the spec"
        text = text.replace(old, new)
    (root / "data").mkdir(exist_ok=True)
    (root / "data" / "churn.csv").write_text("age,churned\n30,no\n", "utf-8")
    file = root / "churn.mlspec.yaml"
    file.write_text(text, "utf-8")
    return read(file, root=root)


def spec(root: Path, *changes: Change, text: str = CHURN) -> Declared:
    """The one spec of `text` with `changes`."""
    (declared,) = specs(root, *changes, text=text)
    return declared


def told(root: Path, *changes: Change, text: str = CHURN) -> str:
    """What a user is told of a spec that cannot be read, without the name of the file and of the root directory."""
    with pytest.raises(SpecError) as caught:
        specs(root, *changes, text=text)
    return caught.value.message.replace("churn.mlspec.yaml:", "").replace(str(root), "ROOT")


def remedy(root: Path, *changes: Change) -> tuple[str, str]:
    """What a user is told of the only mistake of a spec: what was found, and the one line of advice below it."""
    found, _, advice = told(root, *changes).partition("\n    ")
    assert "\n" not in advice, advice
    return found, advice
