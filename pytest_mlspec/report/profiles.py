"""The profiles of a run in the terminal: where the time of its trainings went."""

from __future__ import annotations

from pathlib import Path

NOTHING = "no training was profiled: those of the engine torch are"


def profile_lines(folder: Path) -> list[str]:
    """The summaries that the jobs wrote to `folder`, a blank line between them; a sentence where there is none."""
    summaries = [path.read_text("utf-8").splitlines() for path in sorted(folder.glob("*.txt"))]
    if not summaries:
        return [NOTHING]
    return [line for summary in summaries for line in (*summary, "")][:-1]
