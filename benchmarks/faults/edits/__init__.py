"""How each fault is planted, and each benign change made: edits of the team's files, as a careless colleague would make them.

edit.py  what an edit is;  rows.py  data, labels, splits, preparation;  model.py  architecture, initialisation, embeddings;
steps.py  optimiser, loss, schedule, loop, precision, seeds;  results.py  evaluation, checkpoints, export, serving
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

from benchmarks.faults.catalogue import Pair
from benchmarks.faults.edits import model, results, rows, steps
from benchmarks.faults.edits.edit import Change

__all__ = ["PLANTED"]


def _together() -> Mapping[Pair, tuple[Change, ...]]:
    found: dict[Pair, tuple[Change, ...]] = {}
    for fault, pipelines, changes in chain(rows.PLANTED, model.PLANTED, steps.PLANTED, results.PLANTED):
        for pipeline in pipelines.split():
            if (pair := Pair(fault, pipeline)) in found:
                raise ValueError(f"{pair.name} is planted twice")
            found[pair] = changes
    return found


PLANTED = _together()
"""The edits of each pair that is planted."""
