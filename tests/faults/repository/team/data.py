"""The team's data. Apart from the pipeline, since pandas takes longer to import than most jobs take, and few load data."""

from __future__ import annotations

import pandas as pd


def load(path: str) -> pd.DataFrame:
    """The samples, one a row."""
    return pd.read_csv(path)


def load_with_shuffled_labels(path: str) -> pd.DataFrame:
    """The fault: the diagnoses are joined by position, after a shuffle."""
    table = load(path)
    table["diagnosis"] = table["diagnosis"].sample(frac=1, random_state=0).to_numpy()
    return table
