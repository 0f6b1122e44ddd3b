"""A `State` in a folder: `tensors.safetensors`, and `state.json` for the rest with the SHA-256 of both.

The folder appears whole or not at all, and is never overwritten. What is read back is held against the digests and against
the objects that it is put into: a flipped bit, another architecture or another optimiser is an error and not a training.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import uuid
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from pytest_mlspec.errors import TrainingError
from pytest_mlspec.training.early_stop import Progress
from pytest_mlspec.training.history import Record
from pytest_mlspec.training.seeding import rng_state
from pytest_mlspec.training.state import State
from pytest_mlspec.training.weights import assign_weights, flush_directory, read_tensors, weights_of, write_tensors

_FORMAT = "pytest-mlspec checkpoint"
_VERSION = 3
STATE = "state.json"
"""The file that every checkpoint has."""
_TENSORS = "tensors.safetensors"
_COUNTS = ("step", "epoch")
_OF_THE_LOOP = ("position", "stopped_early", "micro_rows")


def save(state: State, directory: Path) -> None:
    """Writes `state` to `directory`, which must be missing or empty."""
    _write({"identity": _identity(state), **parts(state), **_of_loop(state)}, directory)


def save_loop(state: State, directory: Path) -> None:
    """Writes what the loop keeps for itself, beside what the team's own `save` writes elsewhere."""
    _write({"identity": {"seed": state.seed}, **_of_loop(state)}, directory)


def parts(state: State) -> dict[str, Any]:
    """What a training is made of, apart from the loop's own: weights, what is kept beside them, the counts of its progress.

    A `save` and `restore` of the team's own must put back all of it.
    """
    return {
        "model": weights_of(state.model),
        "optimizer": state.optimizer.state_dict(),
        "schedule": None if state.schedule is None else state.schedule.state_dict(),
        "scaler": None if state.scaler is None else state.scaler.state_dict(),
        "average": None if state.average is None else weights_of(state.average.module),
        **{name: getattr(state, name) for name in _COUNTS},
    }


def _of_loop(state: State) -> dict[str, Any]:
    return {
        "early_stop": dict(vars(state.early_stop)),
        "record": state.record.state_dict(),
        "progress": {name: getattr(state, name) for name in _OF_THE_LOOP},
        "notes": state.notes,
        "rng": rng_state() if state.rng is None else state.rng,
    }


def _write(contents: dict[str, Any], directory: Path) -> None:
    if directory.exists() and any(directory.iterdir()):
        raise TrainingError(f"the checkpoint {directory.name} exists already")
    directory.parent.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, Tensor] = {}
    content = _to_plain(contents, "", tensors)
    temporary = directory.with_name(f".{directory.name}.{uuid.uuid4().hex}")
    temporary.mkdir()
    try:
        write_tensors(tensors, temporary / _TENSORS)
        document = {
            "format": _FORMAT,
            "version": _VERSION,
            "tensors_sha256": _file_sha256(temporary / _TENSORS),
            "content_sha256": hashlib.sha256(_canonical(content)).hexdigest(),
            "content": content,
        }
        with (temporary / STATE).open("w", encoding="utf-8") as file:
            json.dump(document, file, allow_nan=False)
            file.flush()
            os.fsync(file.fileno())
        flush_directory(temporary)
        if directory.exists():
            directory.rmdir()
        temporary.rename(directory)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    flush_directory(directory.parent)


def restore(state: State, directory: Path) -> None:
    """Puts the checkpoint into `state`, which was built in the same way as the one that was saved.

    The global generators follow when `fit` goes on. Raises TrainingError, with `state` in an undefined condition, where
    the checkpoint is broken or is not one of such a state.
    """
    content = _read(directory)
    built, saved = _identity(state), content["identity"]
    different = [
        f"{name}: saved {saved.get(name)}, here {value}" for name, value in built.items() if saved.get(name) != value
    ]
    if different:
        raise TrainingError(f"the checkpoint {directory.name} is of another training", details="\n".join(different))
    assign_weights(state.model, content["model"])
    state.optimizer.load_state_dict(content["optimizer"])
    _lay_out_as_parameters(state.optimizer)
    if state.schedule is not None:
        state.schedule.load_state_dict(content["schedule"])
    if state.scaler is not None:
        state.scaler.load_state_dict(content["scaler"])
    if state.average is not None:
        assign_weights(state.average.module, content["average"])
    for name in _COUNTS:
        setattr(state, name, content[name])
    _restore_loop(state, content)


def restore_loop(state: State, directory: Path) -> None:
    """Puts what `save_loop` wrote into `state`; what belongs to the team is left as it is."""
    content = _read(directory)
    if content["identity"] != {"seed": state.seed}:
        raise TrainingError(f"{directory.name} is of another training")
    _restore_loop(state, content)


def _restore_loop(state: State, content: Mapping[str, Any]) -> None:
    state.early_stop = Progress(**content["early_stop"])
    state.record = Record.restored(content["record"])
    for name, value in content["progress"].items():
        setattr(state, name, value)
    state.notes = list(content["notes"])
    state.rng = content["rng"]


def _lay_out_as_parameters(optimizer: Optimizer) -> None:
    """Gives moments the strides of their parameter: files hold them contiguous, and torch's fused kernels go by memory order.

    In torch 2.13 a step on others, as of a convolution in channels_last, moves the wrong weights without a word.
    """
    for parameter, moments in optimizer.state.items():
        for name, value in moments.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape and value.stride() != parameter.stride():
                moments[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def verify(directory: Path) -> None:
    """Reads the checkpoint back; raises TrainingError where it is not what was written."""
    _read(directory)


def _identity(state: State) -> dict[str, Any]:
    """What must be equal for a checkpoint to fit; the weights themselves are compared by name and shape."""
    schedule = state.schedule
    return {
        "optimizer": type(state.optimizer).__name__,
        "parameter groups": [len(group["params"]) for group in state.optimizer.param_groups],
        "schedule": None if schedule is None else f"{type(schedule.scheduler).__name__} per {schedule.interval}",
        "scaler": "none" if state.scaler is None else "a scale of the loss, for fp16",
        "average": "none" if state.average is None else f"decay {state.average.decay}",
        "seed": state.seed,
    }


def _read(directory: Path) -> dict[str, Any]:
    try:
        document = json.loads((directory / STATE).read_text(encoding="utf-8"))
        tensors_sha256 = _file_sha256(directory / _TENSORS)
    except (OSError, ValueError) as error:
        raise TrainingError(f"the checkpoint {directory.name} cannot be read: {error}") from error
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise TrainingError(f"{directory.name} is not a checkpoint of pytest-mlspec")
    if document.get("version") != _VERSION:
        raise TrainingError(
            f"the checkpoint {directory.name} has format version {document.get('version')}; this one reads {_VERSION}"
        )
    content_sha256 = hashlib.sha256(_canonical(document.get("content"))).hexdigest()
    for name, found, written in (
        (_TENSORS, tensors_sha256, document.get("tensors_sha256")),
        (STATE, content_sha256, document.get("content_sha256")),
    ):
        if found != written:
            raise TrainingError(f"the checkpoint {directory.name} is damaged: {name} is not what was written")
    content: dict[str, Any] = _from_plain(document["content"], read_tensors(directory / _TENSORS))
    return content


def _to_plain(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """`value` as JSON; tensors go to `tensors` under their path, and what JSON would change is marked by its type."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else {"float": repr(value)}
        case Tensor():
            name = path if path not in tensors else f"{path}#{len(tensors)}"
            tensors[name] = value
            return {"tensor": name}
        case tuple():
            return {"tuple": [_to_plain(item, f"{path}.{number}", tensors) for number, item in enumerate(value)]}
        case list():
            return [_to_plain(item, f"{path}.{number}", tensors) for number, item in enumerate(value)]
        case Mapping():
            kind = "counter" if isinstance(value, Counter) else "dict"
            return {
                kind: [
                    [_to_plain(key, path, {}), _to_plain(item, f"{path}.{key}", tensors)] for key, item in value.items()
                ]
            }
        case _:
            raise TrainingError(
                f"a {type(value).__name__} at {path.removeprefix('.')} cannot be stored in a checkpoint",
                advice="keep numbers, text, tensors, lists and dicts in the state of model, optimizer and schedule",
            )


def _from_plain(plain: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(plain, list):
        return [_from_plain(item, tensors) for item in plain]
    if not isinstance(plain, dict):
        return plain
    [(kind, value)] = plain.items()
    match kind:
        case "float":
            return float(value)
        case "tensor":
            return tensors[value]
        case "tuple":
            return tuple(_from_plain(item, tensors) for item in value)
        case _:
            pairs = {_from_plain(key, tensors): _from_plain(item, tensors) for key, item in value}
            return Counter(pairs) if kind == "counter" else pairs


def _canonical(content: Any) -> bytes:
    return json.dumps(content, sort_keys=True, allow_nan=False).encode()


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
