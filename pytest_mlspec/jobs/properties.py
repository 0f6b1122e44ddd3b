"""A search for rows that break what should hold for every row."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_mlspec.jobs.training import Train


@dataclass(frozen=True)
class SearchProperties:
    """Batches drawn from the schema of the data, as many as `examples`, through a trained model. Gives a `Search`.

    `beyond`: also values that the data do not have. `tolerance` is the largest difference of two predictions that should be
    equal; None for what rounding explains.
    """

    examples: int = 30
    beyond: bool = False
    tolerance: float | None = None
    of: Train = Train()

    @property
    def title(self) -> str:
        """In a few words, for progress and messages."""
        return f"search {self.examples} batches for a broken property"
