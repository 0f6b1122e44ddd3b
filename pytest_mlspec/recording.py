"""`--mlspec-update`: the claim `baseline` of a plan records what it finds in the place of a comparison."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlspec import baselines
from pytest_mlspec.check import Verdict, errored, listed, passed
from pytest_mlspec.errors import DataError, StoreError
from pytest_mlspec.evidence import Description
from pytest_mlspec.jobs import Describe
from pytest_mlspec.store import Key, Store
from pytest_mlspec.store.file import write_whole

if TYPE_CHECKING:
    from pytest_mlspec.evidence import Evidence
    from pytest_mlspec.plan import Claim, Plan


def recording(plan: Plan, *, names: Collection[str], store: Callable[[], Store]) -> Plan:
    """`plan` with claims that record; `names` are all specs of its file, `store` that of the run, asked when it is needed."""
    return replace(plan, claims=tuple(_recording(claim, plan, names, store) for claim in plan.claims))


def _recording(claim: Claim, plan: Plan, names: Collection[str], store: Callable[[], Store]) -> Claim:
    # not held against anything, so that there need be nothing
    jobs = {role: replace(job, against=None) for role, job in claim.jobs.items() if isinstance(job, Describe)}
    if not jobs:
        return claim
    return replace(claim, jobs=jobs, judge=partial(_recorded, plan, frozenset(names), store))


def _recorded(
    plan: Plan, names: Collection[str], store: Callable[[], Store], evidence: Mapping[str, Evidence]
) -> Verdict:
    """Writes the description among `evidence` into the baseline file, where that does not hold it already."""
    [found] = (each for each in evidence.values() if isinstance(each, Description))
    if found.missing:
        return errored(found.missing).explained(advice="seed or sort what they draw", finding="baseline.moved")
    file, opened = baselines.file_of(plan.declared.document.path), store()
    path = opened.root / file
    # Several specs of one file may be recorded at a time, by processes of xdist or of two runs.
    with opened.lock(Key(f"the baseline file {file}", {"baseline": file})):
        old = _text(path)
        before, broken = ({}, "") if old is None else _entries(old, file)
        after = {name: entry for name, entry in before.items() if name in names} | {plan.spec.name: found}
        told = [_told(before.get(plan.spec.name), found, file)]
        if unused := [name for name in before if name not in names]:
            told.append(f"removed what no spec of the file uses: {listed(unused)}")
        if broken:
            told.append(f"in the place of what could not be read: {broken}")
        text = baselines.text_of(after)
        if old != text:
            write_whole(path, text)
    return passed(told[0]).explained(*told[1:])


def _text(path: Path) -> str | None:
    """What the file at `path` holds; None where there is none. Raises StoreError where it cannot be opened."""
    try:
        return path.read_text("utf-8", "replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from error


def _entries(text: str, file: str) -> tuple[baselines.Entries, str]:
    """What the file holds, and why it could not be read: then nothing of it is kept."""
    try:
        return baselines.read(text, file), ""
    except DataError as error:
        return {}, error.message


def _told(before: Description | None, now: Description, file: str) -> str:
    rows = sum(split.rows for split in now.splits.values())
    if before is None:
        return f"recorded in {file}: {rows} rows, {len(now.golden)} of them golden"
    changed = baselines.changes(before, now)
    return f"renewed in {file}: {'; '.join(changed)}" if changed else f"unchanged in {file}"
