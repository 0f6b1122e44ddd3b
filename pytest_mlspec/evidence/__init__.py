"""What jobs give back: plain frozen values with units, and arrays that are read when they are asked for.

Every engine and probe answers with one of these; every check reads nothing else. One file for each kind of measurement:

    data.py        the rows;  training.py  a training;  model.py  a model as it learns, and its metrics
    deployment.py  a model as it is deployed: latency, memory, exports, serving;  embeddings.py  a model of texts
    extension.py   the numbers of a probe that an extension registered
    array.py       arrays, read late;  records.py  to and from the store
"""

from __future__ import annotations

from pytest_mlspec.evidence.array import Array
from pytest_mlspec.evidence.data import DataProfile, Leaks, Mixed, Relation, SplitProfile, Telling
from pytest_mlspec.evidence.deployment import Difference, Exported, MemoryTrace, ModelCost, Parity, Served, Timing
from pytest_mlspec.evidence.embeddings import Geometry, SubsetScore, TaskScore
from pytest_mlspec.evidence.extension import Measured
from pytest_mlspec.evidence.model import (
    ConstantPrediction,
    Gradients,
    Independence,
    ParameterGradient,
    Score,
    ScoreTable,
)
from pytest_mlspec.evidence.records import Evidence, Record, from_record, to_record
from pytest_mlspec.evidence.training import Cost, Interruption, SeedRuns, TrainingRun

__all__ = [
    "Array",
    "ConstantPrediction",
    "Cost",
    "DataProfile",
    "Difference",
    "Evidence",
    "Exported",
    "Geometry",
    "Gradients",
    "Independence",
    "Interruption",
    "Leaks",
    "Measured",
    "MemoryTrace",
    "Mixed",
    "ModelCost",
    "ParameterGradient",
    "Parity",
    "Record",
    "Relation",
    "Score",
    "ScoreTable",
    "SeedRuns",
    "Served",
    "SplitProfile",
    "SubsetScore",
    "TaskScore",
    "Telling",
    "Timing",
    "TrainingRun",
    "from_record",
    "to_record",
]
