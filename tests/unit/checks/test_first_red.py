"""Several verdicts on one claim become one: red where any is, with every fault told."""

from __future__ import annotations

from pytest_mlspec.check import errored, failed, first_red, passed


def test_the_first_red_verdict_leads_and_the_other_red_ones_are_facts() -> None:
    """Nothing of a fault is lost; what passed is left out."""
    verdict = first_red(
        passed("fine"),
        failed("first").explained("fact of the first", advice="repair it"),
        errored("second").explained("fact of the second", advice="look again"),
    )

    assert verdict == failed("first").explained(
        "fact of the first", "second", "fact of the second", advice="repair it"
    ).explained(advice="look again")


def test_advice_is_given_once() -> None:
    """Two faults with one remedy name it once."""
    verdict = first_red(failed("first").explained(advice="sort it"), failed("second").explained(advice="sort it"))

    assert verdict.advice == ("sort it",)


def test_verdicts_that_all_pass_are_told_in_their_order() -> None:
    """The first leads, the summaries of the others are facts."""
    assert first_red(passed("first"), passed("second")) == passed("first").explained("second")
