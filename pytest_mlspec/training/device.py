"""Which device a training runs on, and why."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from pytest_mlspec.errors import TrainingError

_KEY = "train.device"


@dataclass(frozen=True)
class DeviceChoice:
    """`name` is for people (`cpu`, `NVIDIA A100-SXM4-40GB`); `reason` says how the device was chosen."""

    device: torch.device
    name: str
    reason: str


def choose(requested: str) -> DeviceChoice:
    """The device for `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.

    `auto` takes CUDA, then MPS, then the CPU. Raises TrainingError where the device asked for is not there.
    """
    match requested:
        case "auto":
            return _automatic()
        case "cpu":
            return DeviceChoice(torch.device("cpu"), "cpu", "cpu: asked for")
        case "mps":
            if not torch.backends.mps.is_available():
                raise TrainingError("mps was asked for, but torch finds no MPS device", key=_KEY, advice="device: auto")
            return DeviceChoice(torch.device("mps"), "mps", "mps: asked for")
        case _ if requested == "cuda" or requested.startswith("cuda:"):
            return _cuda(requested)
        case _:
            raise TrainingError(f"unknown device {requested!r}", key=_KEY, advice="auto, cpu, cuda, cuda:N or mps")


def _automatic() -> DeviceChoice:
    if torch.cuda.is_available():
        return DeviceChoice(torch.device("cuda", 0), torch.cuda.get_device_name(0), "auto: a CUDA device was found")
    if torch.backends.mps.is_available():
        return DeviceChoice(torch.device("mps"), "mps", f"auto: {_no_cuda()}, but MPS was found")
    return DeviceChoice(torch.device("cpu"), "cpu", f"auto: {_no_cuda()}, so cpu")


def _cuda(requested: str) -> DeviceChoice:
    if not torch.cuda.is_available():
        raise TrainingError(f"{requested} was asked for, but {_no_cuda()}", key=_KEY, advice="device: auto")
    count = torch.cuda.device_count()
    number = requested.removeprefix("cuda").removeprefix(":") or "0"
    if not number.isdecimal() or int(number) >= count:
        raise TrainingError(f"{requested} was asked for, but this machine has cuda:0 to cuda:{count - 1}", key=_KEY)
    device = torch.device("cuda", int(number))
    return DeviceChoice(device, torch.cuda.get_device_name(device), f"{requested}: asked for")


def _no_cuda() -> str:
    if torch.version.cuda is None and torch.version.hip is None:
        return "this torch is built without CUDA"
    return "no CUDA device was found"
