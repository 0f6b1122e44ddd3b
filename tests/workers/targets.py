"""Small jobs for workers to run: imported in them alone, through the python path that the tests give."""

from __future__ import annotations

import ctypes
import os
import random
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from pytest_mlspec.errors import DataError

Request = dict[str, Any]
Report = Callable[[dict[str, Any]], None]


def run(request: Request, report: Report) -> dict[str, Any]:
    """Does what `request["do"]` names."""
    done: dict[str, Any] = globals()[request["do"]](request, report)
    return done


def echo(request: Request, report: Report) -> dict[str, Any]:
    return request


def steps(request: Request, report: Report) -> dict[str, Any]:
    for step in range(3):
        report({"step": step})
        time.sleep(0.1)
    return {}


def process(request: Request, report: Report) -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "server": os.getppid(),
        "server_threads": psutil.Process(os.getppid()).num_threads(),
        "directory": str(Path.cwd()),
        "arguments": sys.argv[1:],
        "sockets": sum(_is_socket(descriptor) for descriptor in range(100)),
        "hash": hash("a string"),
        "random": random.random(),
        "modules": sorted({name.partition(".")[0] for name in sys.modules}),
        "environment": {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "PYTEST_CURRENT_TEST")},
    }


def fit_estimators(request: Request, report: Report) -> dict[str, Any]:
    from sklearn.cluster import KMeans
    from sklearn.datasets import load_iris
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.neighbors import KNeighborsClassifier

    inputs, labels = load_iris(return_X_y=True)
    estimators = (
        HistGradientBoostingClassifier(max_iter=5),
        RandomForestClassifier(10, n_jobs=2),
        KMeans(3, n_init=1),
        KNeighborsClassifier(n_jobs=2),
    )
    for estimator in estimators:
        estimator.fit(inputs, labels).predict(inputs)
    return {"fitted": len(estimators)}


def count(request: Request, report: Report) -> dict[str, Any]:
    with Path(request["file"]).open("a") as file:
        file.write("run\n")
    return {}


def interval(request: Request, report: Report) -> dict[str, Any]:
    begin = time.monotonic()
    time.sleep(request.get("seconds", 0.1))
    return {"begin": begin, "end": time.monotonic()}


def sleep(request: Request, report: Report) -> dict[str, Any]:
    _note(request)
    time.sleep(600)
    return {}


def hold_the_gil(request: Request, report: Report) -> dict[str, Any]:
    _note(request)
    return {"sum": sum(range(10**12))}


def child_and_sleep(request: Request, report: Report) -> dict[str, Any]:
    child = subprocess.Popen(["sleep", "600"])
    Path(request["child"]).write_text(str(child.pid))
    return sleep(request, report)


def leave_a_child(request: Request, report: Report) -> dict[str, Any]:
    return {"child": subprocess.Popen(["sleep", "600"], start_new_session=request["escapes"]).pid}


def fork_that_returns(request: Request, report: Report) -> dict[str, Any]:
    child = os.fork()
    if child == 0:
        raise RuntimeError("this is the child of user code")
    os.waitpid(child, 0)
    return {"by": "the worker"}


def leave(request: Request, report: Report) -> dict[str, Any]:
    print("about to leave")
    os._exit(request["code"])


def exit_politely(request: Request, report: Report) -> dict[str, Any]:
    sys.exit(request["code"])


def interrupt(request: Request, report: Report) -> dict[str, Any]:
    raise KeyboardInterrupt


def crash(request: Request, report: Report) -> dict[str, Any]:
    ctypes.string_at(0)
    return {}


def signal_itself(request: Request, report: Report) -> dict[str, Any]:
    os.kill(os.getpid(), request["signal"])
    time.sleep(60)
    return {}


def swell(request: Request, report: Report) -> dict[str, Any]:
    parts = []
    for _ in range(60):
        parts.append(b"x" * 10_000_000)
        time.sleep(0.02)
    time.sleep(600)
    return {"parts": len(parts)}


def fail(request: Request, report: Report) -> dict[str, Any]:
    raise DataError("12 rows have no label", key="data.target", advice="drop them")


def surprise(request: Request, report: Report) -> dict[str, Any]:
    return {"value": 1 / request["divisor"]}


def unfit(request: Request, report: Report) -> dict[str, Any]:
    return {"value": object()}


def large(request: Request, report: Report) -> dict[str, Any]:
    return {"text": "x" * request["size"]}


def train_a_step(request: Request, report: Report) -> dict[str, Any]:
    import torch

    layer = torch.nn.Linear(4, 4)
    optimizer = torch.optim.AdamW(layer.parameters())
    layer(torch.ones(2, 4)).sum().backward()
    optimizer.step()
    return {"threads": torch.get_num_threads(), **process(request, report)}


def _is_socket(descriptor: int) -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    except OSError:
        return False


def _note(request: Request) -> None:
    """Writes the pids of this worker and its server, in one step, for the test that waits for them."""
    note = Path(request["note"])
    note.with_suffix(".part").write_text(f"{os.getpid()} {os.getppid()}")
    note.with_suffix(".part").rename(note)
