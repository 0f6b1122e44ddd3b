"""The rules of the check `export`: its formats exist, the engine's models and the opset can be written in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pytest_mlspec import quantities
from pytest_mlspec.engines import ENGINES
from pytest_mlspec.errors import MlspecError, did_you_mean
from pytest_mlspec.formats import FORMATS, OWN, formats_of
from pytest_mlspec.jobs import Export, LoadExport
from pytest_mlspec.language.complaints import described
from pytest_mlspec.language.rules.mistake import Mistake
from pytest_mlspec.language.task import task_of
from pytest_mlspec.quantities import METRICS

if TYPE_CHECKING:
    from pytest_mlspec.language.load import KeyPath
    from pytest_mlspec.language.spec import Spec


def mistakes(spec: Spec) -> Iterator[Mistake]:
    """The mistakes of `export` under `checks`, and of gates on exported models."""
    for number, use in enumerate(spec.checks):
        if use.check == "export" and not use.skip:
            key: KeyPath = ("checks", number, "export")
            given = use.params.get("to", ())
            formats = [name for name in given if isinstance(name, str)] if isinstance(given, (list, tuple)) else []
            yield from _formats(spec, (*key, "to"), formats)
            yield from _opset(spec, (*key, "opset"), formats or ["onnx"], use.params.get("opset"))
            yield from _metric(spec, (*key, "metric"), use.params.get("metric", ""))
    for name in spec.gates:
        yield from _gate(spec, name)


def _formats(spec: Spec, key: KeyPath, formats: list[str]) -> Iterator[Mistake]:
    for position, name in enumerate(formats):
        here = (*key, position)
        if name == OWN:
            continue
        if name not in FORMATS:
            yield Mistake(here, f"unknown format {described(name)}", did_you_mean(name, FORMATS))
        elif name in formats[:position]:
            yield Mistake(here, f"{name} is listed twice", "keep one of them")
        else:
            yield from _engine(spec, here, name)


def _engine(spec: Spec, key: KeyPath, name: str) -> Iterator[Mistake]:
    """A format that nothing writes from a model of this engine; the team's own export may write any."""
    if spec.recipe is not None or spec.train.engine.use not in ENGINES:
        return
    engine = ENGINES.find(spec.train.engine.use)
    known = formats_of(engine.kind)
    if not engine.cannot_do.get(Export) and known and name not in known:
        yield Mistake(key, f"the engine {engine.name} does not export to {name}", did_you_mean("", known))


def _opset(spec: Spec, key: KeyPath, formats: list[str], opset: object) -> Iterator[Mistake]:
    known = [FORMATS.find(name) for name in formats if name in FORMATS]
    if type(opset) is not int or not known or len(known) < len(formats):
        return
    if not any(each.has_opsets for each in known):
        yield Mistake(key, f"{', '.join(formats)} has no opset", "remove this key: opsets are those of onnx")
        return
    kind = ENGINES.find(spec.train.engine.use).kind if spec.train.engine.use in ENGINES else ""
    ranges = [writer.opsets for each in known for of, writer in each.writers.items() if of == kind and writer.opsets]
    if spec.recipe is None and ranges:
        low, high = max(low for low, _ in ranges), min(high for _, high in ranges)
        if not low <= opset <= high:
            yield Mistake(key, f"opset {opset} cannot be written", f"write one from {low} to {high}")


def _metric(spec: Spec, key: KeyPath, name: object) -> Iterator[Mistake]:
    task = task_of(spec)
    if not isinstance(name, str) or not name:
        return
    if name not in METRICS:
        yield Mistake(key, f"unknown metric {described(name)}", did_you_mean(name, METRICS))
    elif task is not None:
        try:
            quantities.check_task(quantities.parse(f"test.{name}"), task)
        except MlspecError as error:
            yield Mistake(key, error.message, error.advice)


def _gate(spec: Spec, name: str) -> Iterator[Mistake]:
    try:
        quantity = quantities.parse(name)
    except MlspecError:  # `claims.py` says so
        return
    if quantity.measure is None or not isinstance(quantity.job, (Export, LoadExport)):
        return
    job = quantity.job if isinstance(quantity.job, Export) else quantity.job.export
    yield from _engine(spec, ("gates", name), job.to)
    yield from _opset(spec, ("gates", name), [job.to], job.opset)
