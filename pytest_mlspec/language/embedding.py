"""The task embedding: which columns belong together, and the losses that learn from them, by name and without imports.

Losses go by the snake_case form of the name that sentence-transformers gives them, without its ending `Loss`, and take its
arguments. Left out: those that a spec cannot write (a guide model, a distance as a function), and those that wrap another
loss; they are written as functions of one's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

FORMS: Mapping[str, tuple[str, ...]] = {
    "pairs": ("anchor", "positive"),
    "triplets": ("anchor", "positive", "negative"),
    "scored pairs": ("first", "second", "score"),
    "labelled pairs": ("first", "second", "label"),
    "labelled texts": ("text", "label"),
}
"""What the columns of a row are together, in the order in which a loss takes them."""

TEXTS = frozenset({"anchor", "positive", "negative", "first", "second", "text"})
"""The columns that hold texts; `score` holds numbers, `label` classes."""


@dataclass(frozen=True)
class EmbeddingLoss:
    """A loss of sentence-transformers: its class, the forms of data that it learns from, the arguments that a spec may give it.

    `labels` says what `label` holds: the number of any class, or 0 and 1, where 1 says that two texts belong together.
    """

    loss_class: str
    forms: tuple[str, ...]
    arguments: frozenset[str] = frozenset()
    labels: str = "classes"


_RANKED = ("pairs", "triplets")
_GROUPED = ("labelled texts",)

LOSSES: Mapping[str, EmbeddingLoss] = {
    "multiple_negatives_ranking": EmbeddingLoss(
        "MultipleNegativesRankingLoss",
        _RANKED,
        frozenset({"scale", "directions", "partition_mode", "hardness_mode", "hardness_strength"}),
    ),
    "cached_multiple_negatives_ranking": EmbeddingLoss(
        "CachedMultipleNegativesRankingLoss",
        _RANKED,
        frozenset({"scale", "directions", "partition_mode", "mini_batch_size"}),
    ),
    "triplet": EmbeddingLoss("TripletLoss", ("triplets",), frozenset({"triplet_margin"})),
    "cosine_similarity": EmbeddingLoss("CosineSimilarityLoss", ("scored pairs",)),
    "cosent": EmbeddingLoss("CoSENTLoss", ("scored pairs",), frozenset({"scale"})),
    "angle": EmbeddingLoss("AnglELoss", ("scored pairs",), frozenset({"scale"})),
    "contrastive": EmbeddingLoss("ContrastiveLoss", ("labelled pairs",), frozenset({"margin"}), labels="0 and 1"),
    "online_contrastive": EmbeddingLoss(
        "OnlineContrastiveLoss", ("labelled pairs",), frozenset({"margin"}), labels="0 and 1"
    ),
    "softmax": EmbeddingLoss("SoftmaxLoss", ("labelled pairs",), frozenset({"concatenation_sent_multiplication"})),
    "batch_all_triplet": EmbeddingLoss("BatchAllTripletLoss", _GROUPED, frozenset({"margin"})),
    "batch_hard_triplet": EmbeddingLoss("BatchHardTripletLoss", _GROUPED, frozenset({"margin"})),
    "batch_hard_soft_margin_triplet": EmbeddingLoss("BatchHardSoftMarginTripletLoss", _GROUPED),
    "batch_semi_hard_triplet": EmbeddingLoss("BatchSemiHardTripletLoss", _GROUPED, frozenset({"margin"})),
}
"""Every loss by name."""

DIRECTIONS = ("query_to_doc", "query_to_query", "doc_to_query", "doc_to_doc")
WORDS: Mapping[str, tuple[str, ...]] = {
    "hardness_mode": ("in_batch_negatives", "hard_negatives", "all_negatives"),
    "partition_mode": ("joint", "per_direction"),
}
"""Arguments of losses that are words; `directions` is a list of some."""

DEFAULT_LOSS: Mapping[str, str] = {
    "pairs": "multiple_negatives_ranking",
    "triplets": "multiple_negatives_ranking",
    "scored pairs": "cosent",
    "labelled pairs": "online_contrastive",
    "labelled texts": "batch_all_triplet",
}
"""The loss of a form of data whose spec declares none."""


BATCH_SAMPLERS = ("batch_sampler", "no_duplicates", "group_by_label")
"""How the trainer puts rows into batches: at random, no text twice in one, or several texts of each of several labels."""

TRAINER_ARGUMENTS = frozenset({"batch_sampler", "prompts"})
"""What its trainer takes beside what every Trainer of Hugging Face does."""


def form_of(roles: Iterable[str]) -> str | None:
    """What columns of these roles are together; None where they are no form that there is.

    >>> form_of(["positive", "anchor"])
    'pairs'
    """
    found = set(roles)
    return next((form for form, known in FORMS.items() if set(known) == found), None)


def loss_name(declared: str | None, roles: Iterable[str]) -> str:
    """The loss that a spec trains with: the declared one, else that of columns of these roles."""
    form = form_of(roles)
    return declared or (DEFAULT_LOSS[form] if form else "multiple_negatives_ranking")


NO_TABLE: Mapping[str, str] = {
    "prepare": "the model tokenizes its texts itself",
    "drop": "columns without a role are left out already",
}
"""The keys of `data` that would change nothing in the task embedding, and why."""
