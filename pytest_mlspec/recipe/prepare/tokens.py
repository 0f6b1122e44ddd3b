"""`tokenize`: texts become ids for embeddings, int64 [N, L]; 0 is padding, 1 an unknown word.

The tokenizer (Hugging Face tokenizers) is trained on the training texts, or comes from a file. What is cut is counted in the
frame's notes, and so is a text without a word; a missing text has none.

Shape letters: N rows, L ids of a text, W words of a text.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlspec.errors import DataError, MissingExtraError
from pytest_mlspec.recipe.prepare.counts import columns_of_text, texts_of
from pytest_mlspec.recipe.prepare.frame import KEY, Frame

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from pytest_mlspec.language.spec import Use
    from pytest_mlspec.recipe.protocol import NumpyArray

_PADDING, _UNKNOWN = "<pad>", "<unk>"
_VOCABULARY = 20_000
_BUCKETS = 20_000
LONGEST_BY_ITSELF = 128
_TEXTS_AT_ONCE = 10_000


class Tokenize:
    """Texts as ids, each of `length`; with `ngrams: 2` the ids of pairs of neighbours follow behind the words.

    Without a `length` it is that of the longest training text, at most 128. A pair has one of `buckets` ids by a hash of its
    words, as in fastText, so no pair is unknown.
    """

    def __init__(self, use: Use, root: Path) -> None:
        self._use = use
        self._root = root
        self._of_learned: Tokenizer | None = None
        self.learned: Mapping[str, Any] = {}

    def fit(self, frame: Frame, targets: NumpyArray) -> None:
        """Trains the tokenizer on the texts of `frame`, or reads it."""
        given = self._use.arguments
        columns = columns_of_text(self._use, frame)
        texts = [text for column in columns for text in texts_of(frame, column)]
        tokenizer = _read(self._root / given["file"], given["file"]) if "file" in given else _trained(texts, given)
        length = given.get("length")
        if length is None:
            longest = max((len(each) for ids, _ in _encoded(tokenizer, texts, None) for each in ids), default=0)
            length = max(1, min(longest, LONGEST_BY_ITSELF))
        buckets = given.get("buckets", _BUCKETS) if given.get("ngrams", 1) == 2 else 0
        words = 1 + max(tokenizer.get_vocab().values())
        self.learned = {
            "columns": columns,
            "tokenizer": tokenizer.to_str(),
            "length": length,
            "words": words,
            "buckets": buckets,
        }

    def transform(self, frame: Frame) -> Frame:
        """The frame with ids in place of the texts."""
        ids, vocabularies, notes = dict(frame.ids), dict(frame.vocabularies), list(frame.notes)
        for column in self.learned["columns"]:
            ids[column], told = self._ids(frame, column)
            vocabularies[column] = self.learned["words"] + self.learned["buckets"]
            notes += told
        return replace(frame.without(self.learned["columns"]), ids=ids, vocabularies=vocabularies, notes=tuple(notes))

    def _ids(self, frame: Frame, column: str) -> tuple[NumpyArray, list[str]]:
        import numpy as np

        length = self.learned["length"]
        words_NW = np.zeros((len(frame), length), dtype=np.int64)
        cut = start = 0
        for ids, was_cut in _encoded(self._tokenizer(), texts_of(frame, column), length):
            words_NW[start : start + len(ids)] = ids
            start += len(ids)
            cut += was_cut
        empty = int((~words_NW.any(axis=1)).sum())
        notes = [f"{cut} of {len(frame)} texts of {column!r} were cut at {length} words"] if cut else []
        notes += [f"{empty} of {len(frame)} texts of {column!r} have no word"] if empty else []
        return _with_pairs(words_NW, self.learned["words"], self.learned["buckets"]), notes

    def _tokenizer(self) -> Tokenizer:
        if self._of_learned is None:
            self._of_learned = imported().Tokenizer.from_str(self.learned["tokenizer"])
        return self._of_learned


def imported() -> Any:
    """The package tokenizers; raises MissingExtraError where it is not installed."""
    # One thread, like every job: another one here would outlive a fork, and take a core from the job beside.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        import tokenizers
    except ImportError:
        raise MissingExtraError("tokenizers", extra="text", key=KEY) from None
    return tokenizers


def _trained(texts: Sequence[str], given: Mapping[str, Any]) -> Tokenizer:
    """A tokenizer trained on `texts`: of words and punctuation, or of pieces of words by byte pairs."""
    library = imported()
    is_bpe = given.get("kind", "word") == "bpe"
    made = library.Tokenizer((library.models.BPE if is_bpe else library.models.WordLevel)(unk_token=_UNKNOWN))
    of_case = [library.normalizers.Lowercase()] if given.get("lowercase", not is_bpe) else []
    made.normalizer = library.normalizers.Sequence([library.normalizers.NFC(), *of_case])
    asked = {
        "vocab_size": given.get("vocabulary", _VOCABULARY),
        "min_frequency": given.get("min_frequency", 1),
        "special_tokens": [_PADDING, _UNKNOWN],
        "show_progress": False,
    }
    if is_bpe:
        made.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=True)
        alphabet = library.pre_tokenizers.ByteLevel.alphabet()
        trainer = library.trainers.BpeTrainer(initial_alphabet=sorted(alphabet), **asked)
    else:
        made.pre_tokenizer = library.pre_tokenizers.Whitespace()
        trainer = library.trainers.WordLevelTrainer(**asked)
    made.train_from_iterator(texts, trainer, length=len(texts))
    written = json.loads(made.to_str())
    # Training registers the two special tokens as text to look for, and a text that holds "<pad>" would be padding.
    plain: Tokenizer = library.Tokenizer.from_str(json.dumps({**written, "added_tokens": []}))
    return plain


def _read(path: Path, name: str) -> Tokenizer:
    """The tokenizer in the file at `path`; raises DataError where it cannot be used."""
    library = imported()
    try:
        # Read here and not by the library, so that the file counts as an input of the job.
        tokenizer: Tokenizer = library.Tokenizer.from_str(path.read_text("utf-8"))
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror}", key=f"{KEY}.file") from error
    except Exception as error:  # the library raises no narrower class
        raise DataError(f"{name} holds no tokenizer: {error}", key=f"{KEY}.file") from error
    first = tokenizer.id_to_token(0)
    if first is not None and "pad" not in first.lower():
        raise DataError(
            f"the id 0 of {name} is the token {first!r}, and 0 is padding",
            key=f"{KEY}.file",
            advice="use a tokenizer whose first token is [PAD] or <pad>",
        )
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _encoded(tokenizer: Tokenizer, texts: Sequence[str], length: int | None) -> Iterator[tuple[list[list[int]], int]]:
    """The ids of `texts` a few thousand at a time, padded and cut to `length` where it is given, and how many were cut."""
    if length is not None:
        tokenizer.enable_truncation(length)
        tokenizer.enable_padding(length=length, pad_id=0)
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        found = tokenizer.encode_batch_fast(list(texts[start : start + _TEXTS_AT_ONCE]))
        yield [each.ids for each in found], sum(bool(each.overflowing) for each in found)


def _with_pairs(words_NW: NumpyArray, words: int, buckets: int) -> NumpyArray:
    """The ids [N, L] with those of each pair of neighbours right behind the last word: L = 2 W − 1."""
    import numpy as np

    rows, width = words_NW.shape
    if not buckets or width < 2:
        return words_NW
    ids_NL = np.zeros((rows, 2 * width - 1), dtype=np.int64)
    ids_NL[:, :width] = words_NW
    row, place = np.nonzero(words_NW[:, 1:])
    mixed = words_NW[row, place] * 0x9E3779B1 + words_NW[row, place + 1] * 0x85EBCA77
    behind = (words_NW != 0).sum(axis=1)
    ids_NL[row, behind[row] + place] = words + (mixed ^ (mixed >> 15)) % buckets
    return ids_NL
