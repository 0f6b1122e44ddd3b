"""The census of 1994 (UCI adult), as it stands: words, numbers and missing values, with the weight of each person."""

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


def numbers() -> dict[str, pd.DataFrame]:
    """The same without its columns of words: what ONNX has a form for as it stands."""
    return {split: table.select_dtypes("number").assign(income=table["income"]) for split, table in load().items()}
