"""Which labels there are, and which of them their neighbours contradict: a part of `data`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from pytest_mlspec.check import Status, Verdict, at_least, failed, listed, passed, shown
from pytest_mlspec.evidence import Contradicted, DataProfile
from pytest_mlspec.statistics import more_by_chance

# How libraries write a missing value as text, and padding. `None` and `unknown` are classes of their own often enough.
_NO_LABEL = frozenset({"", "?", "nan", "NaN", "<NA>", "N/A", "n/a", "null", "NULL", "<pad>", "[PAD]"})
# What stands for no label among numbers: the default of losses, the void of masks, and what surveys and instruments write.
_CODES = frozenset({-1, -9, -99, -100, -999, -9999, 99, 255, 999, 9999, 32767, 65535})
# Two classes and -1 are three answers: against, neither, for.
_FEWEST_BESIDE_MINUS_ONE = 3
# Training rows and held-out ones of a draw differ as much as this once in a million.
_UNLIKELY = 1e-6
# By so much, too: neighbours are no independent draws, and few rows more are no fault that matters.
_MORE = 0.03
_TIMES = 3.0


def classes_everywhere(profile: DataProfile) -> Iterator[Verdict]:
    """Red for one class alone in training, and for one of another split that training lacks."""
    train = profile.splits["train"].classes
    if len(train) == 1:
        yield failed(f"one class alone in train: {next(iter(train))!r}").explained(
            advice="is the file sorted by class, or cut? `stratify: true` keeps the shares",
            finding="data.class_missing",
        )
    for name, split in profile.splits.items():
        unseen = {label: count for label, count in split.classes.items() if label not in train}
        if unseen:
            yield failed(f"rows of {name} with a class that train lacks: {_by_name(unseen)}").explained(
                advice="`stratify: true` keeps every class in every split that is drawn; where the source brings the splits,"
                " are the labels written alike in each?",
                finding="data.class_missing",
            )


def classes_alike(profile: DataProfile, *, alike: Collection[str]) -> Iterator[Verdict]:
    """Red for classes that are written in two ways, but for those of `alike`; two single letters may differ in case."""
    rows = sum((Counter(split.classes) for split in profile.splits.values()), Counter())
    by_form: dict[str, list[str]] = {}
    for label in sorted(rows.keys() - set(alike)):
        plain = label.strip()
        by_form.setdefault(plain.casefold() if len(plain) > 1 else plain, []).append(label)
    for labels in by_form.values():
        if len(labels) > 1:
            told = listed(f"{label!r} {rows[label]}" for label in labels)
            yield failed(f"classes that differ in case or blanks alone: {told}").explained(
                advice="write them alike in the source; where each is a class of its own,"
                f" `data: {{alike: [{', '.join(map(repr, labels))}]}}` under checks",
                finding="data.label_codes",
            )


def labels_allowed(profile: DataProfile, *, classes: Collection[str], codes: Collection[str]) -> Iterator[Verdict]:
    """Red for a class that is none of `classes` where these are declared, else for one that looks like a missing label.

    Those of `codes` may look like one.
    """
    rows = sum((Counter(split.classes) for split in profile.splits.values()), Counter())
    if classes:
        others = {label: count for label, count in rows.items() if label not in classes}
        if others:
            yield failed(f"labels that are no declared class: {_counted(others)}").explained(
                f"declared: {listed(classes)}",
                advice="are these rows without a label, or is the list of classes too short?",
                finding="data.label_codes",
            )
        return
    found = {label: rows[label] for label in _codes(rows) if label not in codes}
    if found:
        yield failed(f"classes that look like a missing label: {_counted(found)}").explained(
            f"beside {listed(repr(label) for label in rows if label not in found)}",
            advice="leave rows without a label out in load: as it is, the model learns to answer with it; where it is a class,"
            f" `data: {{codes: [{', '.join(map(repr, found))}]}}` under checks",
            finding="data.label_codes",
        )


def labels_contradicted(profile: DataProfile) -> Iterator[Verdict]:
    """Told, and red where training rows are contradicted far more often than rows of the same pool that were held out."""
    found = profile.contradicted
    if found is None or not found.rows:
        return
    told = passed(
        f"labels that 9 of 10 neighbours contradict: {found.against} of {found.rows} training rows{_examples(found)};"
        f" {found.held_out_against} of {found.held_out} held out"
    )
    if not (profile.one_pool and profile.split_by == "draw" and found.held_out):
        yield told
        return
    chance = more_by_chance(found.against, found.rows, found.held_out_against, found.held_out)
    share, expected = found.against / found.rows, found.held_out_against / found.held_out
    is_likely = at_least(chance, _UNLIKELY).status is Status.PASSED
    is_little = at_least(share, max(expected + _MORE, _TIMES * expected)).status is not Status.PASSED
    if is_likely or is_little:
        yield told
    else:
        yield failed(
            f"labels of train that their neighbours contradict: {share:.1%}, of held-out rows {expected:.1%}"
        ).explained(
            told.summary,
            f"probability of such a difference between rows drawn from one pool: {shown(chance)}",
            advice="what becomes of the labels of train alone: are they joined, sorted or changed apart from their rows?",
            finding="data.label_noise",
        )


def _examples(found: Contradicted) -> str:
    return f" ({listed(f'{label!r} in {row}' for row, label in found.examples)})" if found.examples else ""


def _by_name(counts: Mapping[str, int]) -> str:
    return listed(f"{label} {count}" for label, count in sorted(counts.items(), key=lambda item: -item[1]))


def _counted(labels: dict[str, int]) -> str:
    return listed(f"{label!r} in {count} rows" for label, count in labels.items())


def _codes(labels: Collection[str]) -> list[str]:
    """The labels that look like a code for a missing one."""
    found = [label for label in labels if label in _NO_LABEL]
    numbers = {_whole(label): label for label in labels}
    if None in numbers:
        return found
    known = sorted(number for number in numbers if number is not None and number not in _CODES)
    counted = len(known) > 1 and known[0] in (0, 1) and known == list(range(known[0], known[0] + len(known)))
    if not counted:
        return found
    odd = [number for number in numbers if number is not None and number in _CODES and number != known[-1] + 1]
    return [numbers[number] for number in odd if number != -1 or len(known) >= _FEWEST_BESIDE_MINUS_ONE]


def _whole(label: str) -> int | None:
    try:
        return int(label)
    except ValueError:
        return None
