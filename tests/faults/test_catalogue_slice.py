"""A slice of the benchmark of faults: planted, run as users run it, and caught by right checks; the healthy projects pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.faults import __main__ as benchmark
from benchmarks.faults import catalogue, instances, report, running


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_faults_of_the_slice_are_caught(tmp_path: Path) -> None:
    """And a second run finds every record there."""
    wanted = {*benchmark.SLICE, *(f"healthy.{name.partition('.')[2]}" for name in benchmark.SLICE)}
    chosen = [instance for instance in instances.every() if instance.name in wanted]
    records = tmp_path / "faults.jsonl"
    benchmark.run(chosen, records, workers=2)
    found = running.read_records(records)
    scored = {pair.pair.name: pair for pair in (*report.scored(found), *report.scored(found, held_back=True))}

    assert [name for name in benchmark.SLICE if not scored[name].caught] == []
    assert {
        name: record["red"] for name, record in found.items() if record["kind"] == "healthy" and record["red"]
    } == {}


def test_the_slice_is_of_the_catalogue() -> None:
    """Of six faults that may be looked at, of different families."""
    kept = {pair.name for pair in catalogue.held_back()}
    families = {catalogue.FAULTS[name.partition(".")[0]].family for name in benchmark.SLICE}

    assert not kept & set(benchmark.SLICE)
    assert len(families) >= 5
