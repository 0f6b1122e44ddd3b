"""`onnx_int8`: an ONNX model with its weights in 8 bits; what flows through it is quantised at each call."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pytest_mlspec.errors import MissingExtraError
from pytest_mlspec.exports import onnx as of_module
from pytest_mlspec.exports.subject import Subject, Written


def write(subject: Subject, path: Path, *, opset: int | None) -> Written:
    """Writes the module to `path` by way of ONNX in single precision."""
    quantization = quantizer()
    model, written = in_single_precision(subject, opset)
    quantization.quantize_dynamic(model, path, weight_type=quantization.QuantType.QInt8)
    return written


def quantizer() -> Any:
    """`onnxruntime.quantization`; raises MissingExtraError."""
    try:
        from onnxruntime import quantization
    except ImportError as error:
        raise MissingExtraError(error.name or "onnxruntime", extra="onnx") from None
    return quantization


def in_single_precision(subject: Subject, opset: int | None) -> tuple[Any, Written]:
    """The model of ONNX that is quantised, and what wrote it."""
    quantizer()
    with TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        written = of_module.write(subject, file, opset=opset)
        import onnx
        import onnxruntime

        model = onnx.load(file)
    # The quantiser infers shapes anew, and fails where it meets those that the exporter left.
    del model.graph.value_info[:]
    return model, Written(f"{written.by}, onnxruntime {onnxruntime.__version__}", written.opset, written.notes)
