"""Gates on exported models: `export.onnx.size`, with the format in the middle of the name."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from pytest_mlspec.evidence import Exported, Parity
from pytest_mlspec.formats import EMPTY, FORMATS
from pytest_mlspec.jobs import Export, LoadExport
from pytest_mlspec.quantities.measures import Reading, Selectors, quantity


def _known(name: str) -> str:
    FORMATS.find(name)
    return name


class OfAnExport(Selectors):
    """The format, and the version of ONNX's operators that it is written in; that of the writer where it is left out."""

    format: Annotated[str, AfterValidator(_known)]
    opset: int | None = Field(None, ge=1)


def _export(of: OfAnExport) -> Export:
    return Export(of.format, of.opset if FORMATS.find(of.format).has_opsets else None)


@quantity("export.{format}.size", unit="bytes", higher_is_better=False, needs=_export)
def size(of: OfAnExport, exported: Exported) -> Reading:
    """The size of the exported model, with the files that belong to it."""
    return Reading(float(exported.size), facts=(f"written by {exported.written_by}",))


@quantity("export.{format}.opset", higher_is_better=None, needs=_export)
def opset(of: OfAnExport, exported: Exported) -> Reading:
    """The version of ONNX's operators that the model is written in."""
    missing = "" if exported.opset is not None else f"{of.format} has no opset"
    return Reading(None if exported.opset is None else float(exported.opset), missing=missing)


@quantity("export.{format}.difference", higher_is_better=False, needs=lambda of: LoadExport(_export(of)))
def difference(of: OfAnExport, parity: Parity) -> Reading:
    """The largest |difference| of an output from the model's own, over all cases that hold a row."""
    cases = {name: each for name, each in parity.differences.items() if name != EMPTY}
    refused = [f"{name}: {each.error}" for name, each in cases.items() if each.error]
    if refused or not cases:
        return Reading(None, facts=tuple(refused))
    largest = {name: each.absolute or 0.0 for name, each in cases.items()}
    worst = max(largest, key=lambda name: largest[name])
    rows = sum(each.rows for each in cases.values())
    return Reading(largest[worst], rows, (f"the largest is that of {worst}",))
