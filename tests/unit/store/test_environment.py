"""The fingerprint of the environment: what must change it, what must not, and that torch is not asked."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_mlspec.store import environment

H200 = "Model: \t\t NVIDIA H200\nIRQ:   \t\t 46\nGPU UUID: \t GPU-1111\nDevice Minor: \t 0\n"
L4 = "Model: \t\t NVIDIA L4\nGPU UUID: \t GPU-2222\n"


@pytest.fixture
def driver(tmp_path: Path) -> Path:
    """The driver's folder of a machine with an H200 and an L4."""
    for name, text in (("0000:18:00.0", H200), ("0000:2a:00.0", L4)):
        (tmp_path / "gpus" / name).mkdir(parents=True)
        (tmp_path / "gpus" / name / "information").write_text(text)
    return tmp_path / "gpus"


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site-packages of two distributions that replaces the real one."""
    folder = tmp_path / "site-packages"
    for name in ("torch-2.12.0+cpu.dist-info", "scikit_learn-1.9.1.dist-info"):
        (folder / name).mkdir(parents=True)
    monkeypatch.setattr(environment, "package_folders", lambda: [str(folder), str(tmp_path / "absent")])
    return folder


@pytest.mark.parametrize(
    ("visible", "device"),
    [
        ({}, "cuda:NVIDIA H200"),
        ({"CUDA_VISIBLE_DEVICES": "0,1"}, "cuda:NVIDIA H200"),
        ({"CUDA_VISIBLE_DEVICES": "1"}, "cuda:NVIDIA L4"),
        ({"CUDA_VISIBLE_DEVICES": "GPU-2222"}, "cuda:NVIDIA L4"),
        ({"CUDA_VISIBLE_DEVICES": "MIG-3333"}, "cuda:NVIDIA H200"),
        ({"CUDA_VISIBLE_DEVICES": ""}, "cpu:s390x"),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, "cpu:s390x"),
        ({"CUDA_VISIBLE_DEVICES": "7"}, "cpu:s390x"),
    ],
)
def test_device_class_is_the_gpu_that_cuda_shows_first(
    driver: Path, visible: dict[str, str], device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CUDA_VISIBLE_DEVICES chooses by number or UUID, and hides."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "machine", lambda: "s390x")

    assert environment.device_class(driver, visible) == device


@pytest.mark.parametrize(
    ("system", "machine", "device"),
    [("darwin", "arm64", "mps"), ("darwin", "x86_64", "cpu:x86_64"), ("linux", "aarch64", "cpu:aarch64")],
)
def test_device_class_without_a_gpu(
    tmp_path: Path, system: str, machine: str, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Apple silicon has mps; every other machine is a CPU of its architecture."""
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr("shutil.which", lambda name: None)
    environment._gpus_of_tool.cache_clear()

    assert environment.device_class(tmp_path, {}) == device


@pytest.mark.parametrize(
    ("answer", "gpus"),
    [
        ("echo 'NVIDIA H200, GPU-1111'", [("NVIDIA H200", "GPU-1111")]),
        ("echo 'no devices were found'; exit 6", []),
        ("exit 127", []),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for nvidia-smi is a shell script")
def test_tool_is_asked_where_the_driver_keeps_no_files(
    tmp_path: Path, answer: str, gpus: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under WSL and Windows nvidia-smi knows; an answer with an error is none."""
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{answer}\n")
    tool.chmod(0o755)
    monkeypatch.setattr("shutil.which", lambda name: str(tool))
    environment._gpus_of_tool.cache_clear()

    assert environment._gpus(tmp_path) == gpus

    environment._gpus_of_tool.cache_clear()


def test_versions_come_from_the_installed_distributions(packages: Path, tmp_path: Path) -> None:
    """Names are compared in their normal form; a package that is missing has the version None."""
    found = environment.fingerprint(["Torch", "scikit-learn", "lightning"], root=tmp_path)

    assert found["packages"] == {"Torch": "2.12.0+cpu", "scikit-learn": "1.9.1", "lightning": None}


def test_local_build_of_one_version_counts_by_its_content(packages: Path, tmp_path: Path) -> None:
    """A distribution built from a folder has the digest of its files behind the version, whatever paths it notes."""
    info = packages / "torch-2.12.0+cpu.dist-info"
    (info / "direct_url.json").write_text(json.dumps({"url": "file:///builds/1", "dir_info": {}}))
    scripts = "../../bin/torchrun,sha256=aa,1\ntorch-2.12.0+cpu.dist-info/RECORD,,\n"
    (info / "RECORD").write_text(f"torch/a.py,sha256=11,1\n{scripts}")
    first = environment.installed(tmp_path)["torch"]
    (info / "RECORD").write_text(f"torch/a.py,sha256=11,1\n{scripts.replace('aa', 'bb')}")
    elsewhere = environment.installed(tmp_path)["torch"]
    (info / "RECORD").write_text(f"torch/a.py,sha256=22,1\n{scripts}")
    rebuilt = environment.installed(tmp_path)["torch"]

    assert first.startswith("2.12.0+cpu+")
    assert first == elsewhere
    assert first != rebuilt


def test_editable_installation_counts_by_its_folder(packages: Path, tmp_path: Path) -> None:
    """Below the root the folder is relative, so that another checkout has the same environment."""
    (packages / "churn-1.0.dist-info").mkdir()
    url = {"url": f"file://{tmp_path}/src/churn", "dir_info": {"editable": True}}
    (packages / "churn-1.0.dist-info" / "direct_url.json").write_text(json.dumps(url))

    assert environment.installed(tmp_path)["churn"] == "1.0 at src/churn"


@pytest.mark.parametrize(("declared", "threads"), [("3", 3), ("2,4", 2)])
def test_declared_threads_count(declared: str, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """OMP_NUM_THREADS is what a training takes unless told."""
    monkeypatch.setenv("OMP_NUM_THREADS", declared)

    assert environment.default_threads() == threads


@pytest.mark.parametrize("declared", ["", "0", "many"])
def test_threads_are_the_usable_cpus_unless_declared(declared: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A declaration without a number counts as none."""
    monkeypatch.setenv("OMP_NUM_THREADS", declared)
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {0, 1, 2}, raising=False)

    assert environment.default_threads() == 3


@pytest.mark.parametrize(
    ("name", "value"), [("CUBLAS_WORKSPACE_CONFIG", ":4096:8"), ("ATEN_CPU_CAPABILITY", "avx2"), ("PYTHONPATH", "lib")]
)
def test_variables_that_change_numbers_count(
    name: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fingerprint differs when such a variable is set."""
    monkeypatch.delenv(name, raising=False)
    before = environment.fingerprint([], root=tmp_path)
    monkeypatch.setenv(name, value)

    assert environment.fingerprint([], root=tmp_path) != before


@pytest.mark.parametrize("name", ["USER", "HOME", "PYTEST_XDIST_WORKER", "LANG", "TERM"])
def test_who_runs_it_does_not_count(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """User, home and xdist's worker id leave the fingerprint as it is."""
    before = environment.fingerprint(["torch"], root=tmp_path)
    monkeypatch.setenv(name, "another")

    assert environment.fingerprint(["torch"], root=tmp_path) == before


def test_paths_below_the_root_are_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another checkout of the same tree with the same PYTHONPATH has the same fingerprint."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "src"))

    assert environment.fingerprint([], root=tmp_path)["search"] == ["src"]


def test_nothing_heavy_is_imported(tmp_path: Path) -> None:
    """The fingerprint is made without torch, numpy and the packages' metadata."""
    code = (
        "import sys; from pathlib import Path; from pytest_mlspec.store.environment import fingerprint\n"
        "fingerprint(['torch'], root=Path.cwd())\n"
        "print({'torch', 'numpy', 'sklearn', 'importlib.metadata'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.strip() == "set()"
