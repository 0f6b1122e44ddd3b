"""The checks of a spec as functions: on plain models and data, in a test, a notebook or a script, without a spec file.

    assert_overfits(lambda: nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3)), (inputs, targets), steps=200)

Each judges by the check of its name and returns the verdict where it passed; it raises AssertionError with what the report
would say where it is red, NotApplicableError where it cannot be asked of this model, and MlspecError for a mistake in the call.
Trainings run in this process, on one thread, each with seeded generators that are given back as they were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Unpack

from pytest_mlspec.check import CHECKS, Status, Verdict
from pytest_mlspec.errors import MlspecError, NotApplicableError
from pytest_mlspec.plain import Data, Model, Pipeline, Plain, Training, Values, as_recipe, as_trained
from pytest_mlspec.quantities import METRICS
from pytest_mlspec.report import verdict_lines
from pytest_mlspec.workbench import independence, with_targets, workbench


def assert_converges(
    model: Model,
    data: Data,
    *,
    margin: float = 0.1,
    held_out_margin: float | None = 0.05,
    loss_floor: float | None = None,
    **training: Unpack[Training],
) -> Verdict:
    """The final loss lies below its start and below that of the best constant prediction.

    `margin` is the share of the way down to `loss_floor` that it must have gone, `held_out_margin` the same for the rows that
    were held out (None: not judged).
    """
    params = {"margin": margin, "held_out_margin": held_out_margin, "loss_floor": loss_floor}
    return _asserted(as_recipe(model, data, **training), "converges", params)


def assert_overfits(
    model: Model,
    data: Data,
    *,
    steps: int | None = None,
    loss_at_most: float | None = None,
    **training: Unpack[Pipeline],
) -> Verdict:
    """The model can drive the loss on one batch close to zero.

    `steps` are optimiser steps on that batch (None: as many as declared, 200 to 1,000); `loss_at_most` is in units of the loss
    (None: 5 % of the loss at initialisation).
    """
    return _asserted(as_recipe(model, data, **training), "overfit", {"steps": steps, "loss_at_most": loss_at_most})


def assert_gradients(model: Model, data: Data, *, frozen: Sequence[str] = (), **training: Unpack[Training]) -> Verdict:
    """Every parameter that should learn gets a finite gradient and moves; gradients left over change nothing.

    `frozen` names the parameters that should not learn, as patterns such as `encoder.*`.
    """
    return _asserted(as_recipe(model, data, **training), "gradients", {"frozen": list(frozen)})


def assert_reproducible(model: Model, data: Data, **training: Unpack[Training]) -> Verdict:
    """Two trainings with the same seed are equal to the last bit, the second one begun with other random states.

    Both run in this process: what depends on the hash seed of Python or on what a process imported first is seen by the check
    `reproducible` of a spec, which starts a fresh interpreter, and not here.
    """
    return _asserted(as_recipe(model, data, **training), "reproducible", {}, sentence=_first_line(assert_reproducible))


def assert_resumes(model: Model, data: Data, *, at: float = 0.5, **training: Unpack[Training]) -> Verdict:
    """A training that is interrupted and resumed equals an uninterrupted one to the last bit.

    It is interrupted after the share `at` of its optimiser steps, saved, and restored into new objects in this process.
    """
    return _asserted(as_recipe(model, data, **training), "resumes", {"at": at})


def assert_independent_rows(model: Any, inputs: Values, *, tolerance: float | None = None) -> Verdict:
    """The output for a row is the same alone, in a batch, in another order, and when it is evaluated again.

    `model` is a module, which is called in evaluation mode (in float64 where it can), a fitted estimator, or a function;
    `inputs` [N, …] are its rows, of which 16 are compared. `tolerance` is the largest difference of two outputs, in their units
    (None: what rounding explains).
    """
    found = independence(model, inputs)
    check = CHECKS.find("independence")
    return demanded(
        "independence", check(check.params.model_validate({"tolerance": tolerance}), rows=found), check.claim
    )


def assert_metric(
    model: Any,
    data: tuple[Values, Values],
    metric: str,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    within: tuple[float, float] | None = None,
    better_than: Literal["dummy"] | None = None,
    by: float | None = None,
    task: str | None = None,
) -> Verdict:
    """A metric of a trained model on data at hand lies within its bound.

    `model` is a module with logits [N, C] or values [N], a fitted estimator, or a function to probabilities or values; `metric`
    is scikit-learn's name, such as `accuracy` or `recall[class=yes]`, and the bounds are those of a gate.
    """
    bound = {"at_least": at_least, "at_most": at_most, "within": within, "better_than": better_than, "by": by}
    _demand_what_it_reads(model, metric)
    return _gated(as_trained(model, data, task=task), f"test.{metric}", bound)


def assert_latency(
    model: Any,
    inputs: Values,
    *,
    at_most: str | float,
    statistic: Literal["min", "p50", "first"] = "min",
    batch: int = 1,
    threads: int = 1,
) -> Verdict:
    """A call of the model takes at most so long: `at_most` is a text with its unit, such as `40ms`, or milliseconds.

    `min` is the shortest call relative to a reference operation that is timed in between, so that a busy machine does not
    change it; `p50` the median, `first` the first call. `batch` rows of `inputs` [N, …] make a call, on `threads` threads.
    """
    pipeline = as_trained(model, with_targets(model, inputs))
    return _gated(pipeline, f"latency.{statistic}[batch={batch}, threads={threads}]", {"at_most": at_most})


def assert_export_valid(
    model: Any,
    data: tuple[Values, Values] | Values,
    *,
    to: str | Sequence[str] = ("onnx",),
    rtol: float | None = None,
    atol: float | None = None,
    metric_drop: float | None = None,
) -> Verdict:
    """The model can be exported to each format of `to`, and what was written answers as the model does.

    `data` is `(inputs, targets)`, on which the metric of both is compared too, or inputs alone. See the check `export`. What
    was written is loaded in this process; a spec loads it in a fresh one.
    """
    pair = data if isinstance(data, tuple) else with_targets(model, data)
    params = {"to": [to] if isinstance(to, str) else list(to), "rtol": rtol, "atol": atol, "metric_drop": metric_drop}
    given = {name: value for name, value in params.items() if value is not None}
    is_module = hasattr(model, "state_dict")
    return _asserted(as_trained(model, pair) if is_module else as_recipe(model, pair), "export", given)


def assert_mteb(model: Any, task: str, *, at_least: float, data: str | None = None) -> Verdict:
    """The main score of a task of MTEB, for a SentenceTransformer at hand, is at least so much.

    `data` is a folder below the working folder with a local copy of the task's data, by default the hub.
    """
    pairs = {"anchor": ["a", "b", "c", "d", "e"], "positive": ["a", "b", "c", "d", "e"]}
    spec = {
        "task": "embedding",
        "data": {"columns": {"anchor": "anchor", "positive": "positive"}},
        "train": {"engine": "sentence_transformers"},
        "mteb": {task: {"data": data} if data else {}},
        "gates": {f"mteb.{task}[of=base]": {"at_least": at_least}},
    }
    pipeline = Plain(load=lambda: _table(pairs), build_model=lambda: model), spec
    return _gated(pipeline, f"mteb.{task}[of=base]", {"at_least": at_least})


def check_recipe(
    recipe: object, *, checks: Sequence[str] | Mapping[str, Mapping[str, Any]] = ("standard",), **spec: Any
) -> dict[str, Verdict]:
    """The verdict of every check on a recipe at hand: a module or an object that gives extension points, such as `load`.

    `checks` are names, or names with parameters; `standard` stands for those of `checks: standard`. Further arguments are keys
    of a spec: `check_recipe(ranker, task="binary", train={"epochs": 3})`. Raises AssertionError that holds every red verdict.
    """
    is_callable = callable(getattr(recipe, "fit", None))
    train = {**({"engine": "callable"} if is_callable else {}), **spec.pop("train", {})}
    wanted = [{name: dict(params)} for name, params in checks.items()] if isinstance(checks, Mapping) else list(checks)
    with workbench(recipe, {**spec, "train": train}) as bench:
        judged = bench.judge(checks=wanted)
    red = [_text(name, verdict, claim.sentence) for name, (claim, verdict) in judged.items() if verdict.status.red]
    if red:
        raise AssertionError("\n\n".join(red))
    return {name: verdict for name, (_, verdict) in judged.items()}


def _asserted(
    pipeline: tuple[object, Mapping[str, Any]], name: str, params: Mapping[str, Any], *, sentence: str = ""
) -> Verdict:
    with workbench(*pipeline) as bench:
        ((claim, verdict),) = bench.judge(checks=[{name: dict(params)}]).values()
    return demanded(name, verdict, sentence or claim.sentence)


def _gated(pipeline: tuple[object, Mapping[str, Any]], name: str, bound: Mapping[str, Any]) -> Verdict:
    given = {kind: value for kind, value in bound.items() if value is not None}
    with workbench(*pipeline) as bench:
        ((claim, verdict),) = bench.judge(gates={name: given}).values()
    return demanded(name, verdict, claim.sentence)


def _demand_what_it_reads(model: Any, metric: str) -> None:
    """Raises MlspecError for a metric of probabilities of an estimator that gives labels alone."""
    if not hasattr(model, "classes_") or hasattr(model, "predict_proba"):
        return
    found = METRICS.get(metric.partition("[")[0])
    if found is not None and found.reads == "probabilities":
        raise MlspecError(
            f"{metric} reads probabilities, and {type(model).__name__} gives labels alone",
            advice="calibrate it (CalibratedClassifierCV), or give a function that returns probabilities",
        )


def _table(columns: Mapping[str, list[str]]) -> Any:
    import pandas as pd

    return pd.DataFrame(columns)


def demanded(name: str, verdict: Verdict, sentence: str) -> Verdict:
    """The verdict where it passed; raises AssertionError where it is red, NotApplicableError where there is none."""
    __tracebackhide__ = True
    if verdict.status in (Status.NOT_APPLICABLE, Status.SKIPPED):
        raise NotApplicableError(f"{name}: {verdict.summary}")
    if verdict.status.red:
        raise AssertionError(_text(name, verdict, sentence))
    return verdict


def _text(name: str, verdict: Verdict, sentence: str) -> str:
    return "\n".join(verdict_lines(name, verdict, sentence))


def _first_line(function: Any) -> str:
    return str(function.__doc__).partition("\n")[0]
