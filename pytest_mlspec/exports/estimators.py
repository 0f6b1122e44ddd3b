"""`onnx` of an estimator: skl2onnx for scikit-learn, onnxmltools for XGBoost and LightGBM, CatBoost's own writer.

Whatever writes it, the graph ends in one output, `outputs`: probabilities [N, C] or certain labels [N, C] in the order of the
prepared classes, or values. It takes an array as one input, columns by their names, numbers as float32.

Shape letters: N rows, F columns, C classes.
"""

from __future__ import annotations

import copy
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pytest_mlspec.engines.fitted_estimator import FittedEstimator, final_of
from pytest_mlspec.errors import MissingExtraError, RecipeError
from pytest_mlspec.exports import Named, first_line
from pytest_mlspec.exports.runtime import opset_of
from pytest_mlspec.exports.subject import Subject, Written

DEFAULT_OPSET = 15
OUTPUT = "outputs"

_INPUT = "inputs"
_OF_TREES = 3  # the version of the operators of trees that goes with DEFAULT_OPSET
_IN_DOUBLE = "LightGBM compares in double precision, ONNX in single: a value beside a threshold may go the other way"
_OTHERWISE = "export to skops, or train another estimator"


def write(subject: Subject, path: Path, *, opset: int | None) -> Written:
    """Writes the estimator to `path` with any number of rows, in `opset`, by default 15.

    Raises RecipeError where it has no form in ONNX, MissingExtraError where the package that writes it is not installed.
    """
    predictor = subject.predictor
    assert isinstance(predictor, FittedEstimator), "the engine sklearn gives one"
    _demand_a_form(predictor)
    package = type(predictor.estimator).__module__.partition(".")[0]
    convert = _CONVERTERS.get(package, _of_scikit_learn)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of deprecated calls inside the converters
        try:
            model, by = convert(predictor, subject.example(), opset or DEFAULT_OPSET)
        except ImportError as error:
            raise MissingExtraError(error.name or "skl2onnx", extra="onnx_estimators") from None
        except RecipeError:
            raise
        except Exception as error:  # each converter has exceptions of its own for what it cannot write
            raise RecipeError(
                f"{predictor.name} has no form in ONNX: {first_line(error):.200}", key="model", advice=_OTHERWISE
            ) from error
    _finish(model, predictor, opset or DEFAULT_OPSET)
    path.write_bytes(model.SerializeToString())
    got = opset_of(path)
    if opset is not None and got != opset:
        raise RecipeError(f"the model cannot be written in opset {opset}: {by} wrote {got}", advice="remove `opset`")
    return Written(by, got, (_IN_DOUBLE,) if package == "lightgbm" else ())


def _demand_a_form(predictor: FittedEstimator) -> None:
    if predictor.kind == "clusters" or predictor.row:
        raise RecipeError(f"{predictor.name} is exported to skops alone", key="model", advice="to: [skops]")
    if predictor.name.startswith("HistGradientBoosting"):
        raise RecipeError(
            f"{predictor.name} has no form in ONNX: skl2onnx cannot write its trees",
            key="model",
            advice=f"export to skops, or train lightgbm.LGBM{predictor.name.removeprefix('HistGradientBoosting')}",
        )
    if predictor.classes > 2 and _trees_a_round(predictor.estimator) > 1:
        raise RecipeError(
            f"{predictor.name} has no form in ONNX: onnxmltools takes the trees of a forest of {predictor.classes} classes"
            " for those of other classes",
            key="model",
            advice=_OTHERWISE,
        )
    if type(predictor.estimator).__name__ in ("RFE", "RFECV"):
        raise RecipeError(
            f"{type(predictor.estimator).__name__} has no form in ONNX: skl2onnx writes what it selects, and no predictions",
            key="model",
            advice=_OTHERWISE,
        )
    if predictor.features.names:
        raise RecipeError(
            f"the column {predictor.features.names[0]!r} is a category, which {predictor.name} has no form for in ONNX",
            key="data.prepare",
            advice="write `prepare: standard`, or export to skops",
        )


def _trees_a_round(estimator: Any) -> int:
    """How many trees XGBoost grows for a class in one round; 1 for any other estimator."""
    if not hasattr(estimator, "get_xgb_params"):
        return 1
    return int(estimator.get_xgb_params().get("num_parallel_tree") or 1)


def _of_scikit_learn(predictor: FittedEstimator, example: Named, opset: int) -> tuple[Any, str]:
    import skl2onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    by_name = _goes_by_names(predictor.estimator)
    if by_name:
        of_kind = {
            name: StringTensorType if values.dtype.kind == "O" else FloatTensorType for name, values in example.items()
        }
        types = [(name, kind([None, 1])) for name, kind in of_kind.items()]
    else:
        types = [(_INPUT, FloatTensorType([None, _width(example)]))]
    # A search is what it has found.
    estimator = getattr(predictor.estimator, "best_estimator_", predictor.estimator)
    versions = {"": opset, "ai.onnx.ml": _OF_TREES}
    # Left alone, it asks the last step of a pipeline for a form of probabilities that LinearSVC does not know.
    options: dict[int, dict[str, bool]] = {id(final_of(estimator)): {}}
    model = skl2onnx.to_onnx(estimator, initial_types=types, options=options, target_opset=versions)
    by = f"skl2onnx {skl2onnx.__version__}"
    return (_with_their_names(model, example) if by_name else _with_columns(model, example)), by


def _of_xgboost(predictor: FittedEstimator, example: Named, opset: int) -> tuple[Any, str]:
    import onnxmltools

    booster = copy.deepcopy(predictor.estimator)
    booster.get_booster().feature_names = None  # the converter knows columns by their positions alone
    model = onnxmltools.convert_xgboost(
        booster, initial_types=_one_input(example), target_opset=_at_most(opset, predictor)
    )
    return _with_columns(model, example), f"onnxmltools {onnxmltools.__version__}"


def _of_lightgbm(predictor: FittedEstimator, example: Named, opset: int) -> tuple[Any, str]:
    import onnxmltools

    model = onnxmltools.convert_lightgbm(
        predictor.estimator,
        initial_types=_one_input(example),
        target_opset=_at_most(opset, predictor),
        zipmap=False,
    )
    return _with_columns(model, example), f"onnxmltools {onnxmltools.__version__}"


def _of_catboost(predictor: FittedEstimator, example: Named, opset: int) -> tuple[Any, str]:
    import catboost
    import onnx

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "model.onnx")
        predictor.estimator.save_model(str(file), format="onnx")
        model = onnx.load(file)
    (entry,) = model.graph.input
    for node in model.graph.node:
        node.input[:] = [_INPUT if name == entry.name else name for name in node.input]
    entry.name = _INPUT
    return _with_columns(model, example), f"catboost {catboost.__version__}"


_CONVERTERS: Mapping[str, Callable[[FittedEstimator, Named, int], tuple[Any, str]]] = {
    "xgboost": _of_xgboost,
    "lightgbm": _of_lightgbm,
    "catboost": _of_catboost,
}


def _at_most(opset: int, predictor: FittedEstimator) -> int:
    if opset > DEFAULT_OPSET:
        raise RecipeError(
            f"opset {opset} cannot be written from {predictor.name}: onnxmltools writes at most {DEFAULT_OPSET}",
            advice=f"opset: {DEFAULT_OPSET}",
        )
    return opset


def _one_input(example: Named) -> list[tuple[str, Any]]:
    from onnxmltools.convert.common.data_types import FloatTensorType

    return [(_INPUT, FloatTensorType([None, _width(example)]))]


def _width(example: Named) -> int:
    return sum(1 if values.ndim == 1 else values.shape[1] for values in example.values())


def _goes_by_names(estimator: Any) -> bool:
    """True for a pipeline that picks columns by their names."""
    steps = getattr(getattr(estimator, "best_estimator_", estimator), "steps", [])
    return any(type(step).__name__ == "ColumnTransformer" for _, step in steps)


def _with_columns(model: Any, example: Named) -> Any:
    """A graph that takes columns by their names, where the model does."""
    import onnx

    if set(example) == {""}:
        return model
    helper, graph = onnx.helper, model.graph
    del graph.input[:]
    graph.input.extend(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None, 1]) for name in example)
    graph.node.insert(0, helper.make_node("Concat", list(example), [_INPUT], axis=1))
    return model


def _with_their_names(model: Any, example: Named) -> Any:
    """A graph whose inputs are called as the columns are; skl2onnx writes other characters in the place of some."""
    names = {entry.name: name for entry, name in zip(model.graph.input, example, strict=True)}
    for entry in model.graph.input:
        entry.name = names[entry.name]
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
    return model


def _finish(model: Any, predictor: FittedEstimator, opset: int) -> None:
    """Ends the graph in `outputs`, in the order and number of the prepared classes."""
    import onnx

    if all(each.domain not in ("", "ai.onnx") for each in model.opset_import):  # operators of trees alone
        model.opset_import.append(onnx.helper.make_opsetid("", opset))
    helper, graph, make = onnx.helper, model.graph, onnx.numpy_helper.from_array
    # A list of mappings in the place of probabilities comes from an operator that other runtimes do not have.
    for node in [node for node in graph.node if node.op_type == "ZipMap"]:
        graph.node.remove(node)
        for output in graph.output:
            output.name = node.input[0] if output.name == node.output[0] else output.name
    found = [output.name for output in graph.output]
    classes = predictor.classes
    if predictor.kind == "probabilities" and len(found) < 2:
        raise RecipeError(
            f"{predictor.name} has no form in ONNX: its converter writes no probabilities",
            key="model",
            advice=_OTHERWISE,
        )
    match predictor.kind:
        case "probabilities":
            # A class without a training row has no column.
            places_CC = np.eye(classes, dtype=np.float32)[predictor.columns]
            graph.initializer.append(make(places_CC, "mlspec_places"))
            nodes = [helper.make_node("MatMul", [found[1], "mlspec_places"], [OUTPUT])]
        case "labels":
            graph.initializer.append(make(np.arange(classes, dtype=np.int64)[None], "mlspec_classes"))
            graph.initializer.append(make(np.array([-1, 1], dtype=np.int64), "mlspec_column"))
            nodes = [
                helper.make_node("Cast", [found[0]], ["mlspec_label"], to=onnx.TensorProto.INT64),
                helper.make_node("Reshape", ["mlspec_label", "mlspec_column"], ["mlspec_label_N1"]),
                helper.make_node("Equal", ["mlspec_label_N1", "mlspec_classes"], ["mlspec_is_class"]),
                helper.make_node("Cast", ["mlspec_is_class"], [OUTPUT], to=onnx.TensorProto.FLOAT),
            ]
        case _:
            nodes = [helper.make_node("Identity", [found[0]], [OUTPUT])]
    graph.node.extend(nodes)
    shape = [None, classes if classes else 1]
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(OUTPUT, onnx.TensorProto.FLOAT, shape))
