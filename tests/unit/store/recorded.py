"""What a piece of code reads in a small project, for tests of the recorder."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pytest_mlspec.store.inputs import Inputs
from pytest_mlspec.store.reads import Recorder

MODEL = """
import wave
from pathlib import Path

try:
    import churn_booster
except ImportError:
    churn_booster = None
try:
    from churn_demo import extra
except ImportError:
    extra = None

ROWS = Path("data/churn.csv").read_text()
IMAGES = sorted(path.name for path in Path("images").iterdir())
"""


def record(root: Path, run: Callable[[], object], *globs: str) -> Inputs:
    """What `run` reads in the project at `root`."""
    recorder = Recorder(root, globs=globs, ignore=[root / ".mlspec", root / "specs"])
    recorder.start()
    try:
        run()
    finally:
        recorder.stop()
    return recorder.inputs()


def train() -> None:
    """Imports the project's package and asks for a file that is not there."""
    importlib.import_module("churn_demo.model")
    with suppress(FileNotFoundError):
        Path("settings.json").read_text()
