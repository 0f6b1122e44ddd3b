"""German credit (UCI Statlog): which of 1,000 loans were a good risk?"""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd


def load() -> pd.DataFrame:
    """1,000 rows; the source writes 1 for a good risk and 2 for a bad one."""
    table = pd.read_csv(Path(os.environ["MLSPEC_DATA"]) / "german-credit" / "german.csv")
    return table.assign(risk=table["risk"].map({1: "good", 2: "bad"}))
