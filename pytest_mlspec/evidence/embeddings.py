"""What was measured on a model that embeds texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class SubsetScore:
    """All scores of a task on one subset of one split, by the names that mteb gives them.

    `rows` counts its texts, pairs or queries; None where a published result does not tell.
    """

    split: str
    subset: str
    languages: tuple[str, ...]
    scores: Mapping[str, float]
    rows: int | None = None


@dataclass(frozen=True)
class TaskScore:
    """What a model, or a published result, scores on a task of MTEB.

    `of` is `model`, `base` (before the training) or the file of a published result. `main` names the score that stands for
    the task. `model_revision` is the SHA-256 of weights and tokenizer; `data_revision` that of the files, or the commit on the
    hub.
    """

    task: str
    of: str
    main: str
    parts: tuple[SubsetScore, ...]
    data_revision: str
    mteb_version: str
    model_revision: str = ""
    device: str = ""
    notes: tuple[str, ...] = ()
    seconds: float = field(default=0.0, metadata={"volatile": True})


@dataclass(frozen=True)
class Geometry:
    """The shape of the embeddings of `rows` texts: their norms, how far they spread, what should not change them.

    `mean_cosine` is that of pairs of different texts; `effective_rank` the exponential of the entropy of the normalised
    eigenvalues of the covariance of their directions (Roy and Vetterli 2007). `differences` holds the largest change of an
    embedding, relative to its norm, that should be none: of a text `alone` and in a batch, beside a `companion` of its own
    length, beside a longer one that pads it (`padding`), with the batch in another `order`, and once more (`repeat`);
    `tolerance` is what rounding explains in `dtype`. `normalised` says that the model has a module for it.

    `truncated` counts those of all `texts` of the split that are longer than `max_tokens` (0: no limit). Of the `ends` longest
    ones that are not, `ends_ignored` have an embedding that stays the same when their last word is another one. `examples`
    names texts behind these figures.
    """

    rows: int
    dimensions: int
    norm_min: float
    norm_max: float
    mean_cosine: float
    effective_rank: float
    differences: Mapping[str, float]
    tolerance: float
    dtype: str
    texts: int
    truncated: int
    max_tokens: int
    ends: int
    ends_ignored: int
    normalised: bool = False
    examples: Mapping[str, str] = field(default_factory=dict)
    split: str = "test"
    device: str = "cpu"
