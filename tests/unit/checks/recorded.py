"""A hand-made description of a small table of customers and a small model, for tests to change one thing in."""

from __future__ import annotations

from pytest_mlspec.evidence import (
    ColumnDescription,
    Description,
    GoldenRow,
    InputDescription,
    SplitDescription,
    Structure,
    Values,
)

HASHES = tuple(f"{number:012x}" for number in range(10))


def uniform(count: int, *, low: float = 0.0, high: float = 100.0) -> Values:
    """Values that lie evenly from `low` to `high`."""
    points = [low + (high - low) * percent / 100 for percent in range(101)]
    cuts = [1, *range(5, 100, 5), 99]
    return Values(
        count,
        tuple(points[cut] for cut in cuts),
        tuple(cut / 100 for cut in cuts),
        points[0],
        1 / count,
        tuple(points),
    )


COLUMNS = {
    "age": ColumnDescription("number", 1000, 0.1, uniform(900)),
    "plan": ColumnDescription("text", 1000, 0.0, uniform(1000, low=4, high=5), {"basic": 700, "gold": 300}),
    "joined": ColumnDescription("time", 1000, 0.0, uniform(1000)),
}
MODEL = Structure(
    "mlp",
    parts={"one.weight": "float32 [8, 3]", "one.bias": "float32 [8]"},
    layers={"one": "Linear(in_features=3, out_features=8, bias=True)", "drop": "Dropout(p=0.1)", "act": "ReLU()"},
    answers=(1.0, -2.0, 0.5),
)
DESCRIPTION = Description(
    declared={"data.source": "churn.csv"},
    splits={
        "train": SplitDescription(800, {"no": 600, "yes": 200}, digest="aaaa"),
        "test": SplitDescription(200, {"no": 150, "yes": 50}, digest="bbbb"),
    },
    split_by="draw",
    classes=("no", "yes"),
    columns=COLUMNS,
    inputs={"": InputDescription("float32", (3,), {"train": uniform(800), "test": uniform(200)}, (1.0, 1.0))},
    model=MODEL,
    golden={
        key: GoldenRow(("train",), ("no",), {"": (float(number), 1.0)}, f"{number:02x}")
        for number, key in enumerate(HASHES)
    },
    asked=10,
    order="cccc",
)
"""1000 rows, of which 10 are golden and all in train."""
