"""What pytest-mlspec costs beside the trainings: ratios against bare pytest, measured in one run.

    python benchmarks/overheads.py [--rounds 9] [--json FILE]

Every figure is CPU time (user and system, children included) of whole processes, taken in turn, A B A B …; the table shows
the median of the ratios and their range. Absolute times do not carry over to another machine, the ratios do.

    idle        a session of one plain test with the plugin installed, against `-p no:mlspec`
    collect     `--co` of 100 specs (1,000 items) against bare pytest of one plain test, and the heavy imports it made
    unchanged   a spec whose evidence is stored, against bare pytest, and the heavy imports it made
    job         the wall time of one more job in a warm server, against its own work in the same worker
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

HEAVY = ("numpy", "pandas", "pydantic", "scipy", "sklearn", "torch")
TRACE = "import atexit, sys; atexit.register(lambda: print('LOADED', *[m for m in {heavy} if m in sys.modules]))"

SPEC = """\
mlspec: 1
name: wine_{number}
task: multiclass
data: {{source: sklearn.wine, split: {{test: 0.3, stratify: true}}}}
model: {{use: mlp, hidden: [16]}}
train: {{epochs: 15, seed: {number}, optimizer: {{use: adamw, lr: 1e-2}}}}
checks: [data, converges, overfit, reproducible]
gates:
  test.accuracy: {{at_least: 0.2}}
  test.f1_macro: {{at_least: 0.1}}
  test.log_loss: {{at_most: 5.0}}
  train.loss: {{at_most: 5.0}}
  gap.accuracy: {{within: [-1, 1]}}
  model.parameters: {{at_most: 1000}}
"""


@dataclass(frozen=True)
class Ratio:
    """One figure: the median of n ratios, their range, and what was compared."""

    name: str
    median: float
    low: float
    high: float
    n: int
    note: str = ""


def cpu_seconds(command: Sequence[str], folder: Path) -> float:
    """The CPU seconds of `command` and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=300)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def paired(
    name: str, first: Sequence[str], second: Sequence[str], *, folder: Path, rounds: int, note: str = ""
) -> Ratio:
    """The ratio of the CPU time of two commands, run in turn."""
    return summary(name, [cpu_seconds(first, folder) / cpu_seconds(second, folder) for _ in range(rounds)], note)


def summary(name: str, ratios: Sequence[float], note: str = "") -> Ratio:
    """The median and range of `ratios`."""
    return Ratio(name, statistics.median(ratios), min(ratios), max(ratios), len(ratios), note)


def pytest_command(*arguments: str) -> list[str]:
    """A pytest session in a new interpreter, without a cache folder."""
    return [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]


def heavy_imports(command: Sequence[str], folder: Path) -> str:
    """Which of the heavy packages a pytest session has loaded at its end."""
    script = f"{TRACE.format(heavy=HEAVY)}\nimport pytest\nraise SystemExit(pytest.main({list(command[3:])!r}))"
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, check=True, capture_output=True, text=True, timeout=300
    )
    return result.stdout.rpartition("LOADED")[2].strip() or "none"


def idle(folder: Path, rounds: int) -> Ratio:
    """A session that has nothing to do with specs."""
    return paired("idle", pytest_command("test_plain.py"), bare(), folder=folder, rounds=rounds)


def bare() -> list[str]:
    """A session of one plain test without the plugin."""
    return pytest_command("-p", "no:mlspec", "test_plain.py")


def collect(folder: Path, rounds: int) -> Ratio:
    """Collecting a hundred specs."""
    many = folder / "many"
    many.mkdir()
    for number in range(100):
        (many / f"wine_{number}.mlspec.yaml").write_text(SPEC.format(number=number))
    command = pytest_command("--mlspec", "--co", "many")
    return paired(
        "collect",
        command,
        bare(),
        folder=folder,
        rounds=rounds,
        note=f"1,000 items; imported: {heavy_imports(command, folder)}",
    )


def unchanged(folder: Path, rounds: int) -> Ratio:
    """A spec whose evidence is stored already."""
    (folder / "wine.mlspec.yaml").write_text(SPEC.format(number=0))
    command = pytest_command("--mlspec", "wine.mlspec.yaml")
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=300)
    return paired(
        "unchanged", command, bare(), folder=folder, rounds=rounds, note=f"imported: {heavy_imports(command, folder)}"
    )


def job(rounds: int) -> Ratio:
    """One more job in a warm server; the note has the milliseconds on top of the job's own work."""
    from pytest_mlspec.workers.broker import Broker
    from pytest_mlspec.workers.tasks import Limits, Task

    folder = Path(tempfile.mkdtemp())
    (folder / "work.py").write_text(WORK)
    broker = Broker(target="work:train", slots=1, root=folder, python_path=[str(folder)])
    ratios, extra = [], []
    try:
        for number in range(rounds + 1):
            task = Task(str(number), f"job {number}", {}, Limits(60.0), str(folder / "log.txt"))
            started = time.perf_counter()
            broker.submit([task])
            outcome = broker.outcome(task.key)
            took = time.perf_counter() - started
            assert outcome.value is not None, outcome.error
            if number:
                ratios.append(took / outcome.value["seconds"])
                extra.append(1000 * (took - outcome.value["seconds"]))
    finally:
        broker.close()
    return summary("job", ratios, f"{statistics.median(extra):.0f} ms on top of its own work (median)")


WORK = """\
import time
import torch

def train(request, report):
    started = time.perf_counter()
    model = torch.nn.Sequential(torch.nn.Linear(13, 64), torch.nn.ReLU(), torch.nn.Linear(64, 3))
    optimizer = torch.optim.AdamW(model.parameters())
    inputs, targets = torch.randn(128, 13), torch.randint(3, (128,))
    for _ in range(100):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(inputs), targets).backward()
        optimizer.step()
    return {"seconds": time.perf_counter() - started}
"""


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_plain.py").write_text("def test_plain():\n    pass\n")
        (folder / "pytest.ini").write_text("[pytest]\n")
        measures: list[Callable[[], Ratio]] = [
            lambda: idle(folder, options.rounds),
            lambda: collect(folder, options.rounds),
            lambda: unchanged(folder, options.rounds),
            lambda: job(options.rounds),
        ]
        machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        print(machine, *(f"{name} {version(name)}" for name in ("pytest", "torch", "pytest-mlspec")), sep=", ")
        print(f"{'figure':<10} {'ratio':>7} {'range':>15} {'n':>4}")
        rows = []
        for measure in measures:
            row = measure()
            rows.append(asdict(row))
            print(
                f"{row.name:<10} {row.median:>7.3f} {row.low:>7.3f}-{row.high:<7.3f} {row.n:>4}  {row.note}", flush=True
            )
    if options.json:
        options.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
