"""The score that others published for a task of MTEB, from their result file."""

from __future__ import annotations

import json

from pytest_mlspec.errors import DataError
from pytest_mlspec.evidence import TaskScore
from pytest_mlspec.jobs import ReadPublished
from pytest_mlspec.recipe.work import Result, Work


def read_published(job: ReadPublished, work: Work) -> Result:
    """The scores of the file on the splits and subsets of the task that the spec leaves in.

    Raises DataError where the file is none of MTEB, or is one of another task.
    """
    from pytest_mlspec.probes.mteb import demand_mteb, tasks
    from pytest_mlspec.probes.mteb.results import parts_of

    key = f"mteb.{job.task}"
    file = tasks.place(job.file, work, key=key)
    advice = "name a file TASK.json of the results that MTEB publishes, as mteb 1.11 and later write it"
    try:
        found = json.loads(file.read_text("utf-8"))
        name, scores = found["task_name"], found["scores"]
        known = {split: [{**each} for each in subsets if each["hf_subset"]] for split, subsets in scores.items()}
    except OSError as error:
        raise DataError(f"{job.file} cannot be read: {error.strerror}", key=key) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DataError(f"{job.file} is no result of MTEB", key=key, advice=advice) from None
    if name != job.task:
        raise DataError(f"{job.file} holds the result of {name}, not of {job.task}", key=key)
    demand_mteb()
    task = tasks.find(job.task, work)
    evidence = TaskScore(
        task=job.task,
        of=file.name if ":" in job.file else job.file,
        main=task.metadata.main_score,
        parts=parts_of(known, task, key=key),
        data_revision=str(found.get("dataset_revision", "unknown")),
        mteb_version=str(found.get("mteb_version", "unknown")),
    )
    return Result(evidence)
