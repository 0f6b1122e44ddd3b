"""What a job has at hand while it runs, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pytest_mlspec.evidence import Evidence
from pytest_mlspec.jobs import Job, Prepare
from pytest_mlspec.language.spec import Spec
from pytest_mlspec.recipe.protocol import Prepared, Recipe, Rows

if TYPE_CHECKING:
    import numpy as np

    from pytest_mlspec.recipe.datasets import Datasets

Report = Callable[[Mapping[str, Any]], None]
"""Takes news of a running job, such as {"epoch": 3, "epochs": 10, "loss": 0.21}, for the live progress."""


class Stored(Protocol):
    """The stored result of a job that this one needs."""

    @property
    def evidence(self) -> Evidence:
        """Its evidence."""

    def array(self, name: str) -> np.ndarray[Any, Any]:
        """One of its arrays; raises StoreError where it has none of that name."""

    def file(self, name: str) -> Path:
        """One of its files; raises StoreError where it has none of that name."""


@dataclass(frozen=True)
class Result:
    """What a job gives back: its evidence and further arrays by name. Files that it wrote to `Work.folder` are kept too."""

    evidence: Evidence
    arrays: Mapping[str, np.ndarray[Any, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Work:
    """One job's surroundings.

    `needed` holds the results of the jobs that it depends on; `folder` is empty and its own; `allowed` are the packages
    outside the project that the spec may name. `profiles` is the folder for the profile of a training, where one is wanted.
    `given` holds the points of a recipe that Python has at hand, where no spec file names them. `kept` is the folder of what a
    search found and the next one begins with; None where nothing is kept.
    """

    spec: Spec
    root: Path
    folder: Path
    needed: Mapping[Job, Stored]
    report: Report
    allowed: tuple[str, ...] = ()
    profiles: Path | None = None
    given: object | None = None
    kept: Path | None = None

    loaded_by_user: list[str] = field(default_factory=list)

    @cached_property
    def recipe(self) -> Recipe:
        """The pipeline of the spec; the team's code is imported here."""
        from pytest_mlspec.recipe.taken import resolve_recipe

        recipe = resolve_recipe(self.spec, root=self.root, allowed=self.allowed, given=self.given)

        def load() -> Rows | Mapping[str, Rows]:
            if "load" in recipe.given:
                self.loaded_by_user.append("load")
            return recipe.load()

        @cache
        def datasets() -> Datasets:
            self.loaded_by_user.append("load")
            assert recipe.datasets is not None, "a load of the team's own is there to be opened"
            return recipe.datasets()

        return replace(recipe, load=load, datasets=datasets if recipe.datasets else None)

    @property
    def unprovable(self) -> str:
        """Why a later run cannot know that this job would read the same data again; empty where it can."""
        if self.loaded_by_user and not self.spec.inputs:
            return "its data come from the team's own code, and the spec declares no `inputs`"
        return ""

    @cached_property
    def prepared(self) -> Prepared:
        """The prepared examples: those that `Prepare` stored, or made anew where this job does not depend on it."""
        from pytest_mlspec.recipe.packing import read_prepared
        from pytest_mlspec.recipe.preparation import prepare_all

        stored = next((stored for job, stored in self.needed.items() if isinstance(job, Prepare)), None)
        return read_prepared(stored) if stored else prepare_all(self.recipe).prepared
