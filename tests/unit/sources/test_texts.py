from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from pytest_mlspec.errors import DataError
from pytest_mlspec.recipe.protocol import Rows

Load = Callable[..., Rows]
Refused = Callable[..., DataError]


def test_every_line_is_a_text(tmp_path: Path, load: Load) -> None:
    """Packed or not; the rows have no target."""
    (tmp_path / "poems.txt.gz").write_bytes(gzip.compress("Grün\r\n  ist die Heide\n".encode()))
    rows = load("poems.txt.gz", labelled=False)
    assert isinstance(rows.features, pd.DataFrame)

    assert rows.features["text"].tolist() == ["Grün", "  ist die Heide"]
    assert rows.targets.shape == (2, 0)
    assert rows.place(1) == "poems.txt.gz:2"


def test_empty_lines_are_skipped_where_that_is_declared(tmp_path: Path, load: Load, refused: Refused) -> None:
    """A row keeps its line."""
    (tmp_path / "a.txt").write_text("\none\n \n\ntwo\n\n", "utf-8")
    error = refused("a.txt", labelled=False)
    rows = load("a.txt", labelled=False, skip_blank=True)

    assert error.message == "a.txt:1: an empty line among the texts"
    assert "skip_blank: true" in error.advice
    assert [rows.place(0), rows.place(1)] == ["a.txt:2", "a.txt:5"]


def test_a_file_that_holds_no_text_is_refused(tmp_path: Path, refused: Refused) -> None:
    """Or none in UTF-8."""
    (tmp_path / "empty.txt").write_text("\n", "utf-8")
    (tmp_path / "latin.txt").write_bytes(b"one\ngr\xfcn\n")

    assert refused("empty.txt", labelled=False).message == "empty.txt is empty"
    assert refused("latin.txt", labelled=False).message == "latin.txt:2: not UTF-8 at byte 6"


def test_texts_alone_teach_no_classes(tmp_path: Path, refused: Refused) -> None:
    """A task with a target needs one."""
    (tmp_path / "a.txt").write_text("one\n", "utf-8")

    assert "no target is declared" in refused("a.txt").message
