"""`baseline` on hand-made descriptions: what is missing, what is refused, and what is the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_mlspec.check import Status, Verdict
from pytest_mlspec.checks.baseline import BaselineParams, baseline
from pytest_mlspec.evidence import Description, Recorded
from pytest_mlspec.jobs import Describe, ReadBaseline

from .recorded import DESCRIPTION, HASHES


def judged(now: Description, before: Description | None = DESCRIPTION, **params: Any) -> Verdict:
    return baseline(BaselineParams(**params), now, Recorded("churn.mlspec.baseline.json", "churn.mlspec.yaml", before))


def test_the_same_data_pass() -> None:
    """With what was compared."""
    verdict = judged(DESCRIPTION)

    assert verdict.status is Status.PASSED
    assert verdict.summary == "as recorded: 1000 rows, 3 columns, 10 golden rows, 2 parts of the model"
    assert (verdict.n, verdict.advice) == (1000, ())


def test_without_a_baseline_it_is_not_applicable() -> None:
    """The reason is the command."""
    verdict = judged(DESCRIPTION, None)

    assert verdict.status is Status.NOT_APPLICABLE
    assert verdict.summary == "no baseline is recorded: pytest --mlspec churn.mlspec.yaml --mlspec-update"


def test_a_baseline_that_is_required_and_missing_is_an_error() -> None:
    """The next step is the command."""
    verdict = judged(DESCRIPTION, None, required=True)

    assert verdict.status is Status.ERROR
    assert verdict.summary == "no baseline is recorded in churn.mlspec.baseline.json"
    assert verdict.advice == ("pytest --mlspec churn.mlspec.yaml --mlspec-update, and commit it",)


def test_a_spec_that_declares_other_data_is_refused() -> None:
    """It measured something else: that is no change of the data, and no pass."""
    verdict = judged(replace(DESCRIPTION, declared={"data.source": "other.csv", "data.drop": "[id]"}))

    assert verdict.status is Status.ERROR
    assert verdict.summary == "the baseline measured something else: data.source, data.drop declared otherwise"
    assert verdict.facts == (
        "data.source: other.csv, recorded with churn.csv",
        "data.drop: [id], recorded with not declared",
    )
    assert "--mlspec-update" in verdict.advice[-1]


def test_data_that_cannot_be_described_are_an_error() -> None:
    """Where something is recorded; where nothing is, nobody asked."""
    unknown = replace(DESCRIPTION, missing="load gave other rows")

    assert judged(unknown).status is Status.ERROR
    assert judged(unknown, None).status is Status.NOT_APPLICABLE


def test_another_split_that_the_spec_declares_is_compared_as_a_whole() -> None:
    """Rows in another split are what was asked for."""
    moved = {key: replace(row, splits=("test",)) for key, row in DESCRIPTION.golden.items()}
    train, test = DESCRIPTION.splits["train"], DESCRIPTION.splits["test"]
    splits = {"train": replace(train, rows=500, digest="other"), "test": replace(test, rows=500, digest="other")}
    verdict = judged(replace(DESCRIPTION, split="{test: 0.5}", splits=splits, golden=moved))

    assert verdict.status is Status.PASSED
    assert "rows of all splits: 1000, recorded 1000" in verdict.facts


@pytest.mark.parametrize(
    ("share", "status"), [(0, Status.PASSED), (1, Status.FAILED), (0.1, Status.PASSED)], ids=["none", "all", "at limit"]
)
def test_golden_rows_with_another_label_are_counted(share: float, status: Status) -> None:
    """Up to the share that may be corrected."""
    changed = set(HASHES[: round(share * len(HASHES))])
    golden = {
        key: replace(row, labels=("maybe",)) if key in changed else row for key, row in DESCRIPTION.golden.items()
    }

    assert judged(replace(DESCRIPTION, golden=golden), relabelled_at_most=0.1).status is status


def test_several_changes_are_told_together() -> None:
    """The first one is the verdict, all their names are for the diagnosis."""
    golden = {key: replace(row, labels=("maybe",)) for key, row in DESCRIPTION.golden.items()}
    splits = {**DESCRIPTION.splits, "train": replace(DESCRIPTION.splits["train"], rows=160)}
    verdict = judged(replace(DESCRIPTION, golden=golden, splits=splits))

    assert verdict.summary == "rows of train, of those recorded: 0.2, between 0.8 and 1.9"
    assert {"baseline.rows", "baseline.labels"} <= set(verdict.findings)


def test_what_is_described_is_what_would_be_compared() -> None:
    """Where nothing is recorded, the description is not made."""
    from pytest_mlspec.check import CHECKS

    needs = CHECKS.find("baseline").needs(BaselineParams(golden=16))

    assert needs == {"now": Describe(16, ReadBaseline()), "recorded": ReadBaseline()}
