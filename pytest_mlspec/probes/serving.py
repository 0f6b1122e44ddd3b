"""`Serve`: raw rows through a serving path, against what the training reported for the same rows.

The path is the team's `predict`, or an exported form behind the stored preparation. How the rows are brought to it stands in
`trial.py`, what it may answer in `answers.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pytest_mlspec.errors import NotApplicableError, StoreError
from pytest_mlspec.evidence import Difference, Evidence, Served, TrainingRun
from pytest_mlspec.jobs import MetricRequest, Serve
from pytest_mlspec.probes import answers, golden, requests
from pytest_mlspec.probes.answers import Answers, Form, Kind
from pytest_mlspec.probes.scores import Bench
from pytest_mlspec.probes.serving_paths import demand_a_path, serving_path
from pytest_mlspec.probes.trained import RawRows, raw_rows
from pytest_mlspec.probes.trial import Trial
from pytest_mlspec.probes.watched_calls import Calls, watched
from pytest_mlspec.recipe.protocol import Trained
from pytest_mlspec.recipe.work import Result, Work

_COLUMNS_LACKING, _GOLDEN_ROWS = 16, 8
_WATCHED_ROWS = (8, 24)
# What rounding explains in single precision, as a share of the largest output.
_ROUNDING = 1e-4


def serve(job: Serve, work: Work) -> Result:
    """Compares what is served with what was reported, on the test split (else validation, else training).

    Raises NotApplicableError where there is no such path, UserCodeError for what the team's raises on the whole split.
    """
    demand_a_path(job, work)
    stored = work.needed[job.of]
    run = stored.evidence
    assert isinstance(run, TrainingRun)
    if run.predictions in ("clusters", "tokens"):
        raise NotApplicableError(f"what is served for the task {work.recipe.task} has no form that could be compared")
    raw = raw_rows(job.of, work)
    bench = Bench(work, work.prepared, stored, job.of.fold)
    reported = Answers(np.asarray(stored.array(f"predictions/{raw.split}"), dtype=np.float64), _kind(run))
    form = Form(
        work.prepared.classes, bench.positive, reported.values.shape[1:], "predict" if job.export is None else job.form
    )
    with serving_path(job, work, raw, form, reported.kind) as path:
        trial = Trial(path.serve, raw.rows, reported)
        whole = trial.whole
        differences = {"whole": whole, **dict(trial.brought_otherwise())}
        lacking = None if path.model is None else _lacking(raw)
        if path.model is not None and lacking is not None:
            differences["missing"] = trial.of_changed(lacking, path.model)
        compared = _golden(job, work, trial, form)
        seen = [] if path.trained is None else _watched(trial, path.trained)
    scores, unscored = _scores(job.requests or _first_look(raw.split, form), bench, trial.served, run, raw.split)
    mixed_up = answers.permutation(trial.served, reported, tolerance=_ROUNDING * whole.scale)
    return Result(
        Served(
            path=job.form,
            differences=differences,
            scores=scores,
            rows=len(raw.rows),
            unscored=unscored,
            answers=trial.served.kind,
            permuted=tuple(form.classes[number] for number in mixed_up),
            records_gradients=trial.served.records_gradients or any(each.recorded for _, each in seen),
            calls=tuple((rows, each.count) for rows, each in seen),
            reloaded=_loaded_by_each([each.loaded for _, each in seen]),
            golden=compared,
            device=run.device,
        )
    )


def _watched(trial: Trial, trained: Trained) -> list[tuple[int, Calls]]:
    """Requests of several sizes, after all others: the rows of each, and what the path did to answer it."""
    found = []
    for count in _WATCHED_ROWS:
        positions_N = requests.spread(len(trial.rows), count)
        features = requests.some(trial.rows.features, positions_N)
        with watched(trained.model, trained.folder) as calls:
            trial.serving(features)
        found.append((len(positions_N), calls))
    return found


def _loaded_by_each(loaded: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """What every request loaded: a path that keeps its model has loaded it before."""
    first, *others = loaded or [()]
    return tuple(name for name in dict.fromkeys(first) if all(name in other for other in others))


def _kind(run: TrainingRun) -> Kind:
    match run.predictions:
        case "probabilities" | "labels" as kind:
            return kind
        case _:
            return "values"


def _lacking(raw: RawRows) -> pd.DataFrame | None:
    """Rows with a value less, as the training rows lack some; None where none is missing there."""
    train, rows = raw.train.features, raw.rows.features
    if not (isinstance(train, pd.DataFrame) and isinstance(rows, pd.DataFrame)):
        return None
    found = requests.lacking(rows, train, most=_COLUMNS_LACKING)
    return found if len(found) else None


def _golden(job: Serve, work: Work, trial: Trial, form: Form) -> Difference | None:
    """How far the path is from its golden rows; None where there is no file, and one is then left with the evidence."""
    if job.golden is None:
        return None
    features = trial.rows.features
    try:
        rows, expected = golden.read(work.root / job.golden, form, like=features)
    except FileNotFoundError:
        few_N = requests.spread(len(trial.rows), _GOLDEN_ROWS)
        golden.write(work.folder / golden.CANDIDATE, requests.some(features, few_N), trial.served.take(few_N), form)
        return None
    return trial.of_changed(rows, lambda features: expected)


def _first_look(split: str, form: Form) -> tuple[MetricRequest, ...]:
    """The metric that people look at first, where no gate names any."""
    return (MetricRequest("accuracy" if form.classes else "mean_absolute_error", split),)


def _scores(
    requests_: Sequence[MetricRequest], bench: Bench, served: Answers, run: TrainingRun, split: str
) -> tuple[dict[str, tuple[float, float]], dict[str, str]]:
    """Each metric as (served, reported), and why one has no value."""
    of_path = replace(
        bench, stored=_Served(replace(run, predictions=served.kind), {f"predictions/{split}": served.values})
    )
    scores: dict[str, tuple[float, float]] = {}
    unscored: dict[str, str] = {}
    for request in requests_:
        ours, theirs = of_path.score(request), bench.score(request)
        if ours.value is None or theirs.value is None:
            unscored[request.key] = theirs.error or ours.error
        else:
            scores[request.key] = (ours.value, theirs.value)
    return scores, unscored


@dataclass(frozen=True)
class _Served:
    """What was served, as the metrics read the stored result of a training."""

    evidence: Evidence
    arrays: Mapping[str, np.ndarray[Any, Any]]

    def array(self, name: str) -> np.ndarray[Any, Any]:
        """The outputs of one split; nothing else was served."""
        if name not in self.arrays:
            raise StoreError(f"what was served has no array {name!r}")
        return self.arrays[name]

    def file(self, name: str) -> Path:
        """None: nothing was written."""
        raise StoreError(f"what was served has no file {name!r}")
