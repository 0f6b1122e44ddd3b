"""What docs/python.md shows of the checks without a spec runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

GUIDE = Path(__file__).parents[2] / "docs" / "python.md"


def test_the_assertions_of_the_guide_hold() -> None:
    """The last of its examples, as a script."""
    *_, example = re.findall(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)

    exec(compile(example, GUIDE.name, "exec"), {"__name__": "guide"})
