"""What share of the catalogue of training faults `checks: standard` catches, and what it costs.

    python -m benchmarks.faults [--records FILE] [--workers N] [--only TEXT …] [--slice] [--keep] [--report]

A fault is planted into a copy of a small healthy project as users make it, pytest runs over the copy as users run it, and what is
red is held against a list of right checks that was committed before. The records are one line of JSON for each run; a run goes on
where the last one ended.

    catalogue.py  the faults, their pipelines and right checks      projects/     the healthy projects
    edits/        how each fault is planted                         benign.py     the changes that must stay green
    instances.py  projects with edits in them, as files             running.py    sessions of pytest, and their records
    seeds.py      thresholds on the metric                          peers.py      other tools on the same instances
    scoring.py    what counts as caught                             report.py     the tables
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.faults import instances as made
from benchmarks.faults import report, running, seeds
from benchmarks.faults.instances import Instance

SLICE = (
    "DATA-01.diabetes",
    "LOOP-01.tickets",
    "ARCH-06.tickets",
    "PREP-03.digits",
    "LEAK-01.digits",
    "LOSS-06.diabetes",
)
"""Faults of different families that CI plants; those of its list are caught."""


def main() -> None:
    """Runs what is not yet in the records, and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=Path, default=Path("faults.jsonl"))
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="jobs at a time")
    parser.add_argument("--chunk", type=int, default=24, help="instances in one session of pytest")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stops after so many")
    parser.add_argument("--only", nargs="+", default=(), metavar="TEXT", help="instances whose name holds one of these")
    parser.add_argument("--slice", action="store_true", help="a few faults and their healthy projects: does it work?")
    parser.add_argument("--keep", action="store_true", help="keeps records that another source of the product gave")
    parser.add_argument("--report", action="store_true", help="prints the tables of the records, and runs nothing")
    parser.add_argument("--held-back", action="store_true", help="with a line for the pairs that were held back")
    parser.add_argument("--peers-python", type=Path, help="an interpreter with pytest-torch, torch-audit and torchtest")
    parser.add_argument("--out", type=Path, help="writes the tables there too")
    options = parser.parse_args()
    if not options.report:
        run(
            _chosen(options.only, is_slice=options.slice),
            options.records,
            workers=options.workers,
            chunk=options.chunk,
            keep=options.keep,
            deadline=time.monotonic() + 60 * options.minutes,
        )
        if options.peers_python:
            from benchmarks.faults import peers

            peers.add(options.records, options.peers_python, workers=options.workers)
    text = report.report(running.read_records(options.records), held_back=options.held_back)
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


def run(
    instances: Sequence[Instance],
    records: Path,
    *,
    workers: int,
    chunk: int = 24,
    keep: bool = False,
    deadline: float = float("inf"),
) -> None:
    """Adds the records of `instances` that are missing to the file `records`."""
    product = running.product_digest()
    file = records.with_suffix(".baselines.json")
    recorded = running.kept_baselines(instances, file, product, keep=keep, workers=workers)
    left = running.missing(instances, running.read_records(records), product, keep=keep)
    done = 0
    for part in running.chunks(left, chunk):
        if time.monotonic() > deadline:
            return
        try:
            found = running.run(part, product=product, recorded=recorded, workers=workers)
        except (RuntimeError, subprocess.TimeoutExpired) as error:  # the others can still be measured
            print(f"no records of {', '.join(instance.name for instance in part)}: {error}", flush=True)
            continue
        with records.open("a", encoding="utf-8") as lines:
            lines.writelines(json.dumps(record) + "\n" for record in found)
        done += len(part)
        print(f"{done} of {len(left)}: {sum(r['seconds'] for r in found):.0f} s", flush=True)


def _chosen(only: Sequence[str], *, is_slice: bool) -> list[Instance]:
    every = made.every()
    if is_slice:
        wanted = {f"healthy.{name.partition('.')[2]}" for name in SLICE} | set(SLICE)
        return [instance for instance in every if instance.name in wanted]
    every += seeds.trainings()
    return [instance for instance in every if not only or any(text in instance.name for text in only)]


if __name__ == "__main__":
    main()
