"""What a training cost, in one line of `-vv`."""

from __future__ import annotations

from pytest_mlspec.evidence import TrainingRun


def cost_text(title: str, run: TrainingRun) -> str:
    """Steps, rows a second, shares of the phases, and memory; no array is read for it.

    Empty where the engine measures none of it.
    """
    cost = run.cost
    if cost is None:
        return ""
    total = sum(cost.phase_seconds.values())
    rate = "" if cost.rows_per_second is None else f", {cost.rows_per_second:,.0f} rows/s"
    phases = ", ".join(f"{phase} {seconds / total:.0%}" for phase, seconds in cost.phase_seconds.items() if total)
    parts = [
        f"{run.steps} steps in {run.seconds:.3g} s{rate}",
        phases,
        f"peak memory {_megabytes(cost.peak_memory)}",
        "" if cost.peak_device_memory is None else f"on the GPU {_megabytes(cost.peak_device_memory)}",
        "" if cost.utilisation is None else f"GPU busy {cost.utilisation:.0%}",
        f"{run.skipped_steps} steps skipped for fp16" if run.skipped_steps else "",
    ]
    return f"{title}: {'; '.join(part for part in parts if part)}"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
