"""The ways from raw rows to what is served: the team's `predict`, and an exported model behind the stored preparation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pytest_mlspec.engines import Predictor
from pytest_mlspec.engines.predictions import FloatArray
from pytest_mlspec.errors import MeasurementError, NotApplicableError
from pytest_mlspec.evidence import Exported
from pytest_mlspec.exports import open_export
from pytest_mlspec.jobs import Export, Serve
from pytest_mlspec.probes import answers
from pytest_mlspec.probes.answers import Answers, Form, Kind
from pytest_mlspec.probes.load_export import reading_of
from pytest_mlspec.probes.trained import RawRows, fitted_preparation, restored, served_model, stored_preparation
from pytest_mlspec.probes.trial import Serving
from pytest_mlspec.recipe.packing import by_name
from pytest_mlspec.recipe.preparation import as_examples
from pytest_mlspec.recipe.protocol import Trained
from pytest_mlspec.recipe.work import Work


@dataclass(frozen=True)
class ServingPath:
    """What serves raw rows, and what the model gives for them on the way on which it was trained.

    `model` is None where the path has to do without the team's code, and so without its model; `trained` is what the team's
    path is given.
    """

    serve: Serving
    model: Serving | None = None
    trained: Trained | None = None


@contextmanager
def serving_path(job: Serve, work: Work, raw: RawRows, form: Form, kind: Kind) -> Iterator[ServingPath]:
    """The path that `job` names; `kind` is that of the training's own predictions.

    Raises NotApplicableError where there is none.
    """
    if job.export is not None:
        yield ServingPath(_exported(job.export, work, form))
        return
    predict = work.recipe.predict
    assert predict is not None, "it was given"
    predictor = restored(job.of, work)
    fitted = fitted_preparation(job.of, work, raw.train)
    with served_model(predictor, work, fitted=fitted) as trained:
        yield ServingPath(
            lambda features: answers.read(predict(trained, features), len(features), form),
            lambda features: Answers(_of_model(features, predictor, fitted, work, raw), kind),
            trained,
        )


def demand_a_path(job: Serve, work: Work) -> None:
    """Raises NotApplicableError where neither the recipe nor what is stored gives the path that `job` names."""
    if job.export is None and "predict" not in work.recipe.given:
        raise NotApplicableError("the recipe gives no `predict(trained, rows)`, the serving path from raw rows")
    if job.export is not None and stored_preparation(job.of, work) is None:
        raise NotApplicableError(
            "the preparation is the team's own and is not stored with the model: give the recipe a `predict(trained, rows)`"
        )


def _exported(export: Export, work: Work, form: Form) -> Serving:
    """The exported model behind the preparation that is stored beside it; none of the team's code takes part."""
    stored = work.needed[export]
    assert isinstance(stored.evidence, Exported)
    fitted, reading = stored_preparation(export.of, work), reading_of(export, work)
    assert fitted is not None, "it was asked for"
    if reading is None:
        raise MeasurementError(
            f"how the outputs of {stored.evidence.file} become predictions is not known",
            advice="let the model give logits, probabilities or values",
        )
    opened = open_export(export.to, stored.file(stored.evidence.file))

    def serve(features: Any) -> Answers:
        return answers.read(reading(opened(by_name(fitted.inputs(features)))), len(features), form)

    return serve


def _of_model(features: Any, predictor: Predictor, fitted: Any, work: Work, raw: RawRows) -> FloatArray:
    """What the model gives for raw features, by the way on which it was trained."""
    index = np.arange(len(features))
    targets = raw.rows.targets[index % len(raw.rows)]
    rows = replace(raw.rows, features=features, targets=targets, index=index, others=None, origin=None)
    inputs = as_examples(work.recipe.prepare(rows, fitted), rows, raw.split).inputs
    return np.asarray(predictor(inputs), dtype=np.float64)
