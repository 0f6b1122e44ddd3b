"""What jobs give back: plain frozen values with units, and arrays that are read when they are asked for.

Every engine and probe answers with one of these; every check reads nothing else. One file for each kind of measurement:

    data.py        the rows;  preparation.py  their preparation, made anew
    training.py    a training;  model.py  a model as it learns, and its metrics
    deployment.py  a model as it is deployed: latency, memory, exports, serving;  embeddings.py  a model of texts
    losses.py      the loss as a function of outputs;  schedules.py  rates and the end of a training
    loops.py       the loop around the steps
    capacity.py    what a trained model can express
    evaluations.py  a team's own evaluation, and its own checkpoints
    baselines.py   what a baseline file holds
    extension.py   the numbers of a probe that an extension registered
    array.py       arrays, read late;  records.py  to and from the store
"""

from __future__ import annotations

from pytest_mlspec.evidence.array import Array
from pytest_mlspec.evidence.baselines import (
    ColumnDescription,
    Description,
    GoldenRow,
    InputDescription,
    Recorded,
    SplitDescription,
    Structure,
    Values,
)
from pytest_mlspec.evidence.capacity import Capacity, Chain, DeadUnits, OutputRange
from pytest_mlspec.evidence.data import (
    Contradicted,
    DataProfile,
    Filled,
    InputSummary,
    Leaks,
    Mixed,
    Relation,
    Shortened,
    SplitProfile,
    Telling,
)
from pytest_mlspec.evidence.deployment import Difference, Exported, MemoryTrace, ModelCost, Parity, Served, Timing
from pytest_mlspec.evidence.embeddings import Geometry, SubsetScore, TaskScore
from pytest_mlspec.evidence.evaluations import Evaluation, OwnMetric, RoundTripped, Slice
from pytest_mlspec.evidence.extension import Measured
from pytest_mlspec.evidence.loops import LoopTrace, LostClass, RowUse
from pytest_mlspec.evidence.losses import CertainLoss, LossAnswers, RowsOfLoss, StartLoss
from pytest_mlspec.evidence.model import (
    ConstantPrediction,
    Gradients,
    Independence,
    ParameterGradient,
    Score,
    ScoreTable,
    SeedsTried,
)
from pytest_mlspec.evidence.preparation import (
    Agreement,
    Comparison,
    FitSeen,
    LayerInput,
    LayerInputs,
    Refitted,
    Scaled,
)
from pytest_mlspec.evidence.properties import Search, Violation
from pytest_mlspec.evidence.records import Evidence, Record, from_record, to_record
from pytest_mlspec.evidence.schedules import DeclaredRates, SchedulerUse, StopRule, Validations
from pytest_mlspec.evidence.steps import ComparedPart, StepComparison
from pytest_mlspec.evidence.training import Cost, Interruption, SeedRuns, TrainingRun

__all__ = [
    "Agreement",
    "Array",
    "Capacity",
    "CertainLoss",
    "Chain",
    "ColumnDescription",
    "ComparedPart",
    "Comparison",
    "ConstantPrediction",
    "Contradicted",
    "Cost",
    "DataProfile",
    "DeadUnits",
    "DeclaredRates",
    "Description",
    "Difference",
    "Evaluation",
    "Evidence",
    "Exported",
    "Filled",
    "FitSeen",
    "Geometry",
    "GoldenRow",
    "Gradients",
    "Independence",
    "InputDescription",
    "InputSummary",
    "Interruption",
    "LayerInput",
    "LayerInputs",
    "Leaks",
    "LoopTrace",
    "LossAnswers",
    "LostClass",
    "Measured",
    "MemoryTrace",
    "Mixed",
    "ModelCost",
    "OutputRange",
    "OwnMetric",
    "ParameterGradient",
    "Parity",
    "Record",
    "Recorded",
    "Refitted",
    "Relation",
    "RoundTripped",
    "RowUse",
    "RowsOfLoss",
    "Scaled",
    "SchedulerUse",
    "Score",
    "ScoreTable",
    "Search",
    "SeedRuns",
    "SeedsTried",
    "Served",
    "Shortened",
    "Slice",
    "SplitDescription",
    "SplitProfile",
    "StartLoss",
    "StepComparison",
    "StopRule",
    "Structure",
    "SubsetScore",
    "TaskScore",
    "Telling",
    "Timing",
    "TrainingRun",
    "Validations",
    "Values",
    "Violation",
    "from_record",
    "to_record",
]
