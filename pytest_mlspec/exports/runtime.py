"""ONNX files as onnxruntime runs them on the CPU, whatever wrote them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_mlspec.errors import MeasurementError, MissingExtraError
from pytest_mlspec.exports import Named, Opened
from pytest_mlspec.exports.subject import graph_names

# What an output with the answer is called, the first that there is, where a model has several.
_ANSWERS = ("outputs", "logits", "probabilities", "variable")
_TYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}


def open_file(path: Path, *, threads: int) -> Opened:
    """The model in `path`; raises MeasurementError where it is not told which of several outputs answers."""
    try:
        import onnxruntime
    except ImportError:
        raise MissingExtraError("onnxruntime", extra="onnx") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    options.log_severity_level = 4  # what it refuses is raised, and told there
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    answer = _answer([output.name for output in session.get_outputs()], path)

    def call(inputs: Named) -> NDArray[Any]:
        (outputs,) = session.run([answer], _fed(session.get_inputs(), inputs))
        return np.asarray(outputs)

    return call


def opset_of(path: Path) -> int | None:
    """The version of ONNX's own operators in a file; None where it cannot be read, which `open_file` will tell."""
    try:
        import onnx
    except ImportError as error:
        raise MissingExtraError(error.name or "onnx", extra="onnx") from None
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception:  # protobuf's own, for bytes that are no model
        return None
    return next((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), None)


def _answer(outputs: list[str], path: Path) -> str:
    if len(outputs) == 1:
        return outputs[0]
    found = next((name for name in _ANSWERS if name in outputs), None)
    if found is None:
        raise MeasurementError(
            f"{path.name} has the outputs {', '.join(outputs)}: which of them answers?",
            advice=f"call it {_ANSWERS[0]} or {_ANSWERS[1]}",
        )
    return found


def _fed(declared: list[Any], inputs: Named) -> dict[str, NDArray[Any]]:
    """The arrays under the names that the graph has for them, in its types.

    A single input goes by any name; a graph of estimators has an axis of length 1 for a column.
    """
    given = dict(zip(graph_names(inputs), inputs.values(), strict=True))
    wanted = [each.name for each in declared]
    if len(wanted) == 1 and len(given) == 1:
        given = {wanted[0]: next(iter(given.values()))}
    missing = [name for name in wanted if name not in given]
    if missing:
        raise ValueError(f"it takes {', '.join(wanted)}, and the model {', '.join(given)}")
    return {each.name: _as_declared(each, given[each.name]) for each in declared}


def _as_declared(declared: Any, values: NDArray[Any]) -> NDArray[Any]:
    wanted = _TYPES.get(declared.type)
    cast = values if wanted is None else values.astype(wanted, copy=False)
    return cast[:, None] if cast.ndim == 1 and len(declared.shape) == 2 else cast
