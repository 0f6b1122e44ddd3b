"""`Embed`: the geometry of the embeddings of test texts, and what should not change them.

Norms and spread are those of `encode`, which production calls. What should not change an embedding is compared in float64
where the encoder can compute in that, so that rounding cannot hide a dependence.

Shape letters: N texts, D dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlspec.engines import ENGINES
from pytest_mlspec.engines.outside import from_outside
from pytest_mlspec.errors import MeasurementError
from pytest_mlspec.evidence import Geometry
from pytest_mlspec.jobs import Embed
from pytest_mlspec.probes.geometry import effective_rank, mean_cosine, relative
from pytest_mlspec.recipe.work import Result, Work

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from pytest_mlspec.engines.sentence_transformers.encoders import TextPredictor

# What the rounding of a sum in another order explains, as a share of the norm.
_TOLERANCE: Mapping[str, float] = {"float64": 1e-9, "float32": 1e-4}
# Texts that are compared one by one, and long ones whose end is changed.
_COMPARED, _ENDS = 16, 32
# A change of the last word moves an embedding by more than rounding does, however long the text.
_MOVED = 1e-7
_SHOWN = 80


def embed(job: Embed, work: Work) -> Result:
    """The geometry of the embeddings of texts of the test split (else validation, else training).

    Raises MeasurementError where there are less than two different texts.
    """
    engine = import_module(ENGINES.find(work.spec.train.engine.use).module)
    split, every = _texts(work)
    texts = [every[position] for position in np.unique(np.linspace(0, len(every) - 1, job.rows).astype(np.int64))]
    with from_outside("the encoder", key="model"):
        predictor: TextPredictor = engine.initial(work) if job.of is None else engine.restore(job.of, work)
        encoder = predictor.encoder
        found_ND = np.asarray(encoder.encode(texts, show_progress_bar=False), dtype=np.float64)
        precise = predictor.precise()
        differences, examples = _differences(precise, texts)
        lengths_N = np.array([len(ids) for ids in _ids(encoder, every)])
        limit = _limit(encoder)
        truncated_N = lengths_N > limit if limit else np.zeros(len(every), dtype=bool)
        longest = [every[at] for at in np.argsort(-lengths_N, kind="stable") if not truncated_N[at]][:_ENDS]
        ends, ignored = _ends(precise, longest)
    if truncated_N.any():
        examples["truncated"] = every[int(lengths_N.argmax())]
    if ignored:
        examples["end"] = ignored[0]
    norms_N = np.linalg.norm(found_ND, axis=1)
    return Result(
        Geometry(
            rows=len(texts),
            dimensions=found_ND.shape[1],
            norm_min=float(norms_N.min()),
            norm_max=float(norms_N.max()),
            mean_cosine=mean_cosine(found_ND),
            effective_rank=effective_rank(found_ND),
            differences=differences,
            tolerance=_TOLERANCE[precise.dtype],
            dtype=precise.dtype,
            texts=len(every),
            truncated=int(truncated_N.sum()),
            max_tokens=limit,
            ends=ends,
            ends_ignored=len(ignored),
            normalised=any(type(module).__name__ == "Normalize" for module in encoder.modules()),
            examples={name: _shown(text) for name, text in examples.items()},
            split=split,
            device=str(encoder.device),
        )
    )


def _limit(encoder: SentenceTransformer) -> int:
    """The tokens of a text that the encoder looks at; 0 where it looks at all."""
    found = encoder.max_seq_length
    return int(found) if found is not None and math.isfinite(found) else 0


def _texts(work: Work) -> tuple[str, list[str]]:
    """The split that is looked at, and its different texts, in the order in which they first stand there."""
    from pytest_mlspec.engines.sentence_transformers.encoders import texts_of

    splits = work.prepared.splits
    split = next(name for name in ("test", "val", "train") if len(splits.get(name, ())))
    columns = texts_of(splits[split].inputs)
    every = list(dict.fromkeys(text for row in zip(*columns.values(), strict=True) for text in row))
    texts = [text for text in every if isinstance(text, str) and text.strip()]
    if len(texts) < 2:
        raise MeasurementError(
            f"split {split} has {len(texts)} different text{'' if len(texts) == 1 else 's'}: 2 are needed"
        )
    return split, texts


def _differences(predictor: TextPredictor, texts: Sequence[str]) -> tuple[dict[str, float], dict[str, str]]:
    """The largest change of an embedding relative to its norm, by what should not change it, and the text of each."""
    some = [texts[position] for position in np.unique(np.linspace(0, len(texts) - 1, _COMPARED).astype(np.int64))]
    # one text long enough to pad all others, as far as the model takes it
    long = " ".join(some)
    order_N = np.random.default_rng(0).permutation(len(some))
    batch_ND, again_ND = predictor.embed(some), predictor.embed(some)
    shuffled_ND = np.empty_like(batch_ND)
    shuffled_ND[order_N] = predictor.embed([some[position] for position in order_N])
    alone_ND = np.concatenate([predictor.embed([text]) for text in some])
    padded_ND = np.stack([predictor.embed([text, long])[0] for text in some])
    beside_ND = np.stack([predictor.embed([text, _of_equal_length(predictor.encoder, text)])[0] for text in some])
    pairs = {
        "repeat": (again_ND, batch_ND),
        "order": (shuffled_ND, batch_ND),
        "companion": (beside_ND, alone_ND),
        "padding": (padded_ND, alone_ND),
        "alone": (alone_ND, batch_ND),
    }
    moved = {name: relative(one_ND, other_ND) for name, (one_ND, other_ND) in pairs.items()}
    return (
        {name: float(moved_N.max()) for name, moved_N in moved.items()},
        {name: some[int(moved_N.argmax())] for name, moved_N in moved.items()},
    )


def _of_equal_length(encoder: SentenceTransformer, text: str) -> str:
    """Another text of as many tokens: its words the other way round, where that is one; else the text itself."""
    other = " ".join(reversed(text.split()))
    one, two = _ids(encoder, [text, other])
    return other if len(one) == len(two) else text


def _ends(predictor: TextPredictor, texts: Sequence[str]) -> tuple[int, list[str]]:
    """How many texts could be given another last word, and those whose embedding stayed the same."""
    words = list(dict.fromkeys(word for text in texts for word in text.split()))
    tested, ignored = 0, []
    for text in texts:
        changed = _with_another_end(predictor.encoder, text, words)
        if changed is None:
            continue
        tested += 1
        if relative(predictor.embed([changed]), predictor.embed([text])).max() <= _MOVED:
            ignored.append(text)
    return tested, ignored


def _with_another_end(encoder: SentenceTransformer, text: str, words: Sequence[str]) -> str | None:
    """The text with another last word of other tokens; None for a single word, and where there is no such word."""
    kept = text.split()[:-1]
    (before,) = _ids(encoder, [text])
    for word in words if kept else ():
        changed = " ".join([*kept, word])
        if _ids(encoder, [changed]) != [before]:
            return changed
    return None


def _ids(encoder: SentenceTransformer, texts: Sequence[str]) -> list[list[Any]]:
    """The tokens of whole texts, nothing cut: ids where the tokenizer tells them, else words."""
    tokenizer = encoder.tokenizer
    if callable(tokenizer) and encoder.transformers_model is not None:
        found: list[list[Any]] = tokenizer(list(texts), truncation=False, verbose=False)["input_ids"]
        return found
    return [list(text.split()) for text in texts]


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
