"""`Export`: a trained model written in a format, and what the model itself answers for the inputs that it is tried on.

The answers are taken first, from the weights of the training in evaluation mode. Then the format's own writer is called; or,
where the recipe gives `export`, that: it gets a module as the loop leaves it, in training mode, because it is the team's code
that has to see to that.

Shape letters: N rows.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pytest_mlspec.engines import ENGINES, ModulePredictor
from pytest_mlspec.engines.outside import from_outside
from pytest_mlspec.errors import NotApplicableError, RecipeError
from pytest_mlspec.evidence import Exported
from pytest_mlspec.exports.cases import Case, cases, split_of, texts_of
from pytest_mlspec.exports.runtime import opset_of
from pytest_mlspec.exports.subject import Subject, Written
from pytest_mlspec.formats import FORMATS, OWN, formats_of
from pytest_mlspec.jobs import Export
from pytest_mlspec.probes.trained import raw_rows
from pytest_mlspec.recipe.packing import by_name, to_arrays
from pytest_mlspec.recipe.protocol import Examples, NumpyArray, Prepared
from pytest_mlspec.recipe.work import Result, Work

# As many training rows calibrate a static quantisation, and tell the range of each column.
_MOST_ROWS, _MOST_BYTES = 512, 64_000_000

RAW = "raw"
"""The array of the raw rows behind the measured ones, of an export of the team's own that may prepare them itself."""


def write_export(job: Export, work: Work) -> Result:
    """Writes what `job` trained, and the cases beside it.

    Raises RecipeError where it cannot be written, NotApplicableError where nothing writes this format from such a model.
    """
    _demand_a_writer(job, work)
    prepared = work.prepared
    with from_outside("the export", key="model"):
        predictor = ENGINES.find(work.spec.train.engine.use).restore(job.of, work)
        subject = Subject(predictor, _spread(prepared.splits["train"]))
        subject = replace(subject, lengths=texts_of(subject, prepared))
        found, positions_R, notes = cases(subject, prepared, batch_size=work.spec.train.batch_size)
        raw = _raw(job, work, positions_R) if job.to == OWN else {}
        name = _of_the_team(subject, work) if job.to == OWN else job.to
        path = work.folder / FORMATS.find(name).file
        if job.to == OWN:
            written = _by_recipe(path)
        else:
            written = _by_the_team(subject, path, work) if work.recipe.export else _written(subject, path, job, work)
    evidence = Exported(
        format=name,
        file=path.name,
        size=sum(file.stat().st_size for file in work.folder.glob(f"{path.name}*")),
        opset=written.opset,
        written_by=written.by,
        cases=tuple(found),
        split=split_of(prepared),
        notes=(*written.notes, *notes),
    )
    return Result(evidence, {**_packed(found), "positions": positions_R, **raw})


def _spread(examples: Examples) -> Examples:
    """A number of rows spread over all of them; all of them where there are less."""
    bytes_a_row = sum(values.nbytes for values in by_name(examples.inputs).values()) // max(1, len(examples))
    rows = max(1, min(len(examples), _MOST_ROWS, _MOST_BYTES // max(1, bytes_a_row)))
    return examples.take(np.unique(np.linspace(0, len(examples) - 1, rows).astype(np.int64)))


def _demand_a_writer(job: Export, work: Work) -> None:
    if work.recipe.export is not None:
        return
    if job.to == OWN:
        raise NotApplicableError(
            "the recipe gives no export(model, directory); `export: {to: [onnx]}` asks whether the model can be exported"
        )
    engine = ENGINES.find(work.spec.train.engine.use)
    if engine.kind not in FORMATS.find(job.to).writers:
        others = formats_of(engine.kind)
        raise NotApplicableError(
            f"the engine {engine.name} exports to {', '.join(others)}"
            if others
            else "what the team's own fit returns is exported by the team's own code: give the recipe export(model, directory)"
        )


def _written(subject: Subject, path: Path, job: Export, work: Work) -> Written:
    kind: Any = ENGINES.find(work.spec.train.engine.use).kind
    writer = FORMATS.find(job.to).writers[kind]
    written: Written = importlib.import_module(writer.module).write(subject, path, opset=job.opset)
    return written


def _by_the_team(subject: Subject, path: Path, work: Work) -> Written:
    """Calls the recipe's export, and looks for the file of the format in what it wrote."""
    wrote = _call_export(subject, work)
    if not path.is_file():
        raise RecipeError(
            f"export wrote {', '.join(wrote) or 'nothing'}, and no {path.name}",
            key="recipe.export",
            advice=f"write {path.name}, or take that format out of `to`",
        )
    return _by_recipe(path)


def _of_the_team(subject: Subject, work: Work) -> str:
    """Calls the recipe's export, and gives the first format of what it wrote; raises NotApplicableError where that is of none."""
    wrote = _call_export(subject, work)
    found = next((name for name in FORMATS if FORMATS.find(name).alone and FORMATS.find(name).file in wrote), None)
    if found is None:
        known = ", ".join(FORMATS.find(name).file for name in FORMATS if FORMATS.find(name).alone)
        raise NotApplicableError(
            f"the recipe's export wrote {', '.join(wrote) or 'nothing'}; what can be loaded is called {known}"
        )
    return found


def _call_export(subject: Subject, work: Work) -> list[str]:
    """The names of the files that the recipe's export wrote."""
    assert work.recipe.export is not None
    predictor = subject.predictor
    if isinstance(predictor, ModulePredictor):
        predictor.module.train()
    work.recipe.export(predictor.model, work.folder)
    return sorted(each.name for each in work.folder.iterdir())


def _by_recipe(path: Path) -> Written:
    return Written("the recipe's export", opset_of(path) if path.suffix == ".onnx" else None)


def _raw(job: Export, work: Work, positions_R: NumpyArray) -> dict[str, NumpyArray]:
    """The raw rows behind the measured ones, where they are arrays of the form of the prepared ones; nothing else."""
    if "prepare" not in work.recipe.given:
        return {}
    features = raw_rows(job.of, work).rows.features
    inputs = work.prepared.splits[split_of(work.prepared)].inputs
    if not isinstance(features, np.ndarray) or isinstance(inputs, Mapping) or features.shape != inputs.shape:
        return {}
    return (
        {RAW: np.ascontiguousarray(features[positions_R].astype(inputs.dtype))} if features.dtype.kind in "fiub" else {}
    )


def _packed(found: Mapping[str, Case]) -> dict[str, NumpyArray]:
    """The cases as arrays for the store: inputs as prepared examples are, one split for each case."""
    splits = {
        name: Examples(dict(case.inputs), np.zeros(len(case.expected)), np.arange(len(case.expected)))
        for name, case in found.items()
    }
    answers = {f"expected/{name}": case.expected for name, case in found.items()}
    return {**to_arrays(Prepared(splits, (), "")), **answers}
