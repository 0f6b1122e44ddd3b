"""Verdicts as text: the only place that puts facts into words for a reader."""

from pytest_mlspec.report.diagnosis import diagnosis_lines, likely_causes
from pytest_mlspec.report.engines import engines_page
from pytest_mlspec.report.measured import measured_lines, recorded_lines
from pytest_mlspec.report.plan import plan_lines
from pytest_mlspec.report.profiles import profile_lines
from pytest_mlspec.report.progress import ProgressLine
from pytest_mlspec.report.verdict import failure_text, properties, verdict_lines

__all__ = [
    "ProgressLine",
    "diagnosis_lines",
    "engines_page",
    "failure_text",
    "likely_causes",
    "measured_lines",
    "plan_lines",
    "profile_lines",
    "properties",
    "recorded_lines",
    "verdict_lines",
]
