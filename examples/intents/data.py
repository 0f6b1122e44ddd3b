"""Banking77: what does a customer of a bank want? 77 intents of short messages."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd


def load() -> dict[str, pd.DataFrame]:
    """10,003 messages for training and 3,080 for the test, 40 of each intent."""
    folder = Path(os.environ["MLSPEC_DATA"]) / "banking77"
    return {split: pd.read_csv(folder / f"{split}.csv.gz") for split in ("train", "test")}
