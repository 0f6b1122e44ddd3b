"""The steps of `data.prepare` by name; `prepare/` holds what they do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pytest_mlspec.errors import RecipeError, did_you_mean
from pytest_mlspec.language.names import PREPARATIONS, TRANSFORMERS
from pytest_mlspec.language.spec import Use
from pytest_mlspec.recipe.prepare.categories import Ids, OneHot, Ordinal
from pytest_mlspec.recipe.prepare.counts import Count
from pytest_mlspec.recipe.prepare.dates import Dates
from pytest_mlspec.recipe.prepare.frame import Frame
from pytest_mlspec.recipe.prepare.images import Images
from pytest_mlspec.recipe.prepare.numbers import AllNumbers, EachNumber, Log1p
from pytest_mlspec.recipe.prepare.own import UsersStep
from pytest_mlspec.recipe.prepare.pretrained_tokenizer import PretrainedTokenizer
from pytest_mlspec.recipe.prepare.tokens import Tokenize

if TYPE_CHECKING:
    from pytest_mlspec.recipe.protocol import NumpyArray


class Step(Protocol):
    """One registered step; `learned` is all that it knows after its fit."""

    learned: Mapping[str, Any]

    def fit(self, frame: Frame, targets: NumpyArray) -> None:
        """Fits on the training rows."""

    def transform(self, frame: Frame) -> Frame:
        """The frame as the step makes it."""


class MakeNamed:
    """Makes a registered step that was not fitted yet; `use` is what the spec declares."""

    def __init__(self, use: Use, make: Callable[[Use], Step]) -> None:
        self.use = use
        self._make = make

    def __call__(self) -> Step:
        """A new step."""
        return self._make(self.use)


MakeStep = MakeNamed | Callable[[], UsersStep]
"""Makes a step that was not fitted yet."""

_STANDARD = ("impute", "standardize", "one_hot")


def built_steps(use: Use, *, root: Path = Path(), allowed: Sequence[str] = ()) -> list[MakeNamed]:
    """The steps that a registered name stands for; files are below `root`, `allowed` are packages whose code may be named."""
    name = use.use
    if name in TRANSFORMERS:
        return [MakeNamed(use, AllNumbers)]
    if name not in PREPARATIONS:
        known = [*PREPARATIONS, *TRANSFORMERS]
        raise RecipeError(f"unknown step of prepare {name!r}", key="data.prepare", advice=did_you_mean(name, known))
    makers: dict[str, Callable[[Use], Step]] = {
        "impute": EachNumber,
        "standardize": EachNumber,
        "min_max": EachNumber,
        "robust_scale": EachNumber,
        "quantile": EachNumber,
        "log1p": Log1p,
        "one_hot": OneHot,
        "ordinal": Ordinal,
        "ids": Ids,
        "dates": Dates,
        "tokenize": partial(Tokenize, root=root),
        "tokenizer": partial(PretrainedTokenizer, root=root, allowed=allowed),
        "tfidf": Count,
        "count": Count,
        "images": Images,
    }
    parts = [Use(use=part) for part in _STANDARD] if name == "standard" else [use]
    return [MakeNamed(part, makers[part.use]) for part in parts if part.use != "none"]
