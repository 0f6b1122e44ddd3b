"""What a training runs on, found without importing it: Python, packages, device class, threads.

`fingerprint` is what two runs must share before the evidence of one may answer for the other. Versions come from the
names of the `*.dist-info` folders and the device from the driver's files, so that torch stays out of the pytest process.
What the machine has beyond its class (clock, cores, memory) is left out: it changes how long a run takes, not its result.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import site
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

_NVIDIA = Path("/proc/driver/nvidia/gpus")
_PROCESSORS = Path("/proc/cpuinfo")

# Variables that change the numbers a training gives, or which of its devices it sees.
VARIABLES = (
    "ATEN_CPU_CAPABILITY",
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_VISIBLE_DEVICES",
    "MKL_CBWR",
    "NVIDIA_TF32_OVERRIDE",
    "PYTHONOPTIMIZE",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
)


def fingerprint(packages: Sequence[str], *, root: Path, threads: int | None = None) -> dict[str, Any]:
    """The environment as plain values: the first level of a key of stored evidence.

    `packages` are the distributions whose version matters (None where one is not installed); `threads` is the number that
    a worker is given, by default the one it would take. Paths below `root` are relative to it, so that another checkout
    of the same tree has the same fingerprint.
    """
    versions = installed(root)
    return {
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "machine": platform.machine(),
        "device": device_class(),
        "threads": default_threads() if threads is None else threads,
        "packages": {name: versions.get(_normal(name)) for name in packages},
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "search": [relative_to(root, entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry],
    }


def device_class(driver: Path = _NVIDIA, variables: Mapping[str, str] = os.environ) -> str:
    """`cuda:<name>` of the first GPU that CUDA would show, else `mps` on Apple silicon, else `cpu:<machine>`.

    GPUs count in the order of the PCI bus; on a machine with several kinds of GPU the number in CUDA_VISIBLE_DEVICES means
    that order only under CUDA_DEVICE_ORDER=PCI_BUS_ID.
    """
    wanted = variables.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    # an empty variable and -1 hide every GPU: then nothing is asked
    gpu = _chosen(_gpus(driver), wanted) if wanted not in {"", "-1"} else None
    if gpu is not None:
        return f"cuda:{gpu}"
    if sys.platform == "darwin" and platform.machine() == "arm64":
        return "mps"
    return f"cpu:{platform.machine()}"


def default_threads() -> int:
    """The number of threads that a training takes unless told: OMP_NUM_THREADS, else the CPUs this process may use."""
    declared = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if declared.isdecimal() and int(declared) > 0:
        return int(declared)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def processor() -> str:
    """The model of the processor, and how many this process may use: `AMD EPYC 7B13, 2 processors`."""
    try:
        lines = _PROCESSORS.read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return f"{models[0] if models else platform.processor() or platform.machine()}, {count} processors"


def installed(root: Path) -> dict[str, str]:
    """Every installed distribution with its version, by normalised name; the first on the path wins.

    The version of a distribution that was not taken from an index is no proof of its content. Behind it stands the digest
    of its files, or for an editable installation its folder: the files there are those that a run reports as read.
    """
    versions: dict[str, str] = {}
    for folder in package_folders():
        for entry in _listing(folder):
            stem, _, kind = entry.rpartition(".")
            if kind in {"dist-info", "egg-info"}:
                name, _, version = stem.partition("-")
                versions.setdefault(_normal(name), version + _origin(Path(folder, entry), root))
    return versions


def library_folders() -> tuple[str, ...]:
    """The folders, and the archive, of the standard library and of installed packages, each ending in a separator."""
    archive = "python{}{}.zip".format(*sys.version_info)
    folders = [*package_folders(), *(entry for entry in sys.path if Path(entry).name == archive)]
    folders += [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")]
    return tuple({f"{spelling}{os.sep}": None for path in folders for spelling in (path, os.path.realpath(path))})


def package_folders() -> list[str]:
    """The site-packages of this interpreter, in the order of its path."""
    folders = [entry for entry in sys.path if Path(entry).name in {"site-packages", "dist-packages"}]
    folders += [sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *site.getsitepackages()]
    return list(dict.fromkeys([*folders, site.getusersitepackages()]))


def relative_to(root: Path, path: str) -> str:
    """`path` relative to `root` with forward slashes where it lies below, else as it is, absolute."""
    full = os.path.abspath(path)  # noqa: PTH100  (a link in the path stays)
    for base in (str(root), os.path.realpath(root)):
        if full == base:
            return "."
        if full.startswith(f"{base.rstrip(os.sep)}{os.sep}"):
            return full[len(base.rstrip(os.sep)) + 1 :].replace(os.sep, "/")
    return full


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _listing(folder: str) -> list[str]:
    try:
        return sorted(entry.name for entry in Path(folder).iterdir())
    except OSError:
        return []


def _origin(folder: Path, root: Path) -> str:
    try:
        source = json.loads((folder / "direct_url.json").read_bytes())
        if source.get("dir_info", {}).get("editable"):
            return f" at {relative_to(root, source['url'].removeprefix('file://'))}"
        record = (folder / "RECORD").read_text("utf-8")
    except (OSError, ValueError):
        return ""
    # Lines of scripts and of the metadata hold paths of this one environment.
    lines = sorted(line for line in record.splitlines() if ".dist-info/" not in line and not line.startswith(".."))
    return f"+{hashlib.sha256(repr(lines).encode()).hexdigest()[:12]}"


def _gpus(driver: Path) -> list[tuple[str, str]]:
    """Name and UUID of every GPU."""
    found = []
    for file in sorted(driver.glob("*/information")):
        fields = dict(line.split(":", 1) for line in file.read_text("utf-8", "replace").splitlines() if ":" in line)
        found.append((fields.get("Model", "NVIDIA").strip(), fields.get("GPU UUID", "").strip()))
    return found or _gpus_of_tool()


@cache
def _gpus_of_tool() -> list[tuple[str, str]]:
    """The same where the driver keeps no such files (Windows, WSL): asked of nvidia-smi, once."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    query = [tool, "--query-gpu=name,uuid", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    lines = answer.stdout.splitlines() if answer.returncode == 0 else []
    return [(name.strip(), uuid.strip()) for name, _, uuid in (line.partition(",") for line in lines)]


def _chosen(gpus: list[tuple[str, str]], wanted: str) -> str | None:
    """The name of the GPU with that number or UUID; a part of a GPU (MIG) has the class of the first."""
    if wanted.isdecimal():
        named = gpus[int(wanted) :]
    else:
        named = gpus if wanted.startswith("MIG-") else [gpu for gpu in gpus if gpu[1].startswith(wanted)]
    return named[0][0] if named else None
