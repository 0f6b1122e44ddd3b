"""Raw features of every kind, and every step of prepare on those that it fits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pytest_mlspec.language.names import PREPARATIONS, TRANSFORMERS

ROWS = 40


def table() -> pd.DataFrame:
    """Numbers with gaps, an infinite one, booleans, categories with gaps, dates and texts."""
    random = np.random.default_rng(0)
    age = random.gamma(2.0, 20.0, ROWS)
    age[3] = np.nan
    fee = random.normal(30.0, 9.0, ROWS)
    fee[7] = np.inf
    plan = random.choice(["basic", "plus", "pro"], ROWS).astype(object)
    plan[5] = None
    return pd.DataFrame(
        {
            "age": age,
            "fee": fee,
            "member": random.random(ROWS) < 0.5,
            "store": random.integers(100, 105, ROWS),
            "plan": plan,
            "city": random.choice(["Ulm", "Köln", "Bonn"], ROWS),
            "since": pd.date_range("2024-01-30 06:00", periods=ROWS, freq="31h"),
            "day": [f"{1 + number % 28:02d}/{1 + number % 12:02d}/2024" for number in range(ROWS)],
            "text": [" ".join(random.choice(WORDS, 1 + number % 9)) for number in range(ROWS)],
        }
    )


WORDS = ["Card", "payment", "failed", "why", "is", "my", "top-up", "pending", "?", "the", "fee", "é", "refund"]


def numbers() -> pd.DataFrame:
    """Finite positive numbers alone."""
    return table()[["age", "store"]].fillna(30.0).assign(fee=np.linspace(1.0, 5.0, ROWS), score=np.arange(ROWS) % 7)


TOKENIZER = f"{__name__}:tokenizer"
"""A function that makes a tokenizer of transformers of the training texts, as a spec names it."""


def tokenizer(texts: list[str], **settings: Any) -> Any:
    """Words in the order of the alphabet, with a token before and behind."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *sorted({word for text in texts for word in text.split()})]
    made = Tokenizer(models.WordLevel({token: number for number, token in enumerate(tokens)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=made,
        **{"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", **settings},
    )


def pixels() -> Any:
    """Images [N, H, W, C] of bytes."""
    return np.random.default_rng(0).integers(0, 256, (ROWS, 6, 5, 3), dtype=np.uint8)


_TRANSFORMER_ARGUMENTS: dict[str, dict[str, Any]] = {
    **{name: {"n_components": 1} for name in ("CCA", "PLSCanonical", "PLSSVD")},
    **{name: {"n_components": 3} for name in ("GaussianRandomProjection", "SparseRandomProjection")},
    **{name: {"n_clusters": 3} for name in ("Birch", "BisectingKMeans", "KMeans", "MiniBatchKMeans")},
    **{name: {"score_func": "f_classif", "alpha": 1.0} for name in ("SelectFdr", "SelectFpr", "SelectFwe")},
    "GenericUnivariateSelect": {"score_func": "f_classif", "mode": "k_best", "param": 2},
    "SelectKBest": {"score_func": "f_regression", "k": 2},
    "SelectPercentile": {"score_func": "f_classif", "percentile": 60},
    "DictionaryLearning": {"n_components": 2, "max_iter": 3},
    "MiniBatchDictionaryLearning": {"n_components": 2, "max_iter": 3},
    "NeighborhoodComponentsAnalysis": {"max_iter": 3},
    "BernoulliRBM": {"n_components": 4, "n_iter": 2},
    "FactorAnalysis": {"max_iter": 5000},
    "FastICA": {"n_components": 2, "max_iter": 2000},
    "KBinsDiscretizer": {"n_bins": 3, "quantile_method": "averaged_inverted_cdf"},
    "Nystroem": {"n_components": 10},
    "QuantileTransformer": {"n_quantiles": 9},
    "RandomTreesEmbedding": {"n_estimators": 2},
}
_OF_NUMBERS = ["age", "fee", "store"]
_STEPS: dict[str, tuple[dict[str, Any], ...]] = {
    "none": ({},),
    "standard": ({},),
    "impute": ({}, {"strategy": "mean", "add_indicator": True}, {"strategy": "constant", "fill_value": 0}),
    "standardize": ({}, {"with_mean": False, "columns": _OF_NUMBERS}),
    "min_max": ({}, {"feature_range": [-1, 1], "clip": True}),
    "robust_scale": ({}, {"quantile_range": [10.0, 90.0]}),
    "quantile": ({}, {"n_quantiles": 7, "output_distribution": "normal"}),
    "log1p": ({"columns": ["age", "store"]},),
    "one_hot": ({}, {"min_frequency": 12}, {"drop": "if_binary", "columns": ["plan", "member", "store"]}),
    "ordinal": ({}, {"columns": ["city", "store"]}),
    "ids": ({}, {"min_frequency": 12, "columns": ["plan", "store"]}),
    "dates": ({}, {"cyclic": True, "parts": ["days", "week", "hour", "month"]}),
    "tokenize": (
        {"columns": ["text"]},
        {"columns": ["text"], "length": 4, "ngrams": 2, "buckets": 50, "vocabulary": 9},
        {"columns": ["text", "city"], "kind": "bpe", "vocabulary": 290, "length": 12},
    ),
    "tokenizer": (
        {"path": TOKENIZER, "columns": ["text"]},
        {"path": TOKENIZER, "columns": ["text", "city"], "length": 6},
    ),
    "tfidf": ({"columns": ["text"]}, {"columns": ["text"], "ngram_range": [1, 2], "max_features": 12}),
    "count": ({"columns": ["text"], "lowercase": False}, {"columns": ["text"], "analyzer": "char"}),
    "images": ({}, {"mean": [0.5], "std": [0.25]}, {"mean": [0.1, 0.2, 0.3], "std": [1, 2, 3]}),
}


def _whole(step: str, arguments: dict[str, Any]) -> tuple[Any, list[dict[str, Any]]]:
    """Features that a step fits, and the steps that leave nothing but numbers and ids."""
    declared = {"use": step, **arguments}
    if step == "images":
        return pixels(), [declared]
    features = (
        table()
        if step in ("dates", "tokenize", "tokenizer", "tfidf", "count")
        else table().drop(columns=["since", "day", "text"])
    )
    if step == "none":
        return features[["age", "fee", "member"]], [declared]
    if "text" not in features:
        return features, [declared] if step in ("standard", "ids") and not arguments else [declared, {"use": "one_hot"}]
    of_text = [] if step != "dates" else [{"use": "tfidf", "columns": ["text"]}]
    of_dates = [{"use": "dates", "columns": ["day"], "format": "%d/%m/%Y"}]
    return features, [
        declared,
        *of_text,
        *of_dates,
        *([] if step == "dates" else [{"use": "dates"}]),
        {"use": "one_hot"},
    ]


def of_steps() -> list[tuple[Any, list[dict[str, Any]]]]:
    """Every named step with each of its arguments, on features that it fits."""
    assert _STEPS.keys() == PREPARATIONS.keys()
    return [_whole(step, arguments) for step, each in _STEPS.items() for arguments in each]


def of_transformers() -> list[dict[str, Any]]:
    """Every transformer of scikit-learn by its class name, for `numbers()`."""
    return [{"use": name, **_TRANSFORMER_ARGUMENTS.get(name, {})} for name in TRANSFORMERS]
