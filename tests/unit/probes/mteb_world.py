"""A small world of texts for tests of tasks: an encoder that knows which words belong together, and data in every layout."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ENCODER = '''
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

TOPICS = {"fruit": "apple pear plum", "animal": "dog cat cow", "metal": "iron gold zinc"}
WORDS = [word for words in TOPICS.values() for word in words.split()]

def made(weights):
    tokenizer = Tokenizer(WordLevel({"?": 0, **{word: number for number, word in enumerate(WORDS, 1)}}, unk_token="?"))
    tokenizer.pre_tokenizer = Whitespace()
    module = StaticEmbedding(tokenizer, embedding_weights=weights.numpy())
    return SentenceTransformer(modules=[module], device="cpu")

def knowing():
    """Words of a topic lie close together."""
    generator = torch.Generator().manual_seed(0)
    weights = 0.3 * torch.randn(1 + len(WORDS), 16, generator=generator)
    for number in range(len(WORDS)):
        weights[1 + number, number // 3] += 3
    return made(weights)

def random():
    return made(torch.randn(1 + len(WORDS), 2, generator=torch.Generator().manual_seed(1)))

def diverged():
    return made(torch.full((1 + len(WORDS), 16), float("nan")))
'''

_TOPICS = {"fruit": "apple pear plum", "animal": "dog cat cow", "metal": "iron gold zinc"}


def texts() -> list[tuple[str, str]]:
    """Texts of two words with their topic, in a mixed order."""
    pairs = [
        (f"{first} {second}", topic)
        for topic, words in _TOPICS.items()
        for first in words.split()
        for second in words.split()
    ]
    return pairs[::2] + pairs[1::2]


def classification() -> dict[str, list[dict[str, Any]]]:
    """Each topic twelve times and more to fit on, nine texts each to test."""
    rows = [{"text": text, "label": topic} for text, topic in texts()]
    return {"train": rows * 2, "test": rows}


def pairs(label: str, *, yes: float, no: float) -> dict[str, list[dict[str, Any]]]:
    """Pairs of texts of the same topic, and of different ones."""
    rows = [
        {"sentence1": one, "sentence2": other, label: yes if its == others else no}
        for number, (one, its) in enumerate(texts())
        for other, others in texts()[number % 3 :: 3]
    ]
    return {"test": rows}


def clustering() -> dict[str, list[dict[str, Any]]]:
    """Texts with their topic, under the names that mteb has for them."""
    return {"test": [{"sentences": text, "labels": topic} for text, topic in texts()]}


def retrieval(folder: Path, *, ending: str = ".jsonl", swapped: bool = False) -> None:
    """Documents of each topic, a query for each, and the judgements; with `swapped` those of the next topic."""
    topics = list(_TOPICS)
    documents = [{"_id": f"d{number}", "title": "", "text": text} for number, (text, _) in enumerate(texts())]
    queries = [{"_id": f"q{topic}", "text": _TOPICS[topic].split()[0]} for topic in topics]
    shift = 1 if swapped else 0
    relevant = [
        {"query-id": f"q{topics[(topics.index(topic) + shift) % 3]}", "corpus-id": f"d{number}", "score": 1}
        for number, (_, topic) in enumerate(texts())
    ]
    for name, rows in (("corpus", documents), ("queries", queries), ("qrels/test", relevant)):
        write(folder / f"{name}{ending}", rows)


def write(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """The rows in the format that the name of the file tells."""
    import pandas as pd

    file.parent.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame(rows)
    plain = file.name.removesuffix(".gz")
    if plain.endswith(".parquet"):
        table.to_parquet(file)
        return
    text = table.to_csv(index=False, sep="\t" if plain.endswith(".tsv") else ",")
    if plain.endswith(".jsonl"):
        text = "".join(f"{json.dumps(dict(row))}\n" for row in rows)
    file.write_bytes(gzip.compress(text.encode()) if file.suffix == ".gz" else text.encode())


def write_splits(folder: Path, splits: Mapping[str, Sequence[Mapping[str, Any]]], ending: str = ".jsonl") -> None:
    """A file for each split."""
    for split, rows in splits.items():
        write(folder / f"{split}{ending}", rows)
