"""Rows 35 to 40 of the list of bad inputs: what a worker finds in the data is a red `data` that names rows and the remedy.

Each test is one run of pytest over several specs.
"""

from __future__ import annotations

import pytest

from .conftest import Folder
from .tables import HEADER, table, with_targets

pytestmark = pytest.mark.slow

OWN_CODE = {
    "team/__init__.py": "",
    "team/splits.py": """
def split(rows):
    late = rows.features["x"].to_numpy() > 99       # no row is so late
    return {"train": rows.take((~late).nonzero()[0]), "test": rows.take(late.nonzero()[0])}
""",
    "team/codes.py": """
def prepare(rows, fitted):
    codes = (rows.targets == "yes").astype(int)
    codes[3] = 5
    return rows.features[["a"]].to_numpy(), codes


def fit_prepare(rows):
    return None
""",
}

LATE = "split: {time: x}"
"""The last fifth of the rows is the test split."""


def _assert_told(result: pytest.RunResult, red: int, lines: list[str]) -> None:
    """Each of `lines` is there, so many items are red, and nothing of ours is in a traceback."""
    result.stdout.fnmatch_lines_random(lines)
    result.assert_outcomes(failed=red)
    result.stdout.no_re_match_line(r".*(Traceback|pytest_mlspec/.*\.py).*")
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_no_rows(folder: Folder) -> None:
    """Row 35: a file without rows, and a split that a filter leaves empty."""
    folder.write({**OWN_CODE, "nothing.csv": "", "header.csv": f"{HEADER}\n", "rows.csv": table()})
    folder.specs(
        nothing="{source: nothing.csv, target: y}",
        header="{source: header.csv, target: y}",
        filtered="{source: rows.csv, target: y}\nrecipe: team.splits",
        small="{source: rows.csv, target: y, split: {test: 0.7, val: 0.299}}",
    )

    _assert_told(
        folder.run(),
        4,
        [
            "nothing.mlspec.yaml:*  data ERROR: data.source: nothing.csv is empty",
            "header.mlspec.yaml:*  data ERROR: data.source: header.csv has 0 rows",
            "filtered.mlspec.yaml:*  data ERROR: *0 rows in split test",
            "small.mlspec.yaml:*  data ERROR: data.split: 0 rows in split train*",
        ],
    )


def test_labels(folder: Folder) -> None:
    """Rows 36, 37, 38: one class, a label out of range, and the one that losses leave out."""
    folder.write(
        {
            **OWN_CODE,
            "single.csv": with_targets("yes"),
            "sorted.csv": table({line: f"{line - 2},{line % 7},no" for line in range(2, 70)}),
            "fifth.csv": table({9: "7,3.5,5"}).replace("yes", "1").replace("no", "0"),
            "minus.csv": table({9: "7,3.5,-1"}).replace("yes", "1").replace("no", "0"),
            "ignored.csv": table({9: "7,3.5,-100", 12: "10,3.5,-100"}).replace("yes", "1").replace("no", "0"),
            "measured.csv": with_targets(*(number / 7 for number in range(60))),
            "rows.csv": table(),
        }
    )
    folder.specs(
        single="{source: single.csv, target: y}",
        several="{source: single.csv, target: y}\ntask: multiclass",
        sorted=f"{{source: sorted.csv, target: y, {LATE}}}",
        fifth="{source: fifth.csv, target: y}",
        minus="{source: minus.csv, target: y}",
        ignored="{source: ignored.csv, target: y}\ntask: multiclass",
        measured="{source: measured.csv, target: y}\ntask: multiclass",
        codes="{source: rows.csv, target: y}\nrecipe: team.codes",
    )

    _assert_told(
        folder.run(),
        8,
        [
            "single.mlspec.yaml:*  data ERROR: data.target: the column 'y' has 1 class, and the task binary needs 2: yes",
            "several.mlspec.yaml:*  data ERROR: data.target: the column 'y' has one class alone: yes",
            "sorted.mlspec.yaml:*  data FAILED: one class alone in train: 'no'*",
            "*rows of test with a class that train lacks: yes 4*",
            "fifth.mlspec.yaml:*needs 2: 0, 1, 5; the rarest is 5, 1 row, the first is fifth.csv:9",
            "minus.mlspec.yaml:*needs 2: -1, 0, 1; the rarest is -1, 1 row, the first is minus.csv:9",
            "ignored.mlspec.yaml:*has the class -100, which losses leave out: 2 rows, the first is ignored.csv:*",
            "  next: leave these rows out in your own load, or give the class another number",
            "measured.mlspec.yaml:*the column 'y' has 60 classes in 80 rows",
            "codes.mlspec.yaml:*  data ERROR: recipe.prepare: *has the target 5: allowed are 0 … 1",
        ],
    )


def test_values_that_are_not_finite(folder: Folder) -> None:
    """Row 39: the column and the row are named; nothing infinite is imputed, a missing value only where that is declared."""
    folder.write(
        {
            "infinite.csv": table({9: "7,inf,no", 12: "10,-inf,no"}),
            "absent.csv": table({9: "7,,no"}),
            "unlabelled.csv": table({9: "7,3.5,"}),
            "endless.csv": with_targets(1.5, 2.5, 4.0, 3.0, last="inf"),
        }
    )
    folder.specs(
        infinite=f"{{source: infinite.csv, target: y, {LATE}, prepare: standard}}",
        absent=f"{{source: absent.csv, target: y, {LATE}, prepare: standardize}}",
        imputed=f"{{source: absent.csv, target: y, {LATE}, prepare: standard}}",
        unlabelled=f"{{source: unlabelled.csv, target: y, {LATE}}}",
        endless=f"{{source: endless.csv, target: y, {LATE}}}\ntask: regression",
    )
    result = folder.run()

    result.stdout.fnmatch_lines_random(
        [
            "infinite.mlspec.yaml:*  data FAILED: infinite values in train: a 2 (n=80)",
            "  first rows: a in infinite.csv:9, infinite.csv:12",
            "absent.mlspec.yaml:*  data FAILED: nulls of train reach the model: a 1 (n=80)",
            "  first rows: a in absent.csv:9",
            "unlabelled.mlspec.yaml:*  data ERROR: data.target: unlabelled.csv:9 has no target: the column 'y' is empty in 1*",
            "endless.mlspec.yaml:*  data FAILED: targets of test missing or not finite: 1, column 'y' (n=80)",
            "  first rows: y in endless.csv:81",
        ]
    )
    result.assert_outcomes(failed=4, passed=1)
    result.stdout.no_re_match_line(r".*(Traceback|pytest_mlspec/.*\.py).*")


def test_rows_of_other_forms_and_rows_that_leak(folder: Folder) -> None:
    """Row 40: too many fields, texts among numbers, the same rows in both splits, and a column that is the target."""
    folder.write(
        {
            "ragged.csv": table({9: "7,3.5,no,maybe"}),
            "mixed.csv": table({9: "7,unknown,no", 12: "10,unknown,no"}),
            "twice.csv": table(dict.fromkeys(range(9, 60, 3), "5,7.25,no")),
            "copied.csv": "\n".join(f"{line},{line.rpartition(',')[2]}" for line in table().splitlines()).replace(
                "y,y", "y,z"
            ),
            "summed.csv": "x,a,b,y\n"
            + "".join(f"{n},{n * 37 % 101},{n * n % 53},{n * 37 % 101 + n * n % 53}\n" for n in range(90)),
        }
    )
    folder.specs(
        ragged="{source: ragged.csv, target: y}",
        mixed="{source: mixed.csv, target: y}",
        twice="{source: twice.csv, target: y}",
        copied="{source: copied.csv, target: y}",
        summed="{source: summed.csv, target: y}\ntask: regression",
    )

    _assert_told(
        folder.run(),
        5,
        [
            "ragged.mlspec.yaml:*  data ERROR: data.source: ragged.csv:9: 4 fields, and the header has 3",
            "mixed.mlspec.yaml:*  data FAILED: 2 of 80 values in column a are text, the others numbers (n=80)",
            "  *'unknown' in mixed.csv:9*",
            "twice.mlspec.yaml:*  data FAILED: rows shared by train and test: 1, at most 0 (n=80)",
            "  equal rows in train/test: twice.csv:* = twice.csv:*",
            "copied.mlspec.yaml:*  data FAILED: z alone tells y: 1, at most 0.99 (n=80)",
            "  it is the target itself (80 rows)",
            "summed.mlspec.yaml:*  data FAILED: y is exactly a + b (n=90)",
            "  next: leave it out: `data.drop: [[]a, b]`; *",
        ],
    )
