"""SMS spam (UCI 228): the messages, and a tokenizer made of those that the model is trained on."""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from pathlib import Path

import pandas as pd
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
SIZE = 2000


def load() -> pd.DataFrame:
    """Every message once: some were sent many times, and one that is in two splits would be learned by heart."""
    file = Path(os.environ["MLSPEC_DATA"]) / "sms-spam" / "SMSSpamCollection.tsv.gz"
    table = pd.read_csv(file, sep="\t", names=["label", "text"], quoting=csv.QUOTE_NONE)
    key = table["text"].str.lower().str.replace(r"\W+", " ", regex=True).str.strip()
    return table[~key.duplicated()].reset_index(drop=True)


def tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    """Whole words where they are frequent in `texts`, characters elsewhere.

    Written out, because a trainer of tokenizers may break ties by the order of a hash map, and then `reproducible` is red.
    """
    words = Counter(word for text in texts for word in re.findall(r"\w+|[^\w\s]", text.lower()))
    characters = sorted({character for word in words for character in word if character.isascii()})
    vocabulary = [*SPECIAL, *characters, *(f"##{character}" for character in characters)]
    frequent = sorted(words, key=lambda word: (-words[word], word))
    vocabulary += [word for word in frequent if len(word) > 1][: SIZE - len(vocabulary)]
    made = Tokenizer(models.WordPiece({token: number for number, token in enumerate(vocabulary)}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", SPECIAL.index("[CLS]")), ("[SEP]", SPECIAL.index("[SEP]"))]
    )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return PreTrainedTokenizerFast(tokenizer_object=made, model_input_names=["input_ids", "attention_mask"], **names)
