"""Where the time of a training goes: `torch.profiler` over some of its steps, as a trace and as a summary.

The trace is a file that Chrome (chrome://tracing) and Perfetto open. The first steps are left out, because they allocate
and tune what the others reuse. Phases are times of the process: on a GPU, which works behind it, look at the operators, whose
time is then the device's own. Untested on CUDA and MPS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile, record_function, schedule

from pytest_mlspec.errors import TrainingError
from pytest_mlspec.training.batches import Batch, Source, Step
from pytest_mlspec.training.loop import Checkpoints, Evaluate
from pytest_mlspec.training.state import State

_WARM_UP, _PROFILED = 10, 50
_OPERATORS_SHOWN = 10
_STEP = "ProfilerStep*"
_MARK = "mlspec: "
_GRADIENTS, _UPDATE = "forward and backward", "update"
_FETCH, _FORWARD, _EVALUATION, _CHECKPOINT = "fetch", "forward", "evaluation", "checkpoint"


class Profiler:
    """Watches a training of `total_steps`, and writes `NAME.json`, the trace, and `NAME.txt`, its summary, to `folder`."""

    def __init__(self, state: State, folder: Path, name: str, *, title: str, total_steps: int) -> None:
        self._cuda = state.device.type == "cuda"
        self._folder, self._name, self._title = folder, name, title
        self._open: record_function | None = None
        self._model = state.model if state.compiled is None else state.compiled
        warm_up = min(_WARM_UP, total_steps // 3)
        self._steps = min(_PROFILED, total_steps - warm_up)
        # A step is told of when it begins, so the last one ends with the beginning of one more, or with the training.
        self._profile = profile(
            activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if self._cuda else [])],
            schedule=schedule(wait=0, warmup=warm_up + 1, active=self._steps, repeat=1),
            on_trace_ready=self._write,
            acc_events=True,
        )

    @contextmanager
    def watching(self) -> Iterator[None]:
        """The training runs within it."""
        with self._profile, _marked_forward(self._model):
            yield
            self.end_step()

    def begin_step(self) -> Profiler:
        """To be called before the gradients of each step; the Clock of the step."""
        self.end_step()
        self._profile.step()
        self._begin(_GRADIENTS)
        return self

    def lap(self, phase: str) -> None:
        """The phase that ends now."""
        self.end_step()
        if phase == _GRADIENTS:
            self._begin(_UPDATE)

    def end_step(self) -> None:
        """Ends the phase that still runs, as in a step that the team's code owns."""
        if self._open is not None:
            self._open.__exit__(None, None, None)
            self._open = None

    def source(self, source: Source) -> Source:
        """`source`, with the time that it takes."""
        return _MarkedSource(source)

    def evaluate(self, evaluate: Evaluate | None) -> Evaluate | None:
        """`evaluate`, with the time that it takes."""
        if evaluate is None:
            return None

        def marked(state: State) -> Mapping[str, float]:
            with record_function(_MARK + _EVALUATION):
                return evaluate(state)

        return marked

    def checkpoints(self, checkpoints: Checkpoints | None) -> Checkpoints | None:
        """`checkpoints`, with the time that they take."""
        return None if checkpoints is None else _MarkedCheckpoints(checkpoints)

    def _begin(self, phase: str) -> None:
        self._open = record_function(_MARK + phase)
        self._open.__enter__()  # type: ignore[no-untyped-call]

    def _write(self, found: profile) -> None:
        trace = self._folder / f"{self._name}.json"
        summary = _summary(found.key_averages(), self._title, trace, on_cuda=self._cuda)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            found.export_chrome_trace(str(trace))
            trace.with_suffix(".txt").write_text("\n".join(summary) + "\n", "utf-8")
        except OSError as error:
            raise TrainingError(f"the profile cannot be written to {trace}: {error.strerror}") from error


class _MarkedSource:
    def __init__(self, source: Source) -> None:
        self._source = source

    def __len__(self) -> int:
        return len(self._source)

    def fetch(self, index: Tensor) -> Batch:
        """The batch of the rows `index`."""
        return self._source.fetch(index)

    def steps(self, order: Sequence[Step], epoch: int) -> Iterator[list[Batch]]:
        """The batches of `order`."""
        batches = self._source.steps(order, epoch)
        while True:
            with record_function(_MARK + _FETCH):
                found = next(batches, None)
            if found is None:
                return
            yield found


class _MarkedCheckpoints:
    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints
        self.is_due = checkpoints.is_due

    def save(self, state: State) -> None:
        """Writes a checkpoint."""
        with record_function(_MARK + _CHECKPOINT):
            self._checkpoints.save(state)

    def after_epoch(self, state: State, metrics: Mapping[str, float]) -> None:
        """Writes what the end of an epoch asks for."""
        with record_function(_MARK + _CHECKPOINT):
            self._checkpoints.after_epoch(state, metrics)


@contextmanager
def _marked_forward(model: nn.Module) -> Iterator[None]:
    """Marks the calls of `model` in training."""
    marks: list[record_function] = []

    def begin(module: nn.Module, arguments: Any) -> None:
        if module.training:
            marks.append(record_function(_MARK + _FORWARD))
            marks[-1].__enter__()  # type: ignore[no-untyped-call]

    def end(module: nn.Module, arguments: Any, outputs: Any) -> None:
        if module.training:
            marks.pop().__exit__(None, None, None)

    hooks = [model.register_forward_pre_hook(begin), model.register_forward_hook(end)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _summary(events: Any, title: str, trace: Path, *, on_cuda: bool) -> list[str]:
    """The profile in a few lines, times of torch's events being in microseconds."""
    of_name = {event.key: event for event in events}
    total = of_name[_STEP].cpu_time_total
    steps = of_name[_STEP].count
    phases = _phases({name: event.cpu_time_total for name, event in of_name.items()}, total)
    own: Callable[[Any], float] = lambda event: (  # noqa: E731 - one of two attributes
        event.self_device_time_total if on_cuda else event.self_cpu_time_total
    )
    operators = sorted((event for event in events if _is_operator(event.key)), key=own, reverse=True)
    whole = sum(map(own, operators)) if on_cuda else total
    return [
        f"{title}: {steps} step{'s' * (steps > 1)} in {total / 1000:.1f} ms, {total / steps / 1000:.3f} ms a step",
        "  " + "   ".join(f"{phase} {time / total:.0%}" for phase, time in phases.items()),
        f"  self {'CUDA' if on_cuda else 'CPU'} time   share    calls  operator",
        *(
            f"  {own(event) / 1000:10.2f} ms {own(event) / whole if whole else 0:7.1%} {event.count:8d}  {event.key}"
            for event in operators[:_OPERATORS_SHOWN]
        ),
        f"  trace: {trace.relative_to(Path.cwd()) if trace.is_relative_to(Path.cwd()) else trace}",
    ]


def _phases(times: Mapping[str, float], total: float) -> dict[str, float]:
    """The time of each phase; what is none of them is `other`."""

    def marked(phase: str) -> float:
        return times.get(_MARK + phase, 0.0)

    phases = {
        "fetch": marked(_FETCH),
        "forward": marked(_FORWARD),
        "loss and backward": marked(_GRADIENTS) - marked(_FORWARD),
        "update": marked(_UPDATE),
        "evaluation": marked(_EVALUATION),
        "checkpoints": marked(_CHECKPOINT),
    }
    return {**phases, "other": max(0.0, total - sum(phases.values()))}


def _is_operator(name: str) -> bool:
    return not name.startswith((_MARK, _STEP.rstrip("*")))
