"""`LoadExport`: an exported model opened in a process of its own, where the team's code is not imported, and tried on every case.

For weights alone the team's model is built again: nothing else can call them.

Shape letters: N rows, R measured rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pytest_mlspec.errors import MeasurementError, NotApplicableError, StoreError
from pytest_mlspec.evidence import Difference, Exported, Parity, TrainingRun
from pytest_mlspec.exports import Opened, first_line, open_export
from pytest_mlspec.exports.cases import in_batches
from pytest_mlspec.exports.parity import Scores, compared, hint
from pytest_mlspec.exports.readings import Reading, as_probabilities, as_they_are, found_reading, next_tokens, softmax
from pytest_mlspec.formats import FORMATS, MEASURED, OWN
from pytest_mlspec.jobs import Export, LoadExport
from pytest_mlspec.language.task import task_of
from pytest_mlspec.probes.export import RAW
from pytest_mlspec.probes.scores import Bench
from pytest_mlspec.quantities import METRICS
from pytest_mlspec.recipe.packing import by_name, read_prepared
from pytest_mlspec.recipe.protocol import Examples
from pytest_mlspec.recipe.scoring import as_predictions, metric_value
from pytest_mlspec.recipe.work import Result, Work

_HINTED = 64
_GIVES: tuple[Literal["outputs", "predictions"], ...] = ("outputs", "predictions")
# Outputs that are nearer than this share of the largest are those that are meant, whatever the check says of their difference.
_NEAR = 1e-3
_METRICS = {
    "binary": "accuracy",
    "multiclass": "accuracy",
    "regression": "r2",
    "reconstruction": "r2",
    "language_model": "token_accuracy",
}
"""The metric of a task where the spec names none; a clustering and an embedding have none."""


def load_export(job: LoadExport, work: Work) -> Result:
    """Compares an exported model with the answers that were stored beside it.

    Raises MeasurementError where the file cannot be read, NotApplicableError where a team's own export takes other rows.
    """
    bench = _Bench(job, work)
    format_ = FORMATS.find(bench.exported.format)
    path = work.needed[job.export].file(bench.exported.file)
    opened = open_export(bench.exported.format, path) if format_.alone else _in_the_model(job, work)
    if job.export.to == OWN:
        bench, opened = _as_it_is_meant(bench, opened)
    differences: dict[str, Difference] = {}
    answers: NDArray[Any] | None = None
    for name in bench.cases:
        differences[name], given = bench.difference(name, opened)
        answers = given if name == MEASURED else answers
    if job.export.to == OWN and all(each.error for each in differences.values()):
        raise NotApplicableError(
            f"{bench.exported.file} takes other inputs than prepared rows, or gives other outputs: {differences[MEASURED].error}"
        )
    seen = "" if answers is None else bench.hint(opened, answers)
    return Result(bench.parity(differences, answers, seen))


def _as_it_is_meant(bench: _Bench, opened: Opened) -> tuple[_Bench, Opened]:
    """The bench for what a team's own export takes and gives: outputs or predictions, of prepared or of raw rows."""
    for raw in (False, True) if bench.has_raw else (False,):
        for gives in _GIVES:
            meant = replace(bench, job=replace(bench.job, gives=gives), raw=raw)
            try:
                difference, _ = meant.difference(MEASURED, opened)
            except MeasurementError:  # how outputs become predictions is not known
                continue
            if not difference.error and difference.excess is not None and difference.excess <= _NEAR * difference.scale:
                return meant, opened
    return bench, opened


def reading_of(export: Export, work: Work) -> Reading | None:
    """How the outputs of an exported model become predictions; None where no known way does."""
    return _Bench(LoadExport(export), work).reading


def _in_the_model(job: LoadExport, work: Work) -> Opened:
    """The team's model with the exported weights in the place of its own."""
    from pytest_mlspec.engines import ENGINES, ModulePredictor
    from pytest_mlspec.exports.subject import called
    from pytest_mlspec.exports.weights import read_into

    exported = work.needed[job.export]
    assert isinstance(exported.evidence, Exported)
    predictor = ENGINES.find(work.spec.train.engine.use).restore(job.export.of, work)
    assert isinstance(predictor, ModulePredictor), "weights are written from a module"
    return called(read_into(predictor.module.cpu(), exported.file(exported.evidence.file)))


@dataclass(frozen=True)
class _Bench:
    """What an exported model is held against."""

    job: LoadExport
    work: Work
    raw: bool = False
    """Whether it takes the raw rows behind the measured ones: no other case is then tried."""

    @property
    def has_raw(self) -> bool:
        """Whether there are raw rows in the form of prepared ones."""
        try:
            self.work.needed[self.job.export].array(RAW)
        except StoreError:
            return False
        return True

    @property
    def cases(self) -> tuple[str, ...]:
        """The cases that are tried."""
        return (MEASURED,) if self.raw else self.exported.cases

    @cached_property
    def exported(self) -> Exported:
        exported = self.work.needed[self.job.export].evidence
        assert isinstance(exported, Exported)
        return exported

    @cached_property
    def run(self) -> TrainingRun:
        run = self.work.needed[self.job.export.of].evidence
        assert isinstance(run, TrainingRun)
        return run

    @cached_property
    def inputs(self) -> Mapping[str, Mapping[str, NDArray[Any]]]:
        """The inputs of every case."""
        cases = read_prepared(self.work.needed[self.job.export]).splits
        if self.raw:
            [name] = by_name(cases[MEASURED].inputs)
            return {MEASURED: {name: self.work.needed[self.job.export].array(RAW)}}
        return {name: case.inputs for name, case in cases.items() if isinstance(case.inputs, Mapping)}

    @cached_property
    def rows(self) -> Examples:
        """The measured rows."""
        positions = self.work.needed[self.job.export].array("positions")
        return self.work.prepared.splits[self.exported.split].take(positions)

    @cached_property
    def predicted(self) -> NDArray[np.float64]:
        """What the training predicted for the measured rows."""
        stored = self.work.needed[self.job.export.of].array(f"predictions/{self.exported.split}")
        return np.asarray(stored[self.work.needed[self.job.export].array("positions")], dtype=np.float64)

    @cached_property
    def reading(self) -> Reading | None:
        """How the model's outputs become predictions."""
        more: dict[str, Reading] = {}
        if self.run.predictions == "tokens":
            more["tokens"] = next_tokens(self.rows.targets)
        steps = self.work.spec.data.prepare_target if self.work.spec.data else ()
        if steps:
            import torch

            from pytest_mlspec.engines.target_scale import TargetScale

            scale = TargetScale.fitted(steps, self.work.prepared.splits["train"].targets)
            more["scale"] = lambda outputs: scale.restored(torch.from_numpy(as_they_are(outputs))).numpy()
        return found_reading(self._stored(MEASURED), self.predicted, more=more)

    def expected(self, case: str) -> NDArray[Any]:
        """What the exported model should give for a case."""
        stored = self._stored(case)
        if self.job.gives == "outputs":
            return stored
        if self.reading is None or self.run.predictions == "tokens":
            raise MeasurementError(
                "how outputs become predictions is not known", advice="export the outputs, without gives: predictions"
            )
        return self.reading(stored)

    def difference(self, case: str, opened: Opened) -> tuple[Difference, NDArray[Any] | None]:
        """The difference for one case, and what the exported model gave."""
        expected = self.expected(case)
        try:
            given = (
                in_batches(opened, self.inputs[case], self._batch_size)
                if case == MEASURED
                else opened(self.inputs[case])
            )
        except MemoryError:
            raise
        except Exception as error:  # each library has exceptions of its own for a call that it refuses
            return Difference(len(expected), error=first_line(error)), None
        if self.job.gives == "predictions":
            given = as_probabilities(given, expected)
        return compared(given, expected, rtol=self.job.rtol, scores=self._scores), given

    def hint(self, opened: Opened, answers: NDArray[Any]) -> str:
        """What the difference on the first measured rows looks like."""
        few = {name: values[:_HINTED] for name, values in self.inputs[MEASURED].items()}
        expected = self.expected(MEASURED)[:_HINTED]
        if answers.shape[1:] != expected.shape[1:]:  # the difference says so
            return ""
        if np.allclose(answers[:_HINTED], expected, rtol=self.job.rtol, atol=1e-7):
            return ""
        try:
            return hint(opened, few, opened(few), expected)
        except Exception:  # it takes batches of other sizes alone, which the cases tell
            return ""

    def parity(self, differences: Mapping[str, Difference], answers: NDArray[Any] | None, seen: str) -> Parity:
        """Everything that was found; `answers` are those for the measured rows."""
        exported, format_ = self.exported, FORMATS.find(self.exported.format)
        name = self.job.metric or _METRICS.get(self._task, "")
        score, reference, unscored = None, None, ""
        if name:
            try:
                reference = self._score(name, self.predicted)
                score = self._score(name, self._predictions(answers))
            except MeasurementError as error:
                unscored = error.message
        return Parity(
            format=exported.format,
            differences=differences,
            loaded_with="a fresh process" if format_.alone else "the team's model",
            exact=format_.exact,
            hint=seen,
            metric=f"{exported.split}.{name}" if name else "",
            unscored=unscored,
            score=score,
            reference_score=reference,
            higher_is_better=METRICS[name].higher_is_better if name else True,
            rows=len(self.rows),
            size=exported.size,
            opset=exported.opset,
            notes=(
                f"written by {exported.written_by}",
                *(["it prepares the raw rows itself: the measured rows alone are compared"] if self.raw else []),
                *exported.notes,
            ),
        )

    @property
    def _task(self) -> str:
        """The task, as the kind of its predictions tells where the spec does not."""
        by_kind = {"values": "regression", "tokens": "language_model", "clusters": "clustering"}
        return task_of(self.work.spec) or by_kind.get(self.run.predictions, "multiclass")

    @property
    def _batch_size(self) -> int:
        return self.work.spec.train.batch_size

    @property
    def _scores(self) -> Scores | None:
        """The scores of the classes between which outputs decide; None where they decide nothing."""
        if self.run.predictions == "tokens":
            return softmax
        if self.run.predictions not in ("probabilities", "labels") or self.reading is None:
            return None
        return as_they_are if self.job.gives == "predictions" else self.reading

    def _stored(self, case: str) -> NDArray[Any]:
        return self.work.needed[self.job.export].array(f"expected/{case}")

    def _predictions(self, answers: NDArray[Any] | None) -> NDArray[np.float64]:
        if answers is None:
            raise MeasurementError("the exported model gave no outputs for these rows")
        if self.job.gives == "predictions":
            return as_they_are(answers)
        if self.reading is None:
            raise MeasurementError("the model's outputs do not become the predictions that the training stored")
        try:
            found = self.reading(answers)
            if found.shape != self.predicted.shape:
                raise ValueError(f"the shape {list(found.shape)}, not {list(self.predicted.shape)}")
            return found
        except ValueError as error:  # outputs of another shape than the model's
            raise MeasurementError(
                f"the outputs of the exported model are no predictions: {first_line(error)}"
            ) from error

    def _score(self, name: str, predicted: NDArray[np.float64]) -> float:
        """The metric `name` of predictions for the measured rows."""
        prepared = self.work.prepared
        bench = Bench(self.work, prepared, self.work.needed[self.job.export.of], self.job.export.of.fold)
        read = as_predictions(predicted, self.run.predictions, self.rows.inputs)
        counted = bench.positive if prepared.classes else 0
        return metric_value(METRICS[name], self.rows.targets, read, classes=prepared.classes, counted=counted)
