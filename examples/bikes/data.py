"""Bike sharing in Washington, hour by hour through two years: how many bikes are rented?"""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd


def load() -> pd.DataFrame:
    """17,379 hours in the order of time. The columns `casual` and `registered` add up to the target `cnt`."""
    return pd.read_csv(Path(os.environ["MLSPEC_DATA"]) / "bike-sharing" / "hour.csv.gz")
