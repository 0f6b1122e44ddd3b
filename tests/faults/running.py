"""A team's repository made in a folder, pytest run over its specs as users run it, and what it reported read back."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

import pandas as pd
from sklearn.datasets import load_breast_cancer

SECONDS = 600
"""What one run may take on a machine that does much else."""


@dataclass(frozen=True)
class Item:
    """One item of a report; `text` is what a red or skipped one tells, `properties` its measured values by name."""

    outcome: Literal["passed", "failed", "skipped"]
    text: str
    properties: Mapping[str, str]

    @property
    def headline(self) -> str:
        """The first line, without the place in front of it."""
        return self.text.partition("\n")[0].partition("  ")[2]


@dataclass(frozen=True)
class Report:
    """What a run reported: the items of each spec file, by the names of file and item."""

    specs: Mapping[str, Mapping[str, Item]]

    def names(self, spec: str, outcome: Literal["passed", "failed", "skipped"]) -> set[str]:
        """The items of `spec` that ended so."""
        return {name for name, item in self.specs[spec].items() if item.outcome == outcome}

    def red(self, spec: str) -> set[str]:
        """The items of `spec` that failed."""
        return self.names(spec, "failed")


def make_repository(root: Path) -> None:
    """The team's code, and its data: as they are, with an empty cell, and with an infinite value."""
    code = Path(__file__).parent / "repository"
    shutil.copytree(code, root, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    found = load_breast_cancer(as_frame=True)
    cells = found.data.iloc[:, :8].rename(columns=lambda name: str(name).replace(" ", "_"))
    cells["clinic"] = ["north" if number % 3 else "south" for number in range(len(cells))]
    cells["diagnosis"] = [str(found.target_names[code]) for code in found.target]
    (root / "data").mkdir(exist_ok=True)
    cells.to_csv(root / "data" / "cells.csv", index=False)
    for name, value in (("with_a_gap", None), ("with_an_infinity", float("inf"))):
        _with_value(cells, value).to_csv(root / "data" / f"{name}.csv", index=False)


def run(root: Path, folder: str) -> None:
    """Runs pytest over the specs in `folder` of the repository, and leaves its report there as `report.xml`.

    Raises RuntimeError where the run did not come to its end with some claims red, as both runs must.
    """
    report = root / folder / "report.xml"
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "--mlspec", folder, f"--junitxml={report}", "-p", "no:cacheprovider"],
        cwd=root,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if ended.returncode != 1:
        report.unlink(missing_ok=True)
        raise RuntimeError(f"pytest ended with exit code {ended.returncode}\n{ended.stdout}")


def read_report(root: Path, folder: str) -> Report:
    """The report that `run` left."""
    specs: dict[str, dict[str, Item]] = {}
    for case in ElementTree.parse(root / folder / "report.xml").iter("testcase"):
        spec = case.attrib["classname"].partition(".mlspec.yaml.")[0].removeprefix(f"{folder}.")
        specs.setdefault(spec, {})[case.attrib["name"]] = _item(case)
    return Report(specs)


def _item(case: ElementTree.Element) -> Item:
    properties = {each.attrib["name"]: each.attrib["value"] for each in case.iter("property")}
    for tag, outcome in (("failure", "failed"), ("error", "failed"), ("skipped", "skipped")):
        found = case.find(tag)
        if found is not None:
            return Item(outcome, found.text or found.attrib.get("message", ""), properties)  # type: ignore[arg-type]
    return Item("passed", "", properties)


def _with_value(cells: pd.DataFrame, value: float | None) -> pd.DataFrame:
    """The table with this value in one cell of one row."""
    table = cells.copy()
    table.loc[17, "mean_area"] = value
    return table
