"""What was measured on a model that embeds texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class TaskScore:
    """The main score of a task of MTEB, and all others by name, a share.

    `model_revision` is the SHA-256 of the weights, or the revision on the hub; `data_revision` that of the task's data; `of` is
    `model`, `base` (before the training) or the file of a published result. `rows` counts what the test split holds.
    """

    task: str
    main_score: str
    score: float
    scores: Mapping[str, float]
    of: str
    model_revision: str
    data_revision: str
    rows: int
    mteb_version: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Geometry:
    """The shape of the embeddings of `rows` texts: norms, how far they spread, what should not change them.

    `mean_cosine` is that of pairs of different texts; `effective_rank` the exponential of the entropy of the normalised
    eigenvalues of their covariance. Each of `differences` is the largest change of an embedding, relative to its norm, that
    should be none: `alone` (in a batch of one), `padding` (beside a longer text), `order`, `repeat`. `tail` is the share of long
    texts whose embedding ignores what stands behind the first `max_tokens` tokens; `truncated` counts texts longer than that.
    """

    rows: int
    dimensions: int
    norm_min: float
    norm_max: float
    mean_cosine: float
    effective_rank: float
    differences: Mapping[str, float]
    tolerance: float
    max_tokens: int
    truncated: int
    tail: float | None = None
    normalised: bool = False
    examples: Mapping[str, str] = field(default_factory=dict)
    device: str = "cpu"
