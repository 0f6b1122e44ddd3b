"""`Latency`: how long a call of a trained model takes, on rows of the test split, with as many threads as were asked for.

    eager      the module itself on tensors that lie ready, without gradients; of another engine, its prediction
    predict    the team's serving path, from raw rows
    …          an exported form, opened as it is deployed, on the rows that lie beside it

Rows repeat where a batch is larger than the split.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pytest_mlspec.engines import ENGINES, ModulePredictor, Predictor
from pytest_mlspec.engines.outside import from_outside
from pytest_mlspec.errors import NotApplicableError, RecipeError
from pytest_mlspec.evidence import Array, Exported, Timing
from pytest_mlspec.exports import open_export
from pytest_mlspec.formats import MEASURED
from pytest_mlspec.jobs import Export, Latency
from pytest_mlspec.probes import requests
from pytest_mlspec.probes.stopwatch import Call, processors, stopwatch
from pytest_mlspec.probes.timing import Timed, matrix_products, timed
from pytest_mlspec.probes.trained import fitted_preparation, raw_rows, served_model
from pytest_mlspec.recipe.packing import read_prepared
from pytest_mlspec.recipe.protocol import Examples
from pytest_mlspec.recipe.work import Result, Work
from pytest_mlspec.store.environment import processor

if TYPE_CHECKING:
    import torch

_CPU = "cpu"


@dataclass(frozen=True)
class _Called:
    """What is timed: the call, the different rows of its batch, and what it runs on.

    `before_ms` is what the model took for the calls that were made while it was restored: they belong to its first.
    """

    call: Call
    rows: int
    device: torch.device | None = None
    before_ms: float = 0.0


def time_calls(job: Latency, work: Work) -> Result:
    """Times calls of what `job` names.

    Raises NotApplicableError for more threads than there are processors, RecipeError where there is no serving path,
    UserCodeError for what the call raises.
    """
    if job.threads > processors():
        raise NotApplicableError(f"{job.threads} threads were asked for, and {processors()} processors are there")
    with from_outside("the timed call", key="model"), _called(job, work) as called, _threads(job.threads):
        found, device, machine, tells_waits = _timed(job, called)
    return Result(
        Timing(
            batch=job.batch,
            threads=job.threads,
            form=job.form,
            rows=called.rows,
            device=device,
            machine=machine,
            tells_waits=tells_waits,
            wall_ms_R=Array.of(found.wall_ms_R),
            own_ms_R=Array.of(found.own_ms_R),
            first_ms=called.before_ms + found.first_ms,
            relative=found.relative,
            reference_ms=found.reference_ms,
        )
    )


def _timed(job: Latency, called: _Called) -> tuple[Timed, str, str, bool]:
    """The times of the calls, the device, the machine, and whether it tells waits."""
    if called.device is not None and called.device.type == "cuda":
        from pytest_mlspec.probes.cuda_timing import EventStopwatch, described, device_products

        watch = EventStopwatch(called.device)
        found = timed(called.call, calls=job.calls, watch=watch, reference=device_products(called.device))
        machine = described(called.device)  # after the calls: at rest the clock is another
        return found, str(called.device), machine, watch.tells_waits
    with stopwatch() as of_processor:
        found = timed(called.call, calls=job.calls, watch=of_processor, reference=matrix_products())
        return found, _CPU, processor(), of_processor.tells_waits


@contextmanager
def _called(job: Latency, work: Work) -> Iterator[_Called]:
    export = job.export
    if export is not None:
        yield _exported(job, export, work)
    elif job.form == "predict":
        with _served(job, work) as called:
            yield called
    else:
        yield _eager(job, work)


def _eager(job: Latency, work: Work) -> _Called:
    predictor, before_ms = _restored(job, work)
    splits = work.prepared.splits
    examples = splits[next(name for name in ("test", "val", "train") if len(splits.get(name, ())))]
    positions_B = _positions(len(examples), job.batch)
    rows = len(np.unique(positions_B))
    batch = examples.take(positions_B)
    if isinstance(predictor, ModulePredictor):
        call, device = _of_module(predictor, batch)
        return _Called(call, rows, device, before_ms)
    return _Called(lambda: predictor(batch.inputs), rows, before_ms=before_ms)


def _of_module(predictor: ModulePredictor, batch: Examples) -> tuple[Call, torch.device | None]:
    import torch

    module = predictor.module.eval()
    tensors = predictor.tensors(batch)
    values = list(tensors.values() if isinstance(tensors, Mapping) else tensors)

    def call() -> object:
        with torch.no_grad():
            return module(**tensors) if isinstance(tensors, Mapping) else module(*tensors)

    return call, values[0].device if values else None


def _exported(job: Latency, export: Export, work: Work) -> _Called:
    """The exported form, without the team's code."""
    written = work.needed[export]
    assert isinstance(written.evidence, Exported)
    opened = open_export(job.form, written.file(written.evidence.file), threads=job.threads)
    inputs = read_prepared(written).splits[MEASURED].inputs
    assert isinstance(inputs, Mapping), "an export stores its inputs by name"
    positions_B = _positions(len(next(iter(inputs.values()))), job.batch)
    batch = {name: np.ascontiguousarray(values[positions_B]) for name, values in inputs.items()}
    return _Called(lambda: opened(batch), len(np.unique(positions_B)))


@contextmanager
def _served(job: Latency, work: Work) -> Iterator[_Called]:
    predict = work.recipe.predict
    if "predict" not in work.recipe.given or predict is None or work.spec.train.engine.use == "callable":
        raise RecipeError(
            "there is no serving path to time: the recipe gives no predict(trained, rows) that takes raw rows",
            key="recipe",
            advice="give it one, or time another form: [of=eager], [of=onnx]",
        )
    raw = raw_rows(job.of, work)
    fitted = fitted_preparation(job.of, work, raw.train)
    predictor, before_ms = _restored(job, work)
    positions_B = _positions(len(raw.rows), job.batch)
    features = requests.some(raw.rows.features, positions_B)
    module = predictor.module if isinstance(predictor, ModulePredictor) else None
    parameter = None if module is None else next(module.parameters(), None)
    with served_model(predictor, work, fitted=fitted) as trained:
        yield _Called(
            lambda: predict(trained, features),
            len(np.unique(positions_B)),
            None if parameter is None else parameter.device,
            before_ms,
        )


def _positions(rows: int, batch: int) -> NDArray[np.int64]:
    return np.resize(np.arange(rows), batch)


def _restored(job: Latency, work: Work) -> tuple[Predictor, float]:
    """The trained model, and the milliseconds that its module took for calls while it was restored.

    An engine may call it for the shapes of its outputs: what a model does at its first call, such as compiling, is done there.
    """
    engine = ENGINES.find(work.spec.train.engine.use)
    if engine.kind != "module":
        return engine.restore(job.of, work), 0.0
    from pytest_mlspec.probes.first_calls import ForwardTime

    with ForwardTime() as spent:
        predictor = engine.restore(job.of, work)
    return predictor, spent.milliseconds


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """So many threads for torch, where it is loaded, and for libraries of linear algebra."""
    from threadpoolctl import threadpool_limits

    torch: Any = sys.modules.get("torch")
    before = torch.get_num_threads() if torch is not None else 0
    try:
        with threadpool_limits(limits=count):
            if torch is not None:
                torch.set_num_threads(count)
            yield
    finally:
        if torch is not None:
            torch.set_num_threads(before)
