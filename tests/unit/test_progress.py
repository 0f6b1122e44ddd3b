"""The line that tells of a job while an item waits for it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from pytest_mlspec.report.progress import ProgressLine, progress_text

NEWS = {"epoch": 3, "epochs": 10, "loss": 0.25}
TITLE = "wine: train (seed 0)"
TEXT = "wine: train (seed 0): epoch 3 of 10, loss 0.25"


@dataclass
class Screen:
    """A clock that stands still unless it is set, and all that was written."""

    now: float = 100.0
    written: list[str] = field(default_factory=list)

    def line(self, columns: int | None) -> ProgressLine:
        """A line that begins now."""
        return ProgressLine(self.written.append, columns=columns, clock=lambda: self.now)


@pytest.fixture
def screen() -> Screen:
    return Screen()


def test_short_job_on_a_terminal(screen: Screen) -> None:
    """Nothing is shown of a job of less than two seconds."""
    line = screen.line(80)
    screen.now += 1.9
    line.show(TITLE, NEWS)
    line.clear()

    assert screen.written == []


def test_long_job_on_a_terminal(screen: Screen) -> None:
    """The line stands below what was there, is rewritten at most ten times a second, and is wiped out in the end."""
    line = screen.line(80)
    screen.now += 2
    line.show(TITLE, NEWS)
    line.show(TITLE, NEWS)
    screen.now += 0.2
    line.show(TITLE, {})
    line.clear()

    assert screen.written == [
        f"\n{TEXT}",
        "\r" + f"{TITLE}: running".ljust(len(TEXT)),
        "\r" + " " * len(f"{TITLE}: running") + "\r",
    ]


def test_several_jobs_on_a_terminal(screen: Screen) -> None:
    """One of them is shown until it has told nothing for a second: a line that changed between them could not be read."""
    line = screen.line(80)
    screen.now += 2
    line.show(TITLE, NEWS)
    screen.now += 0.5
    line.show("wine: train (seed 1)", NEWS)
    line.show(TITLE, {})
    screen.now += 1
    line.show("wine: train (seed 1)", NEWS)

    assert [text.strip() for text in screen.written] == [
        TEXT,
        f"{TITLE}: running",
        TEXT.replace("seed 0", "seed 1"),
    ]


def test_narrow_terminal(screen: Screen) -> None:
    """A line that would wrap is cut, as it could not be rewritten."""
    line = screen.line(20)
    screen.now += 2
    line.show(TITLE, NEWS)

    assert screen.written == [f"\n{TEXT[:19]}"]


def test_file_or_pipe(screen: Screen) -> None:
    """Where a line cannot be rewritten there is a whole one every 30 seconds, and nothing to wipe out."""
    line = screen.line(None)
    screen.now += 29
    line.show(TITLE, NEWS)
    screen.now += 1
    line.show(TITLE, NEWS)
    screen.now += 29
    line.show(TITLE, NEWS)
    screen.now += 1
    line.show(TITLE, NEWS)
    line.clear()

    assert screen.written == [f"\n{TEXT}\n", f"\n{TEXT}\n"]


@pytest.mark.parametrize(
    ("news", "text"),
    [
        ({}, "running"),
        ({"step": 7}, "step 7"),
        (
            {"epoch": 1, "epochs": 2, "step": 30, "steps": 60, "loss": 1.23456},
            "epoch 1 of 2, step 30 of 60, loss 1.235",
        ),
    ],
)
def test_progress_text(news: dict[str, int | float], text: str) -> None:
    """How far the job has come, and its numbers."""
    assert progress_text(news) == text
