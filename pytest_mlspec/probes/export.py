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
from pytest_mlspec.formats import FORMATS, formats_of
from pytest_mlspec.jobs import Export
from pytest_mlspec.recipe.packing import by_name, to_arrays
from pytest_mlspec.recipe.protocol import Examples, NumpyArray, Prepared
from pytest_mlspec.recipe.work import Result, Work

# As many training rows calibrate a static quantisation, and tell the range of each column.
_MOST_ROWS, _MOST_BYTES = 512, 64_000_000


def write_export(job: Export, work: Work) -> Result:
    """Writes what `job` trained, and the cases beside it.

    Raises RecipeError where it cannot be written, NotApplicableError where nothing writes this format from such a model.
    """
    format_ = FORMATS.find(job.to)
    _demand_a_writer(job, work)
    prepared = work.prepared
    with from_outside("the export", key="model"):
        predictor = ENGINES.find(work.spec.train.engine.use).restore(job.of, work)
        subject = Subject(predictor, _spread(prepared.splits["train"]))
        subject = replace(subject, lengths=texts_of(subject, prepared))
        found, positions_R, notes = cases(subject, prepared, batch_size=work.spec.train.batch_size)
        path = work.folder / format_.file
        written = _by_the_team(subject, path, work) if work.recipe.export else _written(subject, path, job, work)
    evidence = Exported(
        format=job.to,
        file=format_.file,
        size=sum(file.stat().st_size for file in work.folder.glob(f"{format_.file}*")),
        opset=written.opset,
        written_by=written.by,
        cases=tuple(found),
        split=split_of(prepared),
        notes=(*written.notes, *notes),
    )
    return Result(evidence, {**_packed(found), "positions": positions_R})


def _spread(examples: Examples) -> Examples:
    """A number of rows spread over all of them; all of them where there are less."""
    bytes_a_row = sum(values.nbytes for values in by_name(examples.inputs).values()) // max(1, len(examples))
    rows = max(1, min(len(examples), _MOST_ROWS, _MOST_BYTES // max(1, bytes_a_row)))
    return examples.take(np.unique(np.linspace(0, len(examples) - 1, rows).astype(np.int64)))


def _demand_a_writer(job: Export, work: Work) -> None:
    if work.recipe.export is not None:
        return
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
    assert work.recipe.export is not None
    predictor = subject.predictor
    if isinstance(predictor, ModulePredictor):
        predictor.module.train()
    work.recipe.export(predictor.model, path.parent)
    if not path.is_file():
        wrote = ", ".join(sorted(each.name for each in path.parent.iterdir())) or "nothing"
        raise RecipeError(
            f"export wrote {wrote}, and no {path.name}",
            key="recipe.export",
            advice=f"write {path.name}, or take that format out of `to`",
        )
    return Written("the recipe's export", opset_of(path) if path.suffix == ".onnx" else None)


def _packed(found: Mapping[str, Case]) -> dict[str, NumpyArray]:
    """The cases as arrays for the store: inputs as prepared examples are, one split for each case."""
    splits = {
        name: Examples(dict(case.inputs), np.zeros(len(case.expected)), np.arange(len(case.expected)))
        for name, case in found.items()
    }
    answers = {f"expected/{name}": case.expected for name, case in found.items()}
    return {**to_arrays(Prepared(splits, (), "")), **answers}
