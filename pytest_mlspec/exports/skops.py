"""`skops`: an estimator with everything that it is made of, in a file that is read without running what it names.

Beside it, `model.skops.json` tells how inputs enter it and in which order its classes are. Types of scikit-learn and of the
gradient boosters are trusted; any other is refused by its name.

Shape letters: N rows, C classes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_mlspec.engines.features import Features
from pytest_mlspec.engines.fitted_estimator import FittedEstimator
from pytest_mlspec.errors import MeasurementError, MissingExtraError, RecipeError
from pytest_mlspec.exports import Named, Opened, first_line
from pytest_mlspec.exports.subject import Subject, Written
from pytest_mlspec.recipe.protocol import Examples

# What the files of healthy estimators hold that skops does not trust by itself.
_TRUSTED = ("catboost.", "collections.OrderedDict", "lightgbm.", "sklearn.", "xgboost.")
_OWN = "a type of the team's own cannot be read without its code: export to onnx, or give the recipe an export(model, directory)"


def write(subject: Subject, path: Path, *, opset: int | None) -> Written:
    """Writes the estimator to `path`; raises RecipeError for what skops cannot write, and for types of the team's own."""
    skops = _skops()
    predictor = subject.predictor
    assert isinstance(predictor, FittedEstimator), "the engine sklearn gives one"
    try:
        skops.io.dump(predictor.estimator, path)
    except Exception as error:  # its own, and those of the estimator
        raise RecipeError(f"{predictor.name} cannot be written by skops: {first_line(error)}", key="model") from error
    untrusted = _untrusted(skops, path)
    if untrusted:
        raise RecipeError(f"{predictor.name} holds the type {untrusted[0]}", key="model", advice=_OWN)
    about = {
        "kind": predictor.kind,
        "classes": predictor.classes,
        "row": list(predictor.row),
        "numbers": None if predictor.numbers is None else predictor.numbers.tolist(),
        "categories": {name: known.tolist() for name, known in predictor.features.categories.items()},
        "as_text": sorted(predictor.features.as_text),
    }
    _beside(path).write_text(json.dumps(about), encoding="utf-8")
    return Written(f"skops {skops.__version__}")


def open_file(path: Path, *, threads: int) -> Opened:
    """The estimator in `path`; raises MeasurementError for a type that is not trusted."""
    skops = _skops()
    untrusted = _untrusted(skops, path)
    if untrusted:
        raise MeasurementError(f"{path.name} names the type {untrusted[0]}, which is not trusted", advice=_OWN)
    about = json.loads(_beside(path).read_text(encoding="utf-8"))
    predictor = FittedEstimator(
        skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path)),
        about["kind"],
        about["classes"],
        row=tuple(about["row"]),
        numbers=None if about["numbers"] is None else np.array(about["numbers"], dtype=np.int64),
        features=Features(
            {name: np.array(known, dtype=object) for name, known in about["categories"].items()},
            frozenset(about["as_text"]),
        ),
    )

    def call(inputs: Named) -> NDArray[Any]:
        rows = len(next(iter(inputs.values())))
        given: Any = inputs[""] if set(inputs) == {""} else dict(inputs)
        return predictor.outputs(Examples(given, np.zeros(rows), np.arange(rows)))

    return call


def _untrusted(skops: Any, path: Path) -> list[str]:
    found: list[str] = skops.io.get_untrusted_types(file=path)
    return [name for name in found if not name.startswith(_TRUSTED)]


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _skops() -> Any:
    try:
        import skops
        import skops.io
    except ImportError:
        raise MissingExtraError("skops", extra="skops") from None
    return skops
