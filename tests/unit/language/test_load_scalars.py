"""Scalars have the value of the core schema of YAML 1.2, or none: what readers disagree about is refused."""

from __future__ import annotations

import pytest

from .reading import only_problem, value_of

pytestmark = pytest.mark.usefixtures("both_parsers")


@pytest.mark.parametrize(
    "text", ["NO", "on", "off", "yes", "12:30", "2024-01-01", "1_000", "nan", "inf", "0b1", "1.2.3"]
)
def test_what_only_yaml_1_1_reads_otherwise_is_text(text: str) -> None:
    """Booleans, base-60 numbers, dates and underscores of YAML 1.1 stay as written."""
    assert value_of(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("null", None),
        ("~", None),
        ("true", True),
        ("False", False),
        ("0", 0),
        ("-17", -17),
        ("0x1F", 31),
        ("0o17", 15),
        ("-9223372036854775808", -(2**63)),
        ("9223372036854775807", 2**63 - 1),
        ("0x0000000000000000000000000000000001", 1),
        ("1e-3", 0.001),
        ("1E5", 1e5),
        (".5", 0.5),
        ("3.", 3.0),
        ("1.10", 1.1),
        ("-0.0", -0.0),
        ("'010'", "010"),
        ('"1e-3"', "1e-3"),
        ("'~'", "~"),
    ],
)
def test_core_scalars_have_their_value(text: str, value: object) -> None:
    """The core schema of YAML 1.2 decides, and quotes make text; the type is exact."""
    read_as = value_of(text)

    assert (read_as, type(read_as)) == (value, type(value))


@pytest.mark.parametrize("text", ["010", "-010", "00", "+007", "08"])
def test_an_integer_with_a_leading_zero_is_refused(text: str) -> None:
    """Readers of YAML disagree about its base."""
    assert f"key: {text} is ambiguous" in only_problem(f"key: {text}")


@pytest.mark.parametrize("text", [".nan", ".NaN", ".inf", "-.inf", "+.INF"])
def test_numbers_that_are_not_finite_are_refused(text: str) -> None:
    """NaN and infinity pass comparisons that they should fail."""
    assert only_problem(f"key: {text}") == f"1:6 key: {text} is not a finite number"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1.0e+999", "would be read as infinity"),
        ("1e-999", "would be read as 0"),
        ("9223372036854775808", "outside the range of 64-bit integers"),
        ("-9223372036854775809", "outside the range of 64-bit integers"),
        ("9" * 5000, "outside the range of 64-bit integers"),
        ("0x" + "f" * 60_000, "outside the range of 64-bit integers"),
        ("0x" + "f" * 100_000, "100,002 characters, at most 64,000"),
        ("x" * 64_001, "64,001 characters, at most 64,000"),
    ],
)
def test_numbers_beyond_64_bits_and_huge_scalars_are_refused(text: str, message: str) -> None:
    """Nothing is rounded to infinity or zero in silence, and the message stays short."""
    problem = only_problem(f"key: {text}")

    assert message in problem
    assert len(problem) < 250
