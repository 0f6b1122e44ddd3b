"""The rules of gates on the time of a call, and of `machine`: what can be held, and what would be waited for in vain."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pytest_mlspec import quantities
from pytest_mlspec.errors import MlspecError
from pytest_mlspec.language.rules.mistake import Mistake

if TYPE_CHECKING:
    from pytest_mlspec.language.load import KeyPath
    from pytest_mlspec.language.spec import Spec

_TAIL = frozenset(f"latency.p{percent}" for percent in quantities.latency.TAIL)
_MACHINE: KeyPath = ("machine",)


def mistakes(spec: Spec) -> Iterator[Mistake]:
    """The mistakes of gates on latency, and of a `machine` that no gate looks at."""
    of_tail = False
    for name in spec.gates:
        try:
            quantity = quantities.parse(name)
        except MlspecError:
            continue  # `claims` tells it
        measure, of = quantity.measure, quantity.selectors
        if measure is None or not isinstance(of, quantities.latency.OfACall):
            continue
        key: KeyPath = ("gates", name)
        of_tail = of_tail or measure.name in _TAIL
        if measure.name in _TAIL and spec.machine is None:
            yield Mistake(
                key,
                f"{measure.name} tells of the neighbours on a machine that does anything else",
                "gate latency.min or latency.p50; or write `machine: quiet` where nothing else runs on it",
                lacks=(_MACHINE,),
            )
        if of.of == "predict" and spec.recipe is None:
            yield Mistake(
                key,
                "there is no serving path: only a recipe can give predict(trained, rows)",
                "write another form, such as [of=eager] or [of=onnx], or name a recipe",
                lacks=(("recipe",),),
            )
        if of.threads > 1 and of.of in ("eager", "predict") and spec.train.device.startswith("cuda"):
            yield Mistake(key, f"threads mean nothing to {spec.train.device}", "remove threads=… from the brackets")
    if spec.machine is not None and not of_tail:
        advice = "remove it, or gate one of: " + ", ".join(sorted(_TAIL))
        yield Mistake(_MACHINE, "no gate needs a quiet machine", advice, lacks=(("gates",),))
