"""The page of what can be asked of which engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_mlspec.__main__ import main
from pytest_mlspec.engines import ENGINES
from pytest_mlspec.report import engines_page

PAGE = Path(__file__).parents[2] / "docs" / "engines.md"


def rows(page: str) -> dict[str, list[str]]:
    """The cells of each row of every table, by the first."""
    lines = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("|")]
    return {cells[0]: cells for cells in lines}


def test_the_documentation_is_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """After a change: `python -m pytest_mlspec engines > docs/engines.md`."""
    assert main(["engines"]) == 0

    assert capsys.readouterr().out == PAGE.read_text("utf-8")


def test_a_claim_has_a_cell_for_each_engine() -> None:
    """`yes`, or the number of the reason why not."""
    page = engines_page()
    table = rows(page)
    resumes = dict(zip(table["check"], table["`resumes`*"], strict=True))

    assert len(table["`overfit`*"]) == len(ENGINES) + 1
    assert (resumes["`torch`"], resumes["`lightning`"], resumes["`keras`"]) == ("yes", "yes", "yes")
    assert f"\n{resumes['`sklearn`'].strip('[]')}. an estimator of scikit-learn cannot be interrupted" in page


def test_measures_of_a_family_with_the_same_answers_share_a_row() -> None:
    """And those that differ stand by themselves."""
    table = rows(engines_page())

    assert any("`latency.…`" in name for name in table)
    assert "`train.memory_growth`" in table
