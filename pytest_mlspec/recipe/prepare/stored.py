"""A fitted preparation as a folder that is kept with the model, and back: the same results to the bit, nothing unpickled.

    preparation.json         the steps with their arguments, and what each has learned
    arrays.safetensors       the arrays of that
    tokenizer-2.json         the tokenizer of step 2, as Hugging Face writes it
    preparation.sha256       the SHA-256 of each file, as `sha256sum` writes it

Reading needs neither the training rows nor the spec, and refuses files that are not those that were written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlspec.errors import DataError, MlspecError, RecipeError
from pytest_mlspec.language.spec import Use
from pytest_mlspec.recipe.prepare.frame import Reading
from pytest_mlspec.recipe.prepare.own import UsersStep
from pytest_mlspec.recipe.prepare.values import UnstorableError, put_together, taken_apart
from pytest_mlspec.recipe.steps import built_steps
from pytest_mlspec.recipe.transform import Fitted, FittedStep, Named

if TYPE_CHECKING:
    from pytest_mlspec.recipe.protocol import NumpyArray

FOLDER = "preparation"
"""The folder's name among the files of the job `Prepare`."""

_FORMAT = 1
_STEPS, _ARRAYS, _SEAL = "preparation.json", "arrays.safetensors", "preparation.sha256"
_KEY = "data.prepare"


def save_fitted(fitted: Fitted, folder: Path) -> None:
    """Writes `fitted` into the new `folder`; raises UnstorableError, and writes nothing, where that needs a pickle."""
    from safetensors.numpy import save

    arrays: dict[str, NumpyArray] = {}
    files: dict[str, bytes] = {}
    about = {
        "format": _FORMAT,
        "versions": _versions(),
        "dtype": fitted.dtype,
        "by_name": fitted.by_name,
        "columns": list(fitted.columns),
        "vocabularies": {name: list(sizes) for name, sizes in fitted.vocabularies.items()},
        "steps": [_stored(number, step, arrays, files) for number, step in enumerate(fitted.steps)],
    }
    files[_STEPS] = json.dumps(about, indent=1, allow_nan=False).encode()
    # safetensors writes the memory as it lies: a view would come back with its values mixed up
    files[_ARRAYS] = save({name: values.copy(order="C") for name, values in arrays.items()})
    files[_SEAL] = _seal(files).encode()
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def load_fitted(folder: Path) -> Fitted:
    """The preparation that `save_fitted` wrote; raises DataError where a file is not as it was written, or from elsewhere."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    files = _verified(folder)
    try:
        about = json.loads(files[_STEPS])
        if about["format"] != _FORMAT:
            raise _refused(folder, f"its format is {about['format']!r:.20}, and this version reads {_FORMAT}")
        now = _versions()
        for package, version in about["versions"].items():
            if version != now[package]:
                raise _refused(
                    folder,
                    f"it was fitted with {package} {version}, and {now[package]} is installed",
                    f"python -m pip install '{package}=={version}', or prepare anew",
                )
        arrays = load(files[_ARRAYS])
        return Fitted(
            tuple(_restored(number, step, arrays, files) for number, step in enumerate(about["steps"])),
            about["dtype"],
            about["by_name"],
            tuple(about["columns"]),
            {name: tuple(sizes) for name, sizes in about["vocabularies"].items()},
        )
    except (AttributeError, KeyError, RecipeError, SafetensorError, TypeError, ValueError) as error:
        raise _refused(folder, "its content is none that pytest-mlspec writes") from error


def _stored(number: int, step: FittedStep, arrays: dict[str, NumpyArray], files: dict[str, bytes]) -> Any:
    match step:
        case Reading(kinds, shape):
            return {"reading": {"kinds": dict(kinds), "shape": None if shape is None else list(shape)}}
        case Named(use, fitted):
            learned = dict(fitted.learned)
            tokenizer = learned.pop("tokenizer", None)
            if tokenizer is not None:
                files[_tokenizer(number)] = tokenizer.encode()
            return {"use": use.use, "arguments": dict(use.arguments), "learned": _plain(learned, use.use, arrays)}
        case UsersStep():
            return {"own": step.name, "transformer": _plain(step.transformer, step.name, arrays)}


def _plain(learned: Any, step: str, arrays: dict[str, NumpyArray]) -> Any:
    try:
        return taken_apart(learned, arrays)
    except UnstorableError as error:
        raise UnstorableError(f"step {step}: {error.message}", key=_KEY) from None


def _restored(number: int, stored: Any, arrays: Mapping[str, NumpyArray], files: Mapping[str, bytes]) -> FittedStep:
    match stored:
        case {"reading": {"kinds": kinds, "shape": shape}}:
            return Reading(kinds, None if shape is None else tuple(shape))
        case {"use": use, "arguments": arguments, "learned": learned}:
            (make,) = built_steps(Use(use=use, arguments=arguments))
            step = make()
            step.learned = put_together(learned, arrays)
            if _tokenizer(number) in files:
                step.learned = {**step.learned, "tokenizer": files[_tokenizer(number)].decode()}
            return Named(make.use, step)
        case {"own": name, "transformer": transformer}:
            return UsersStep(put_together(transformer, arrays), name)
    raise ValueError(f"{stored!r:.60} is no stored step")


def _tokenizer(number: int) -> str:
    return f"tokenizer-{number}.json"


def _seal(files: Mapping[str, bytes]) -> str:
    lines = [
        f"{hashlib.sha256(content).hexdigest()}  {name}" for name, content in sorted(files.items()) if name != _SEAL
    ]
    return "\n".join([*lines, ""])


def _verified(folder: Path) -> dict[str, bytes]:
    """The content of every file, each with the SHA-256 of the seal."""
    if not folder.is_dir():
        raise DataError(f"there is no stored preparation at {folder}", key=_KEY)
    try:
        files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    except OSError as error:
        raise _refused(folder, f"it cannot be read: {error.strerror}") from error
    if not {_STEPS, _ARRAYS, _SEAL} <= files.keys():
        missing = sorted({_STEPS, _ARRAYS, _SEAL} - files.keys())
        raise _refused(folder, f"it lacks {', '.join(missing)}")
    if files[_SEAL] != _seal(files).encode():
        raise _refused(folder, "its files are not those that were written: SHA-256 differs")
    return files


def _refused(folder: Path, reason: str, advice: str = "prepare anew: run the spec again") -> MlspecError:
    return DataError(f"the stored preparation at {folder} cannot be used: {reason}", key=_KEY, advice=advice)


def _versions() -> dict[str, str]:
    """The versions that what a transformer keeps depends on."""
    import sklearn

    return {"scikit-learn": sklearn.__version__}
