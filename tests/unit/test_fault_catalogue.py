"""The fault catalogue of the benchmark: its table is whole, every edit applies, what counts as caught is as committed."""

from __future__ import annotations

import ast
import hashlib
from collections import Counter

import pytest
import yaml

from benchmarks.faults import benign, catalogue, scoring, seeds
from benchmarks.faults.catalogue import FAULTS, PIPELINES, Pair
from benchmarks.faults.edits import PLANTED
from benchmarks.faults.edits.edit import Edit, Lines
from benchmarks.faults.instances import Instance, every
from pytest_mlspec import checks
from pytest_mlspec.check import CHECKS
from pytest_mlspec.diagnosis import SUSPECTS

INSTANCES = every()


def test_the_denominator_is_fixed() -> None:
    """229 pairs of 90 faults; a fifth of them is held back, the same one for ever."""
    kept = sorted(pair.name for pair in catalogue.held_back())

    assert len(FAULTS) == 90
    assert len(list(catalogue.pairs())) == 229
    assert len(kept) == 45
    assert hashlib.sha256(" ".join(kept).encode()).hexdigest()[:16] == "f510179387271d3c"


def test_every_pair_is_planted_and_nothing_else() -> None:
    """What is not planted would count as missed."""
    assert set(PLANTED) == set(catalogue.pairs())


def test_what_is_counted_apart_is_not_in_the_table() -> None:
    """Later work, by its id."""
    assert not set(catalogue.COUNTED_APART) & set(FAULTS)


def test_right_checks_are_checks() -> None:
    """A name that no check has could never be red."""
    assert set(catalogue.CLAIMS) <= set(CHECKS)
    assert all(fault.right and set(fault.right) <= set(catalogue.CLAIMS) for fault in FAULTS.values())
    assert set(catalogue.CLAIMS) >= set(checks.STANDARD)


def test_causes_are_suspects_of_the_diagnosis() -> None:
    """What the diagnosis cannot name it could never name."""
    known = {suspect.name for suspect in SUSPECTS}

    assert all(fault.causes and set(fault.causes) <= known for fault in FAULTS.values())


def test_every_pipeline_has_faults_and_benign_changes() -> None:
    """At least twenty and eight of each, and at least sixty benign changes in all."""
    faults = Counter(pair.pipeline for pair in catalogue.pairs())
    changes = Counter(change.pipeline for change in benign.CHANGES)

    assert set(faults) == set(changes) == set(PIPELINES)
    assert min(faults.values()) >= 20
    assert min(changes.values()) >= 8
    assert sum(changes.values()) >= 60


def test_names_are_unique() -> None:
    """Records are found by them, and folders are named so."""
    assert len({instance.name for instance in INSTANCES}) == len(INSTANCES)
    assert len({instance.package for instance in INSTANCES}) == len(INSTANCES)


@pytest.mark.parametrize("instance", INSTANCES, ids=lambda instance: instance.name)
def test_every_edit_applies(instance: Instance) -> None:
    """The recipe is still Python and the spec still YAML; something differs from the healthy project but for that itself."""
    files = instance.files()
    healthy = Instance("healthy", "healthy", instance.pipeline).files()
    ast.parse(files["recipe.py"])

    assert yaml.safe_load(files[instance.spec])["name"] == instance.pipeline
    assert (files == healthy) is (instance.kind == "healthy")


def test_trainings_of_seeds_have_no_checks() -> None:
    """Twenty of each project."""
    trainings = seeds.trainings()
    specs = [yaml.safe_load(training.files()[training.spec]) for training in trainings]

    assert Counter(training.pipeline for training in trainings) == dict.fromkeys(PIPELINES, seeds.SEEDS)
    assert all("checks" not in found and found["gates"] for found in specs)
    assert {found["train"]["seed"] for found in specs} == set(range(seeds.SEEDS))


def test_an_edit_that_stands_twice_is_refused() -> None:
    """So is one that does not stand there, and a rewriting that changes nothing."""
    files = {"recipe.py": "a\na\nb\n", "rows.csv": "1\n"}

    with pytest.raises(ValueError, match="stands 2 times"):
        Edit("a", "c").apply(files, "spec")
    with pytest.raises(ValueError, match="stands 0 times"):
        Edit("d", "c").apply(files, "spec")
    with pytest.raises(ValueError, match=r"rows\.csv is as it was"):
        Lines("rows.csv", lambda lines: lines).apply(files, "spec")


HEALTHY = {"name": "healthy.digits", "status": {"data": "passed"}, "red": {}, "metric": 0.97, "suspects": []}
RED = {"status": {"data": "failed"}, "metric": 0.96, "suspects": ["rows_lost"]}


@pytest.mark.parametrize(
    ("healthy", "record", "caught"),
    [
        (HEALTHY, {**RED, "red": {"data": "…"}}, True),
        (HEALTHY, {**RED, "red": {"serving": "…"}}, False),
        (HEALTHY, {**RED, "red": {"test.accuracy": "…"}}, False),
        ({**HEALTHY, "red": {"loop": "…"}}, {**RED, "red": {"data": "…"}}, False),
        (None, {**RED, "red": {"data": "…"}}, False),
        (HEALTHY, None, False),
    ],
    ids=["a right check", "another check", "a gate", "an alarm on the healthy one", "no healthy one", "no record"],
)
def test_caught_is_a_right_check_on_a_project_that_passes(
    healthy: dict[str, object] | None, record: dict[str, object] | None, caught: bool
) -> None:
    """As section 3 of the catalogue's rules says."""
    pair = Pair("DATA-01", "digits")
    records = {pair.name: record, "healthy.digits": healthy}
    found = scoring.score(pair, {name: each for name, each in records.items() if each}, {"digits": 0.95})

    assert found.caught is caught
    assert found.silent is (None if record is None else True)


def test_no_alarm_of_sixty_still_allows_some() -> None:
    """The exact interval of Clopper and Pearson, two-sided: 6 %; one-sided it is 4.9 %."""
    low, high = scoring.Share(0, 60).interval

    assert low == 0.0
    assert high == pytest.approx(0.0596, abs=1e-4)


def test_thresholds_of_a_pipeline() -> None:
    """Five points below the mean, and 3.30 deviations."""
    found = seeds.thresholds({"digits": [0.96, 0.98]})["digits"]

    assert found.plain == pytest.approx(0.92)
    assert found.calibrated == pytest.approx(0.97 - 3.30 * 0.01 * 2**0.5)
