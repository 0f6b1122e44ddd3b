"""How fast the training core is, against a loop written by hand and other libraries, side by side in one run.

    python -m benchmarks.core speed  [--quick] [--json FILE]    tasks A, B and C, everybody against the loop written by hand
    python -m benchmarks.core growth [--quick] [--json FILE]    how time grows with rows, parameters and batch
    python -m benchmarks.core seeds  [--quick] [--json FILE]    seeds trained at once, against one after another

Everything runs on the CPU, in one thread, in this process. Figures are ratios of CPU time, taken in turn, so that a busy
machine slows both sides; each is a median with its quartiles and n. Absolute times do not carry over to another machine.

    tasks.py        what is trained                    contestants.py   who trains it
    measure.py      runs in turn, medians, tables      speed.py, growth.py, seeds.py   the three measurements
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from . import growth, seeds, speed

RUNS = {"speed": speed.run, "growth": growth.run, "seeds": seeds.run}


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmark", choices=RUNS)
    parser.add_argument("--quick", action="store_true", help="short runs and few rounds: does it work?")
    parser.add_argument("--only-ours", action="store_true", help="without the other libraries")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    RUNS[options.benchmark](quick=options.quick, only_ours=options.only_ours, json=options.json)


if __name__ == "__main__":
    main()
