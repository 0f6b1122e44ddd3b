"""Formats in which a trained model is exported: the table of their files and of what writes and reads each.

    what            file                        written by                              read with
    torch_export    model.pt2                   torch.export, batch axis dynamic        torch alone
    torchscript     model.ts                    torch.jit.trace (deprecated)            torch alone
    onnx            model.onnx                  torch's exporter; of estimators,        onnxruntime
                                                skl2onnx and onnxmltools
    onnx_int8       model.int8.onnx             onnxruntime, weights in 8 bits          onnxruntime
    onnx_int8_static  model.int8.static.onnx    onnxruntime, calibrated                 onnxruntime
    safetensors     model.safetensors           safetensors: weights alone              the team's own model
    skops           model.skops                 skops: an estimator as it is            skops, scikit-learn

A format is one line here; `exports/` has the modules. A writer is a module with `write(subject, path, *, opset) -> Written`, one
for each kind of model; a reader is a module with `open_file(path, *, threads) -> Opened`. None is imported here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pytest_mlspec.registry import Registry

Kind = Literal["module", "estimator"]

OWN = "own"
"""In the place of a format: the one of what the recipe's own export writes."""

EMPTY, TEXTS, MEASURED = "no row", "texts of", "measured rows"
"""What the cases of an empty batch, of texts of other lengths (its beginning), and of the metric are called."""


@dataclass(frozen=True)
class Writer:
    """The module that writes a format, and the opsets that it can write: lowest and highest, None where it has none."""

    module: str
    opsets: tuple[int, int] | None = None


@dataclass(frozen=True)
class Format:
    """A format: the `file` that is written, what reads it, and what writes it for each kind of model.

    `exact` says that outputs are those of the model up to rounding; the others are held by their metric. `alone` says that it
    can be read without the team's code.
    """

    file: str
    reader: str
    writers: Mapping[Kind, Writer] = field(default_factory=dict)
    exact: bool = True
    alone: bool = True

    @property
    def has_opsets(self) -> bool:
        """True where some writer of it writes the opset that it is asked for."""
        return any(writer.opsets for writer in self.writers.values())


# The exporter silently writes 18 where a lower opset than 16 is asked for, and onnxruntime 1.31 reads none above 26.
_MODULE_OPSETS = (16, 26)
# skl2onnx writes these; onnxmltools, for boosters, none above 15.
_ESTIMATOR_OPSETS = (8, 21)

FORMATS: Registry[Format] = Registry("format")
FORMATS.add(
    "torch_export",
    Format("model.pt2", "pytest_mlspec.exports.program", {"module": Writer("pytest_mlspec.exports.program")}),
)
FORMATS.add(
    "torchscript",
    Format("model.ts", "pytest_mlspec.exports.torchscript", {"module": Writer("pytest_mlspec.exports.torchscript")}),
)
FORMATS.add(
    "onnx",
    Format(
        "model.onnx",
        "pytest_mlspec.exports.runtime",
        {
            "module": Writer("pytest_mlspec.exports.onnx", _MODULE_OPSETS),
            "estimator": Writer("pytest_mlspec.exports.estimators", _ESTIMATOR_OPSETS),
        },
    ),
)
FORMATS.add(
    "skops",
    Format("model.skops", "pytest_mlspec.exports.skops", {"estimator": Writer("pytest_mlspec.exports.skops")}),
)
FORMATS.add(
    "onnx_int8",
    Format(
        "model.int8.onnx",
        "pytest_mlspec.exports.runtime",
        {"module": Writer("pytest_mlspec.exports.int8", _MODULE_OPSETS)},
        exact=False,
    ),
)
FORMATS.add(
    "onnx_int8_static",
    Format(
        "model.int8.static.onnx",
        "pytest_mlspec.exports.runtime",
        {"module": Writer("pytest_mlspec.exports.int8_static", _MODULE_OPSETS)},
        exact=False,
    ),
)
FORMATS.add(
    "safetensors",
    Format(
        "model.safetensors",
        "pytest_mlspec.exports.weights",
        {"module": Writer("pytest_mlspec.exports.weights")},
        alone=False,
    ),
)


def formats_of(kind: str) -> list[str]:
    """The formats in which a model of that kind is written."""
    return [name for name in FORMATS if kind in FORMATS.find(name).writers]
