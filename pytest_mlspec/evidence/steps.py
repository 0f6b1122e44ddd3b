"""What the team's steps do, beside what the declared ones would do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Declared = Literal["asked", "written", "implied"]
"""How a reference is declared: as a parameter of the check, by a key of the spec, or by a default and the team's other code."""


@dataclass(frozen=True)
class ComparedPart:
    """One part of a step, held against its reference.

    `difference` is the largest of any parameter, as a share of the larger of the two norms; `parameter` has it. `ratio` is the
    norm of the team's over that of the reference, over all parameters together, `cosine` their angle; both are None where one of
    them is 0. `explained_by` is the hypothesis that alone accounts for the difference, `detail` its numbers in words.
    """

    part: Literal["gradients", "clipping", "update"]
    reference: str
    declared: Declared
    difference: float
    tolerance: float
    parameter: str
    step: int
    ratio: float | None
    cosine: float | None
    explained_by: str = ""
    detail: str = ""


@dataclass(frozen=True)
class StepComparison:
    """The parts that were compared, and why others were not. `dtype` is the precision in which the steps were taken."""

    parts: tuple[ComparedPart, ...]
    left_out: tuple[str, ...]
    rows: int
    steps: int
    dtype: str
    device: str = "cpu"
