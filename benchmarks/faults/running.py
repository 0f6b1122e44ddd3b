"""Runs instances as a team runs its specs, many in one pytest session, and reads each one's report back as a record.

Records are lines of JSON with the digests of the instance's files and of the product's source: a run goes on where the last one
ended, and measures again what has changed. Records of another source of the product can be kept; the report names each source.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest_mlspec
from benchmarks.faults.instances import Instance, healthy
from pytest_mlspec import baselines
from pytest_mlspec.evidence import Description
from pytest_mlspec.report.diagnosis import likely_causes
from pytest_mlspec.report.verdict import COST, FINDING

Record = dict[str, Any]
Baselines = Mapping[str, str]
"""The text of the baseline file of each healthy project, and of each accepted change, by the name of the instance."""

_INI = "[pytest]\naddopts = -p no:cacheprovider\n"
_STEPS = re.compile(r"^(?P<title>.+): (?P<steps>\d+) steps in (?P<seconds>[\d.e+-]+) s")
_MINUTES_OF_CHUNK = 30


def product_digest() -> str:
    """The SHA-256 of the product's source."""
    found = hashlib.sha256()
    root = Path(pytest_mlspec.__file__).parent
    for path in sorted(root.rglob("*.py")):
        found.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return found.hexdigest()[:12]


def read_records(path: Path) -> dict[str, Record]:
    """The last record of each instance by its name."""
    if not path.exists():
        return {}
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
    return {line["name"]: line for line in lines}


def record_baselines(instances: Iterable[Instance], *, workers: int) -> Baselines:
    """What `--mlspec-update` writes for the healthy projects, and for those of `instances` that are recorded anew."""
    recorded = [*healthy(), *(instance for instance in instances if instance.accepted)]
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        root = _prepared(Path(folder), recorded, {})
        _pytest(root, ["--mlspec-update", f"--mlspec-workers={workers}", "-k", "baseline"])
        found: dict[str, str] = {}
        for instance in recorded:
            file = root / instance.package / f"{instance.pipeline}.mlspec.baseline.json"
            if file.exists():
                found[instance.name] = moved(file.read_text("utf-8"), instance.package, _PLACE)
    return found


def kept_baselines(instances: Iterable[Instance], file: Path, product: str, *, keep: bool, workers: int) -> Baselines:
    """The baselines in `file`, recorded there where it lacks one or, without `keep`, is of another source of the product."""
    found: Record = json.loads(file.read_text("utf-8")) if file.exists() else {"product": product, "baselines": {}}
    known: dict[str, str] = found["baselines"] if keep or found["product"] == product else {}
    wanted = [*healthy(), *(instance for instance in instances if instance.accepted)]
    if not {instance.name for instance in wanted} <= known.keys():
        known = {**known, **record_baselines(instances, workers=workers)}
        file.write_text(json.dumps({"product": product, "baselines": known}), encoding="utf-8")
    return known


def missing(
    instances: Sequence[Instance], records: Mapping[str, Record], product: str, *, keep: bool
) -> list[Instance]:
    """The instances whose record is not there, or of other files, or without `keep` of another source of the product."""
    return [
        instance
        for instance in instances
        if (record := records.get(instance.name)) is None
        or record["files"] != instance.digest()
        or not (keep or record["product"] == product)
    ]


def chunks(instances: Sequence[Instance], size: int) -> Iterator[list[Instance]]:
    """Pieces of at most `size`: each healthy project by itself, so that its time is its own, then the trainings of seeds.

    The others follow in an order that a fixed seed draws, so that a run which is cut off is a fair sample.
    """
    of_kind: dict[str, list[Instance]] = {"healthy": [], "seed": [], "": []}
    for instance in instances:
        of_kind.get(instance.kind, of_kind[""]).append(instance)
    random.Random("order of the instances").shuffle(of_kind[""])
    yield from ([instance] for instance in of_kind["healthy"])
    for pieces, count in ((of_kind["seed"], 4 * size), (of_kind[""], size)):
        yield from (pieces[begin : begin + count] for begin in range(0, len(pieces), count))


def run(instances: Sequence[Instance], *, product: str, recorded: Baselines, workers: int) -> list[Record]:
    """A record of each instance, all run in one session of pytest."""
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        root = _prepared(Path(folder), instances, recorded)
        started = time.perf_counter()
        ended = _pytest(root, [f"--mlspec-workers={workers}", "--junitxml=report.xml"])
        seconds = time.perf_counter() - started
        cases = _cases(root / "report.xml")
    if not cases:
        raise RuntimeError(
            f"pytest ended with exit code {ended.returncode} and reported nothing\n{ended.stdout[-4000:]}"
        )
    records = []
    for instance in instances:
        found = cases.get(instance.package, {})
        records.append(
            {
                "name": instance.name,
                "kind": instance.kind,
                "pipeline": instance.pipeline,
                "files": instance.digest(),
                "product": product,
                "seconds": seconds / len(instances),
                "output": "" if found else ended.stdout[-2000:],
                **_facts(found),
            }
        )
    return records


_PLACE = "{folder}"


def moved(text: str, old: str, new: str) -> str:
    """The baseline file of a project in the package `old` as that of the same project in the package `new`."""

    def renamed(entry: Description) -> Description:
        return replace(
            entry,
            declared={key: value.replace(old, new) for key, value in entry.declared.items()},
            model=replace(entry.model, declared=entry.model.declared.replace(old, new)),
        )

    entries = {name: renamed(entry) for name, entry in baselines.read(text, "the baseline").items()}
    found = baselines.text_of(entries)
    if old in found:
        raise ValueError(f"the baseline of {old} still names it")
    return found


def _baseline_name(instance: Instance) -> str:
    return instance.name if instance.accepted else f"healthy.{instance.pipeline}"


def _prepared(root: Path, instances: Iterable[Instance], recorded: Baselines) -> Path:
    (root / "pytest.ini").write_text(_INI, encoding="utf-8")
    for instance in instances:
        written = instance.write(root)
        if (text := recorded.get(_baseline_name(instance))) is not None:
            file = written / f"{instance.pipeline}.mlspec.baseline.json"
            file.write_text(moved(text, _PLACE, instance.package), encoding="utf-8")
    return root


def _pytest(root: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Pytest over the specs of `root`, as users run it; one that does not end is killed."""
    command = [sys.executable, "-m", "pytest", "--mlspec", "-q", "--continue-on-collection-errors", *arguments, "."]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    places = [str(Path(pytest_mlspec.__file__).parents[1]), *environment.get("PYTHONPATH", "").split(os.pathsep)]
    environment["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(place for place in places if place))
    return subprocess.run(
        command,
        cwd=root,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60 * _MINUTES_OF_CHUNK,
        check=False,
    )


Case = dict[str, Any]


def _cases(report: Path) -> dict[str, dict[str, Case]]:
    """The items of each instance by the names of its package and claim."""
    found: dict[str, dict[str, Case]] = {}
    if not report.exists():
        return found
    for case in ElementTree.parse(report).iter("testcase"):
        properties = [(each.attrib["name"], each.attrib["value"]) for each in case.iter("property")]
        if not any(name == "mlspec.status" for name, _ in properties):
            continue
        package = case.attrib["classname"].partition(".")[0]
        found.setdefault(package, {})[case.attrib["name"]] = {
            "properties": properties,
            "seconds": float(case.attrib["time"]),
        }
    return found


def _facts(cases: Mapping[str, Case]) -> Record:
    values = {claim: dict(case["properties"]) for claim, case in cases.items()}
    red = ("failed", "error", "inconclusive")
    metric = next((found for claim, found in values.items() if claim.startswith("test.")), {})
    trainings: dict[str, int] = {}
    for case in cases.values():
        for name, value in case["properties"]:
            if name == COST and (match := _STEPS.match(value)):
                trainings[match["title"]] = int(match["steps"])
    return {
        "status": {claim: found["mlspec.status"] for claim, found in values.items()},
        "red": {
            claim: found["mlspec.summary"][:400] for claim, found in values.items() if found["mlspec.status"] in red
        },
        "findings": {
            claim: [value for name, value in case["properties"] if name == FINDING]
            for claim, case in cases.items()
            if any(name == FINDING for name, _ in case["properties"])
        },
        "metric": float(metric["mlspec.measured"]) if metric.get("mlspec.measured") else None,
        "suspects": [
            likely.suspect.name
            for likely in likely_causes({claim: case["properties"] for claim, case in cases.items()})
        ],
        "trainings": trainings,
    }
