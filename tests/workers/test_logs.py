"""What is read of a worker's log."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_mlspec.workers.logs import LINES_SHOWN, log_end, warnings_in

LOG = """\
epoch 1
{root}/team/data.py:13: UserWarning: the table: is old
  warnings.warn("the table: is old")
{root}/team/data.py:13: UserWarning: the table: is old
/usr/lib/python3/site-packages/torch/nn.py:7: FutureWarning: gone soon
2026-11-02 12:30: Warning of the team's own
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log with two warnings of Python."""
    path = tmp_path / "log.txt"
    path.write_text(LOG.format(root=tmp_path), "utf-8")
    return path


def test_warnings_of_python_are_found_once(log: Path, tmp_path: Path) -> None:
    """As one line each, without the line of source."""
    assert list(warnings_in(str(log), root=tmp_path)) == [
        "team/data.py:13: UserWarning: the table: is old",
        "/usr/lib/python3/site-packages/torch/nn.py:7: FutureWarning: gone soon",
    ]


def test_the_end_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    """Of a long one as well."""
    (tmp_path / "log.txt").write_text("".join(f"{number}\n" for number in range(100_000)), "utf-8")

    lines = log_end(str(tmp_path / "log.txt")).splitlines()

    assert lines == [str(number) for number in range(100_000 - LINES_SHOWN, 100_000)]


def test_where_there_is_no_log_there_is_nothing(tmp_path: Path) -> None:
    """A job that ran in the pytest process has none."""
    assert log_end(str(tmp_path / "log.txt")) == ""
    assert list(warnings_in(str(tmp_path / "log.txt"), root=tmp_path)) == []
