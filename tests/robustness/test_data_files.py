"""Row 34 of the list of bad inputs: a file of data that cannot be read is an error at its key before anything runs."""

from __future__ import annotations

import os

import pytest

from .conftest import Folder
from .tables import table


def test_files_that_are_not_there_or_no_data(folder: Folder) -> None:
    """Exit code 2, each error in its place, no traceback; nothing is written."""
    folder.write({"rows.csv": table(), "folder.csv/inside.txt": "no table"})
    folder.specs(
        missing="{source: data/rows.csv, target: y}",
        misspelt="{source: row.csv, target: y}",
        address='{source: "https://example.org/rows.csv", target: y}',
        folder="{source: folder.csv, target: y}",
        outside="{source: ../rows.csv, target: y}",
        pickle="{source: rows.pkl, target: y}",
    )
    result = folder.run()

    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.assert_outcomes(errors=6)
    result.stdout.fnmatch_lines_random(
        [
            f"missing.mlspec.yaml:4:8  data.source: there is no file 'data/rows.csv' below the root directory {folder.root}",
            "misspelt.mlspec.yaml:4:8  data.source: there is no file 'row.csv' below *",
            "*did you mean 'rows.csv'?*",
            "address.mlspec.yaml:4:8  data.source: 'https://example.org/rows.csv' is an address, and nothing is fetched*",
            "folder.mlspec.yaml:4:8  data.source: 'folder.csv' is not a file*",
            "outside.mlspec.yaml:4:8  data.source: '../rows.csv' lies outside the root directory *",
            "pickle.mlspec.yaml:4:8  data.source: 'rows.pkl' is not of a format that is read*",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    assert not (folder.root / ".mlspec").exists()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads every file")
def test_file_without_permission(folder: Folder) -> None:
    """Exit code 2 with the remedy."""
    folder.write({"locked.csv": table()})
    (folder.root / "locked.csv").chmod(0)
    folder.specs(locked="{source: locked.csv, target: y}")
    result = folder.run()

    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(
        ["locked.mlspec.yaml:4:8  data.source: the file 'locked.csv' cannot be read: permission denied", "*chmod +r*"]
    )
