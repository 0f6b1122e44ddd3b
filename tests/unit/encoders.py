"""Tiny encoders of texts, made in a folder: a random BERT of two layers, and pairs of texts of ten subjects."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

WORDS = tuple(f"w{number}" for number in range(50))
LONGEST = 32

PAIRS: Mapping[str, Any] = {
    "task": "embedding",
    "data": {
        "source": "pairs.csv",
        "columns": {"anchor": "question", "positive": "answer"},
        "split": {"test": 0.25},
    },
    "model": {"use": "pretrained", "path": "tiny"},
    "train": {
        "engine": {"use": "sentence_transformers"},
        "epochs": 2,
        "batch_size": 16,
        "optimizer": {"use": "adamw", "lr": 1e-3},
    },
    "checks": ["embeddings"],
}
"""A spec of the encoder in `tiny` on the pairs in `pairs.csv`."""


def write_pairs(root: Path, rows: int = 64) -> None:
    """Writes `pairs.csv`: questions and answers of ten subjects, each with five words of its own, and a score and labels."""
    draw = random.Random(0)
    table = []
    for number in range(rows):
        subject = draw.randrange(10)
        words = WORDS[5 * subject : 5 * subject + 5]
        other = WORDS[(5 * subject + 20) % 50 :][:5]
        fits = draw.random() < 0.5
        table.append(
            {
                "id": number,
                "question": " ".join(draw.choices(words, k=6)),
                "answer": " ".join(draw.choices(words, k=draw.randrange(3, 20))),
                "wrong": " ".join(draw.choices(other, k=5)),
                "second": " ".join(draw.choices(words if fits else other, k=6)),
                "fits": int(fits),
                "score": 0.9 if fits else 0.1,
                "subject": f"s{subject}",
            }
        )
    pd.DataFrame(table).to_csv(root / "pairs.csv", index=False)


def write_encoder(folder: Path, *, extra_ids: int = 0) -> None:
    """Saves the encoder; with `extra_ids` its tokenizer has more ids than the model has rows."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Normalize, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    special = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
    known = (*special, *WORDS)
    more = tuple(f"x{number}" for number in range(extra_ids))
    tokenizer = Tokenizer(models.WordLevel({word: at for at, word in enumerate((*known, *more))}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(known),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder / "bert")
    PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=LONGEST,
    ).save_pretrained(folder / "bert")
    modules = [Transformer(str(folder / "bert"), max_seq_length=LONGEST), Pooling(32), Normalize()]
    SentenceTransformer(modules=modules, device="cpu").save_pretrained(str(folder), create_model_card=False)
