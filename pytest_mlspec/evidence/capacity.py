"""What was measured on what a trained model can express."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Chain:
    """Two layers, by name, with nothing but affine operations (and `pooling`) between them: together they are no more than one.

    `narrow`: what passes between them is narrower than what enters and leaves, as in a factorisation that is meant.
    """

    first: str
    second: str
    narrow: bool = False
    pooling: bool = False


@dataclass(frozen=True)
class DeadUnits:
    """Of the `units` of the activation behind `layer`, `dead` are 0 for every row."""

    layer: str
    units: int
    dead: int


@dataclass(frozen=True)
class OutputRange:
    """The last operation of a model, and what its outputs should be able to become.

    `logits`: the loss takes logits, which have no bounds. `outside` is the share of the targets that no output can reach; None
    where targets are no values.
    """

    operation: str
    logits: bool
    outside: float | None = None


@dataclass(frozen=True)
class Capacity:
    """What keeps a trained model from expressing what it should, on `rows` rows in evaluation mode.

    `layers` counts linear layers and convolutions that are called. `affine` is how far the whole model is from an affine
    function, max |f(a) + f(b) − f(a + b) − f(0)| relative to its outputs; None where its inputs cannot be added. `narrowest`
    is the layer with the fewest outputs a row that every output goes through, and that number, with `outputs` numbers a row in
    the end. `spread` is the largest deviation of an output between rows, relative to the largest output. `rates` are those of
    dropout, by the names of modules. `unread` says why parts of
    the model could not be looked into.
    """

    rows: int
    layers: int
    outputs: int
    classes: int
    chains: tuple[Chain, ...]
    dead: tuple[DeadUnits, ...]
    spread: float
    affine: float | None = None
    narrowest: str = ""
    width: int | None = None
    range: OutputRange | None = None
    rates: Mapping[str, float] = field(default_factory=dict)
    reconstructs: bool = False
    unread: str = ""
    dtype: str = "float64"
    device: str = "cpu"
