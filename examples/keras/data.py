"""Palmer penguins: which of three species is it?"""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd


def load() -> pd.DataFrame:
    """344 penguins of three islands; some were not measured, some have no known sex."""
    table = pd.read_csv(Path(os.environ["MLSPEC_DATA"]) / "penguins" / "penguins.csv")
    return table.dropna(subset=["bill_length_mm"]).drop_duplicates()
