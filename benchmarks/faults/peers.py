"""Other tools on the same instances: pytest-torch 1.1.1, torch-audit 0.3.0 and torchtest 0.5, each as its guide recommends it.

They test a model, a loss, an optimiser and batches from Python, so that is what each is given: those of the instance's recipe,
and the recipe's own step where it has one. One warm interpreter, which has them installed, forks a child for each instance.

    pytest-torch  inference contract, determinism, checkpoint round trip, padding; finite gradients, every parameter learns, loss
                  falls, one batch overfits, optimiser coverage, a healthy short run of the own step, resuming, accumulation
    torch-audit   autopatch over an epoch of the own step; findings of level ERROR
    torchtest     its suite: variables change, no NaN, no infinity (its range test needs a range that logits have not)

The healthy project decides what may be asked: a check of a peer that fails there is left out for that pipeline.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.faults.instances import Instance, every

TOOLS = ("pytest-torch", "torch-audit", "torchtest")
_SECONDS = 120
_BATCHES = 12

Told = dict[str, dict[str, str]]
"""What each tool found, by its check."""


def add(records: Path, python: Path, *, workers: int) -> None:
    """Adds what the peers say to the records that lack it, with `python`, which has them installed."""
    from benchmarks.faults.running import read_records

    known = read_records(records)
    wanted = [instance for instance in every() if instance.name in known and "peers" not in known[instance.name]]
    if any(instance.kind != "healthy" for instance in wanted):  # they decide what counts
        wanted = [instance for instance in every() if instance.name in known and instance.kind == "healthy"] + [
            instance for instance in wanted if instance.kind != "healthy"
        ]
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        for instance in wanted:
            instance.write(Path(folder))
        found = _asked(python, Path(folder), wanted, workers=workers)
    may_fail = {
        instance.pipeline: {(tool, name) for tool, failed in found.get(instance.name, {}).items() for name in failed}
        for instance in wanted
        if instance.kind == "healthy"
    }
    with records.open("a", encoding="utf-8") as file:
        for instance in wanted:
            if instance.name not in found:
                continue
            left_out = may_fail.get(instance.pipeline, set()) if instance.kind != "healthy" else set()
            peers = {
                tool: {
                    "red": {name: told for name, told in failed.items() if (tool, name) not in left_out},
                    "left_out": sorted(name for of, name in left_out if of == tool),
                    "unable": failed.get("unable", ""),
                }
                for tool, failed in found[instance.name].items()
            }
            file.write(json.dumps({**known[instance.name], "peers": peers}) + "\n")


def _asked(python: Path, root: Path, instances: list[Instance], *, workers: int) -> dict[str, Told]:
    asked = [[instance.name, instance.package, instance.pipeline] for instance in instances]
    pieces = [asked[number::workers] for number in range(workers)]
    places = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    running = [
        subprocess.Popen(
            [str(python), "-m", "benchmarks.faults.peers", str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": places, "OMP_NUM_THREADS": "1"},
        )
        for _ in pieces
    ]
    for process, piece in zip(running, pieces, strict=True):
        assert process.stdin is not None, "it is a pipe"
        process.stdin.write(json.dumps(piece))
        process.stdin.close()
    found: dict[str, Told] = {}
    for process in running:
        assert process.stdout is not None, "it is a pipe"
        for line in process.stdout:
            found.update(json.loads(line))
        process.wait()
    return found


# What follows runs in the interpreter of the peers.


@dataclass(frozen=True)
class Material:
    """What the peers are given of an instance. `step` is the recipe's own, or None; `batches` are (inputs, targets)."""

    make_model: Callable[[], Any]
    make_optimizer: Callable[[Any], Any]
    loss: Callable[[Any, Any], Any]
    step: Callable[[Any, Any, Any, int], Any]
    batches: list[tuple[Any, Any]]
    padded: bool


def main() -> None:
    """Answers on stdout, a line of JSON for each instance that stdin names."""
    root = Path(sys.argv[1])
    wanted = json.load(sys.stdin)
    import torch
    import torchtest  # noqa: F401

    torch.set_num_threads(1)
    sys.path.insert(0, str(root))
    for name, package, pipeline in wanted:
        print(json.dumps({name: _in_a_child(root, package, pipeline)}), flush=True)


def _in_a_child(root: Path, package: str, pipeline: str) -> Told:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with (
            os.fdopen(writing, "w") as pipe,
            Path(os.devnull).open("w") as nowhere,
            contextlib.redirect_stdout(nowhere),
        ):
            signal.alarm(_SECONDS)
            try:
                json.dump(_all(root, package, pipeline), pipe)
            except BaseException as error:  # whatever the instance's code raises
                json.dump({tool: {"recipe": _told(error)} for tool in TOOLS}, pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    try:
        found: Told = json.loads(text)
    except ValueError:
        return {tool: {"recipe": f"no answer within {_SECONDS} s"} for tool in TOOLS}
    return found


def _all(root: Path, package: str, pipeline: str) -> Told:
    material = _material(root, package, pipeline)
    return {
        "pytest-torch": _pytest_torch(material),
        "torch-audit": _torch_audit(material),
        "torchtest": _torchtest(material),
    }


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"[:200]


def _tried(checks: Mapping[str, Callable[[], Any]]) -> dict[str, str]:
    """What each check that fails says."""
    found = {}
    for name, check in checks.items():
        try:
            check()
        except Exception as error:  # a tool tells by raising
            found[name] = _told(error)
    return found


def _material(root: Path, package: str, pipeline: str) -> Material:
    import numpy as np
    import torch
    import yaml

    from pytest_mlspec.recipe.protocol import Rows
    from pytest_mlspec.recipe.rows import as_loaded
    from pytest_mlspec.training.batches import Batch
    from pytest_mlspec.training.state import State

    recipe: Any = importlib.import_module(f"{package}.recipe")
    spec = yaml.safe_load((root / package / f"{pipeline}.mlspec.yaml").read_text("utf-8"))
    data, train = spec.get("data", {}), spec["train"]
    labelled = spec["task"] != "language_model"
    rows = as_loaded(
        recipe.load(), key="load", name="load", target=data.get("target"), drop=data.get("drop", ()), labelled=labelled
    )
    assert isinstance(rows, Rows), "the projects split their rows themselves"
    classes = sorted(set(map(str, rows.targets))) if spec["task"] == "multiclass" else []
    part = recipe.split(rows)["train"] if hasattr(recipe, "split") else rows.take(np.arange(len(rows) * 3 // 4))
    fitted = recipe.fit_prepare(part) if hasattr(recipe, "fit_prepare") else None
    inputs, targets = recipe.prepare(part, fitted)
    if classes:
        targets = np.array([classes.index(str(label)) for label in targets])
    elif not labelled:
        targets = inputs
    else:
        targets = targets.astype(np.float32)
    given, wanted = torch.from_numpy(np.ascontiguousarray(inputs)), torch.from_numpy(np.ascontiguousarray(targets))
    size = int(train.get("batch_size", getattr(recipe, "BATCH_SIZE", 64)))
    order = torch.arange(len(given))
    if train.get("shuffle", True):
        order = torch.randperm(len(given), generator=torch.Generator().manual_seed(0))
    batches = [(given[at], wanted[at]) for at in torch.split(order, size)][:_BATCHES]
    if pipeline == "machines":
        return _of_machines(recipe, batches)

    def make_optimizer(model: Any) -> Any:
        if hasattr(recipe, "optimizer"):
            return recipe.optimizer(model)
        arguments: dict[str, Any] = {name: float(value) for name, value in train["optimizer"].items() if name != "use"}
        return torch.optim.AdamW(model.parameters(), **arguments)

    def as_batch(batch: Any) -> Any:
        return Batch(batch[0], batch[1], torch.arange(len(batch[0])))

    def step(model: Any, optimizer: Any, batch: Any, number: int) -> Any:
        state = State(model, optimizer, None, 0, torch.device("cpu"), position=number)
        return recipe.training_step(state, as_batch(batch))

    return Material(
        recipe.build_model,
        make_optimizer,
        lambda outputs, batch: recipe.loss(outputs, as_batch(batch)),
        step,
        batches,
        padded=pipeline in ("tickets", "faq"),
    )


def _of_machines(recipe: Any, batches: list[tuple[Any, Any]]) -> Material:
    """The parts of the team's own loop; its step is that of any loop, for the loop itself cannot be called step by step."""

    def step(model: Any, optimizer: Any, batch: Any, number: int) -> Any:
        optimizer.zero_grad()
        value = recipe.weighted(model(batch[0]), batch[1])
        value.backward()
        optimizer.step()
        return value

    return Material(
        recipe.Network,
        recipe.adamw,
        lambda outputs, batch: recipe.weighted(outputs, batch[1]),
        step,
        batches,
        padded=False,
    )


def _pytest_torch(material: Material) -> dict[str, str]:
    import pytest_torch as tool
    import torch
    from pytest_torch.training_loop import TrainingSetup

    first = material.batches[0]
    inputs = first[0]

    def model() -> Any:
        torch.manual_seed(0)
        return material.make_model()

    def loss(outputs: Any) -> Any:
        return material.loss(outputs, first)

    def setup() -> Any:
        made = model()
        return TrainingSetup(made, material.make_optimizer(made))

    def step(setup: Any, batch: Any) -> Any:
        return material.step(setup.model.train(), setup.optimizer, batch, setup.step_index)

    def coverage() -> None:
        made = model()
        tool.assert_optimizer_coverage(made, material.make_optimizer(made))

    def padding() -> None:
        made = model().eval()
        padded = torch.nn.functional.pad(inputs, (0, 4))
        with torch.no_grad():
            tool.assert_tensors_close(made(padded), made(inputs))

    checks: dict[str, Callable[[], Any]] = {
        "contract": lambda: tool.check_inference_contract(model().eval(), inputs),
        "deterministic": lambda: tool.assert_deterministic(model().eval(), inputs),
        "checkpoint": lambda: tool.assert_checkpoint_roundtrip(material.make_model, inputs),
        "gradients_finite": lambda: tool.assert_gradients_finite(model(), inputs, loss),
        "all_params": lambda: tool.assert_all_params_receive_grad(model(), inputs, loss),
        "loss_decreases": lambda: tool.assert_loss_decreases(model(), inputs, loss),
        "overfits": lambda: tool.assert_overfits_one_batch(model(), inputs, loss),
        "coverage": coverage,
        "healthy_run": lambda: tool.run_training(setup, material.batches, step, steps=_BATCHES).assert_healthy(),
        "resume": lambda: tool.assert_resume_equivalent(setup, material.batches, step, steps=8),
        "accumulation": lambda: tool.assert_accumulation_equivalent(
            setup, material.batches, loss_fn=lambda model, batch: material.loss(model(batch[0]), batch)
        ),
    }
    if material.padded:
        checks["padding"] = padding
    return _tried(checks)


def _torch_audit(material: Material) -> dict[str, str]:
    import torch
    from torch_audit import autopatch
    from torch_audit.core import Severity

    torch.manual_seed(0)
    model = material.make_model()
    optimizer = material.make_optimizer(model)
    auditor = autopatch(model, optimizer=optimizer, every_n_steps=1, reporters=[], fail_level=Severity.ERROR)
    model.train()
    for number, batch in enumerate(material.batches):
        material.step(model, optimizer, batch, number)
    result = auditor.finish()
    levels = (Severity.ERROR, Severity.FATAL)
    return {finding.rule_id: str(finding.message)[:200] for finding in result.findings if finding.severity in levels}


def _torchtest(material: Material) -> dict[str, str]:
    import torch
    import torchtest

    torch.manual_seed(0)
    model = material.make_model()
    batch = list(material.batches[0])

    def loss(outputs: Any, targets: Any) -> Any:
        return material.loss(outputs, (batch[0], targets))

    def suite(**asked: bool) -> Callable[[], Any]:
        return lambda: torchtest.test_suite(model, loss, material.make_optimizer(model), batch, **asked)

    return _tried(
        {
            "variables change": suite(test_vars_change=True),
            "no NaN": suite(test_nan_vals=True),
            "no infinity": suite(test_inf_vals=True),
        }
    )


if __name__ == "__main__":
    main()
