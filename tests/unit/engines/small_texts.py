"""Short texts that a small model of transformers learns in a second, and a team's modules around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from projects import Project

TEAM = """
import numpy as np
import pandas as pd
import torch
from torch import nn
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

GOOD, BAD, OTHER = ["good", "fine", "great"], ["bad", "poor", "awful"], ["the", "a", "was", "is", "very"]
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *GOOD, *BAD, *OTHER]

def texts(rows=160, classes=("good", "bad"), seed=0):
    random = np.random.default_rng(seed)
    found = []
    for row in range(rows):
        label = classes[row % len(classes)]
        words = list(random.choice(OTHER, random.integers(1, 6)))
        words.insert(random.integers(0, len(words) + 1), random.choice({"good": GOOD, "bad": BAD, "none": OTHER}[label]))
        found.append((" ".join(words) + f" {row}", label, float(len(words))))
    return pd.DataFrame(found, columns=["text", "label", "length"])

def binary():
    return texts()[["text", "label"]]

def multiclass():
    return texts(classes=("good", "bad", "none"))[["text", "label"]]

def lengths():
    return texts()[["text", "length"]]

def tokenizer(texts):
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    made = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.post_processor = processors.TemplateProcessing(single="[CLS] $A", special_tokens=[("[CLS]", 2)])
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]")

def config(**changes):
    small = dict(vocab_size=len(WORDS), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)
    return BertConfig(**{**small, "max_position_embeddings": 16, "pad_token_id": 0, **changes})

def build(**changes):
    return BertForSequenceClassification(config(**changes))
"""

DATA: Mapping[str, Any] = {
    "source": {"use": "team:binary"},
    "target": "label",
    "split": {"test": 0.2, "val": 0.2},
    "prepare": [{"use": "tokenizer", "path": "team:tokenizer", "length": 12}],
}
RATE: Mapping[str, Any] = {"use": "adamw", "lr": 3e-3}


def spec(
    model: str | Mapping[str, Any] = "team:build",
    *,
    data: Mapping[str, Any] | None = None,
    task: str = "binary",
    engine: Mapping[str, Any] | None = None,
    recipe: str | None = None,
    **train: Any,
) -> dict[str, Any]:
    """A training of two epochs, four steps each; a `recipe` brings the model itself where `model` is empty."""
    settings = {
        "engine": {"use": "transformers", **(engine or {})},
        "epochs": 2,
        "batch_size": 32,
        "optimizer": dict(RATE),
        "device": "cpu",
        **train,
    }
    found: dict[str, Any] = {"task": task, "data": {**DATA, **(data or {})}, "train": settings}
    if model:
        found["model"] = {"use": model} if isinstance(model, str) else dict(model)
    return found if recipe is None else {**found, "recipe": {"use": recipe}}


def write_team(project: Project) -> None:
    """Writes the module `team`."""
    project.write("team", TEAM)
