"""Tensors in files (safetensors), their digest, and the strict way back into a model.

Safetensors refuses tensors that share memory, such as tied weights: each is written once, and its other names stand in
the file's metadata.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from pytest_mlspec.errors import TrainingError


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """The parameters and persistent buffers by name. Raises TrainingError where the model keeps anything else."""
    state = model.state_dict()
    for name, value in state.items():
        if not isinstance(value, Tensor):
            raise TrainingError(f"the model's state holds a {type(value).__name__} under {name!r}", key="model")
    return dict(state)


def assign_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copies `weights` into `model`; raises TrainingError where names, shapes or types are not the model's."""
    own = weights_of(model)
    problems = [f"missing: {name}" for name in own if name not in weights]
    problems += [f"unknown: {name}" for name in weights if name not in own]
    for name in own.keys() & weights.keys():
        given, expected = _kind(weights[name]), _kind(own[name])
        if given != expected:
            problems.append(f"{name} is {given}, the model has {expected}")
    if problems:
        raise TrainingError(
            "these weights are not those of this model", key="model", details="\n".join(sorted(problems))
        )
    model.load_state_dict(dict(weights))


def weights_digest(model: nn.Module) -> str:
    """SHA-256 over name, type, shape and bytes of every parameter and persistent buffer: equal only for equal bits."""
    digest = hashlib.sha256()
    for name, tensor in sorted(weights_of(model).items()):
        digest.update(f"{name} {_kind(tensor)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def save_weights(model: nn.Module, path: Path) -> None:
    """Writes the weights of `model` to `path`, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write_tensors(weights_of(model), temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    flush_directory(path.parent)


def load_weights(model: nn.Module, path: Path) -> None:
    """Reads what `save_weights` wrote; raises TrainingError where it is broken or of another model."""
    assign_weights(model, read_tensors(path))


def write_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Writes `tensors` to `path` and waits until they are on the disk. Tensors that are the same are written once."""
    unique: dict[str, Tensor] = {}
    aliases: dict[str, str] = {}
    seen: dict[tuple[object, ...], str] = {}
    for name, tensor in tensors.items():
        place = (tensor.device, tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride())
        if tensor.numel() and place in seen:
            aliases[name] = seen[place]
            continue
        seen[place] = name
        # A copy, because a view of a larger tensor shares its memory with the other views.
        unique[name] = tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
    save_file(unique, path, metadata={"aliases": json.dumps(aliases)})
    _flush(path)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file of `write_tensors`, on the CPU; raises TrainingError where it cannot be read."""
    try:
        with safe_open(path, framework="pt") as file:
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            aliases: dict[str, str] = json.loads((file.metadata() or {}).get("aliases", "{}"))
    except (SafetensorError, OSError, ValueError) as error:
        raise TrainingError(f"{path.name} cannot be read: {error}") from error
    return tensors | {name: tensors[original] for name, original in aliases.items()}


def flush_directory(directory: Path) -> None:
    """Waits until the names in `directory` are on the disk, where the system can say so."""
    if os.name == "posix":
        _flush(directory)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"
