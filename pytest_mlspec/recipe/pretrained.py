"""Models that were trained before, as a folder on this machine: where they lie, which they are, whether they fit together.

    {use: pretrained, path: models/minilm}               a folder below the root directory
    {use: pretrained, path: "search.models:folder"}      a function of the project that gives a folder
    {use: pretrained, name: org/model, revision: SHA}    the hub, at one commit

Weights come from safetensors alone or as plain tensors; code that lies beside them is never run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_mlspec.errors import DataError, MissingExtraError, RecipeError
from pytest_mlspec.language.spec import Use
from pytest_mlspec.recipe.calls import call_user
from pytest_mlspec.recipe.resolve import resolve

_KEY = "model"
_PATH = f"{_KEY}.path"
_NAME = f"{_KEY}.name"
# For the first answer of the hub.
_TIMEOUT_S = 5.0
# The same weights for other runtimes.
_OTHER_FORMATS = ["onnx/*", "openvino/*", "*.h5", "*.msgpack", "*.ot", "*.gguf", "*.tflite"]
# Rows of an embedding are rounded up to a size that the hardware likes, and some are kept for later; not as many as these.
_SPARE_ROWS, _SPARE_SHARE = 1024, 0.1


@dataclass(frozen=True)
class Pretrained:
    """The folder of a model. `revision` is the commit on the hub, else the SHA-256 of all files; `name` is for messages."""

    folder: Path
    revision: str
    name: str


def locate(model: Use, *, root: Path, allowed: Sequence[str] = ()) -> Pretrained:
    """Where the model lies that `{use: pretrained, …}` names; fetched from the hub where this machine has not got it.

    Raises DataError where there is none, within seconds where the hub cannot be reached; what the team's function raises or
    returns otherwise as `resolve` and `call_user` do.
    """
    if "name" in model.arguments:
        return _on_the_hub(str(model.arguments["name"]), str(model.arguments.get("revision")))
    path = str(model.arguments["path"])
    if ":" in path:
        function = resolve(path, root=root, key=_PATH, allowed=allowed)
        if not callable(function):
            raise RecipeError(f"{path} is a {type(function).__name__}, and no function", key=_PATH)
        found = call_user(function, key=_PATH, name=path)
        if not isinstance(found, str | Path):
            raise RecipeError(f"{path} returned a {type(found).__name__}, and no path of a folder", key=_PATH)
        folder = root / found
    else:
        folder = root / path
        if not folder.resolve().is_relative_to(root.resolve()):
            raise DataError(
                f"{path} lies outside the root directory {root}", key=_PATH, advice="name a folder below it"
            )
    if not (folder / "config.json").is_file() and not (folder / "modules.json").is_file():
        told = "holds no model: neither config.json nor modules.json" if folder.is_dir() else "is no folder"
        raise DataError(f"{path} {told}", key=_PATH, advice="name a folder that save_pretrained wrote")
    return Pretrained(folder, digest_of(folder), path)


def digest_of(folder: Path) -> str:
    """SHA-256 over the names and bytes of all files of a folder.

    They are opened here, because what the readers of weights open, nobody sees: so each is noted as read.
    """
    found = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        with file.open("rb") as content:
            found.update(f"{file.relative_to(folder).as_posix()}\n".encode())
            found.update(hashlib.file_digest(content, "sha256").digest())
    return found.hexdigest()


def check_tokenizer(ids: int, rows: int, *, name: str, padding: int | None = None) -> None:
    """Raises RecipeError where a tokenizer of `ids` ids cannot be that of a model with an embedding of `rows` rows."""
    told = f"the tokenizer of {name} has {ids} ids, its embedding {rows} rows"
    advice = "a tokenizer of another model? Save the model and its tokenizer into the folder together"
    if ids > rows:
        raise RecipeError(f"{told}: some texts would have no embedding", key=_KEY, advice=advice)
    if rows - ids > max(_SPARE_ROWS, _SPARE_SHARE * rows):
        raise RecipeError(f"{told}: {rows - ids} of them belong to no token", key=_KEY, advice=advice)
    if padding is not None and padding >= rows:
        raise RecipeError(f"{told}, and it pads with {padding}", key=_KEY, advice=advice)


def _on_the_hub(name: str, revision: str) -> Pretrained:
    """The model as it was fetched before, else fetched now."""
    try:
        from huggingface_hub import HfApi, snapshot_download
        from huggingface_hub.errors import HfHubHTTPError
    except ImportError:
        raise MissingExtraError("huggingface_hub", extra="sentence_transformers", key=_KEY) from None

    told = f"the model {name!r}, revision {revision[:12]},"
    wanted: dict[str, Any] = {"repo_id": name, "revision": revision, "ignore_patterns": _OTHER_FORMATS}
    try:
        folder = Path(snapshot_download(**wanted, local_files_only=True))
        if any(folder.rglob("*.safetensors")) or any(folder.rglob("*.bin")):
            return Pretrained(folder, revision, name)
    except (OSError, ValueError):  # never fetched, or a cache that cannot be read: it is fetched again
        pass
    try:
        HfApi().model_info(name, revision=revision, timeout=_TIMEOUT_S)
    except HfHubHTTPError as error:
        raise DataError(
            f"the hub does not give {told} {_line(error)}",
            key=_NAME,
            advice="are name and revision right, and is it public? For another's, log in: hf auth login",
        ) from None
    except Exception as error:  # of whichever library of HTTP this version uses
        raise DataError(
            f"the hub cannot be reached, and {told} was never fetched on this machine",
            key=_NAME,
            advice="connect, or save it below the root directory: model.save_pretrained(folder), and {path: FOLDER}",
        ) from error
    try:
        return Pretrained(Path(snapshot_download(**wanted)), revision, name)
    except (OSError, ValueError) as error:
        raise DataError(f"{told} cannot be fetched: {_line(error)}", key=_NAME) from error


def _line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
