"""`onnx_int8_static`: weights and what flows through the model in 8 bits, with ranges measured on training rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_mlspec.exports.int8 import in_single_precision, quantizer
from pytest_mlspec.exports.subject import Subject, Written, graph_names

_ROWS_AT_ONCE = 32


def write(subject: Subject, path: Path, *, opset: int | None) -> Written:
    """Writes the module to `path`, calibrated on the training rows of `subject`."""
    quantization = quantizer()
    model, written = in_single_precision(subject, opset)
    batches = _batches(subject)

    class Rows(quantization.CalibrationDataReader):  # type: ignore[misc, name-defined]
        """The training rows, in batches."""

        def get_next(self) -> dict[str, NDArray[Any]] | None:
            """The next batch; None after the last."""
            return next(batches, None)

    quantization.quantize_static(
        model,
        path,
        Rows(),
        quant_format=quantization.QuantFormat.QDQ,
        per_channel=True,
        weight_type=quantization.QuantType.QInt8,
        activation_type=quantization.QuantType.QInt8,
    )
    return Written(written.by, written.opset, (*written.notes, f"calibrated on {len(subject.rows)} training rows"))


def _batches(subject: Subject) -> Iterator[dict[str, NDArray[Any]]]:
    for begin in range(0, len(subject.rows), _ROWS_AT_ONCE):
        rows = np.arange(begin, min(begin + _ROWS_AT_ONCE, len(subject.rows)))
        inputs = subject.inputs(subject.rows.take(rows))
        yield dict(zip(graph_names(inputs), inputs.values(), strict=True))
