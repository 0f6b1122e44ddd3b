"""Whether a gate on latency sees a model that has become slower, and does not see a busy neighbour.

    python -m benchmarks.latency [--trials 100] [--minutes M] [--quick] [--records FILE]

A team measures its model once, without the neighbour, and allows a quarter more. Then, for models of about 0.3, 3, 30 and
100 ms: the same model beside four processes that do nothing but compute has to pass, and a model of one and a half times the
layers has to fail, beside them and without them. Every statistic is held against a bound of its own, from the same calls:

    latency.min         the shortest call relative to the reference, waits for a processor left out
    latency.p50         the median without waits
    minimum, p95, mean  of the time on the wall; the mean is what pytest-benchmark shows first
    torch               the median of torch.utils.benchmark

One thread. The records are one line of JSON for each trial; a run goes on where the last one ended.

    models.py   what is timed, and the neighbours        trials.py   the figures of each        tables.py   the table
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from . import models, tables, trials


def main() -> None:
    """Measures what is not yet in the records, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=100, help="of each model and case")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stops after so many")
    parser.add_argument("--quick", action="store_true", help="two trials of the two fastest models: does it work?")
    parser.add_argument("--records", type=Path, default=Path("latency.jsonl"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    wanted = 2 if options.quick else options.trials
    sizes = models.SIZES[:2] if options.quick else models.SIZES
    deadline = time.monotonic() + 60 * options.minutes
    for record in trials.missing(options.records, sizes, wanted, deadline=deadline):
        with options.records.open("a", encoding="utf-8") as file:
            file.write(record + "\n")
    print(tables.table(options.records))


if __name__ == "__main__":
    main()
