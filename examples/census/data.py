"""The census of 1994 (UCI adult): does a person earn more than 50,000 dollars a year? The source has split it."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd


def load() -> dict[str, pd.DataFrame]:
    """32,561 rows for training and 16,281 for the test. `?` is a missing value; test labels end with a dot in the source."""
    folder = Path(os.environ["MLSPEC_DATA"]) / "adult"
    splits = {split: pd.read_csv(folder / f"adult-{split}.csv.gz", na_values=["?"]) for split in ("train", "test")}
    for table in splits.values():
        table["income"] = table["income"].str.rstrip(".")
    return splits
