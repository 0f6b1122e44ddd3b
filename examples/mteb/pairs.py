"""Messages to a bank, two of the same intent each: what the model is trained on."""

from __future__ import annotations

import pandas as pd

from examples.mteb.places import banking77


def load(each: int = 16) -> pd.DataFrame:
    """`each` pairs of every one of 77 intents, from the training messages."""
    messages = pd.read_csv(banking77() / "train.csv.gz").drop_duplicates("text")
    of_intent = messages.groupby("category")["text"]
    first, second = (of_intent.nth(slice(start, 2 * each, 2)).reset_index(drop=True) for start in (0, 1))
    return pd.DataFrame({"message": first, "another": second})
