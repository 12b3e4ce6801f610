"""A precedence is a tuple; the first rule that applies decides, and every rule leaves a line."""

from __future__ import annotations

import pytest

from pilotage.decision.findings import error, warning
from pilotage.decision.render import decision_json, decision_text
from pilotage.decision.rules import Applies, Guard, Needs, Passes, Refuses, Rule, first_match

NOTHING = error("Nothing", "no rule applied")


def gives(value, *warnings):
    return lambda _facts: Applies(value, f"it gives {value}", {"value": value}, tuple(warnings))


def passes(*warnings):
    return lambda _facts: Passes("it does not apply here", {}, tuple(warnings))


def refuses(code):
    return lambda _facts: Refuses(error(code, f"refused with {code}"))


def needs(fact):
    return lambda _facts: Needs(fact, f"{fact} was not seen")


def decide(*rules):
    return first_match("which value", "the subject", rules, None, otherwise=NOTHING)


def test_the_first_rule_that_applies_decides():
    """Order is precedence: a later rule that also applies is only mentioned."""
    decision = decide(Rule("low", passes()), Rule("high", gives("a")), Rule("late", gives("b")))

    assert ("a", "high") == (decision.value, decision.rule)
    assert ["not-applicable", "applied", "skipped"] == [entry.verdict for entry in decision.trail]
    assert "b" == decision.considered("late").would_be
    assert "it gives a" == decision.reason


def test_a_guard_ends_the_walk_with_an_error():
    """Behind a closed guard no rule decides, but each still says what it would have given."""
    decision = decide(Guard("door", refuses("Closed")), Rule("late", gives("b")))

    assert decision.error is not None
    assert "Closed" == decision.error.code
    assert decision.rule is None
    assert "b" == decision.considered("late").would_be


def test_an_earlier_rule_wins_while_a_later_fact_is_missing():
    """A fact that was not seen matters only when the walk reaches the rule that needs it."""
    decision = decide(Rule("annotation", gives("a")), Guard("release", needs("the release")))

    assert "a" == decision.value
    assert decision.needs is None


def test_a_needed_fact_is_named():
    """The caller learns which fact to observe before it asks again."""
    decision = decide(
        Rule("annotation", passes()), Guard("release", needs("the release")), Rule("late", gives("b"))
    )

    assert decision.needs is not None
    assert "the release" == decision.needs.fact
    assert decision.value is None
    assert decision.error is None


def test_no_rule_applied():
    """The error for that case is the caller's."""
    assert NOTHING == decide(Rule("one", passes())).error


def test_only_reached_rules_warn():
    """A warning of a rule that was never reached would only confuse."""
    first, second, third = (warning(code, "look") for code in "ABC")
    decision = decide(
        Rule("one", passes(first)), Rule("two", gives("x", second)), Rule("three", gives("y", third))
    )

    assert (first, second) == decision.warnings


def test_the_json_form_has_one_entry_for_each_rule():
    """Guards are plumbing; a program reads the rules."""
    body = decision_json(
        decide(Guard("door", passes()), Rule("one", gives("x")), Rule("two", gives("y"))), "image"
    )

    assert ("x", "one") == (body["image"], body["rule"])
    assert ["one", "two"] == [entry["rule"] for entry in body["trail"]]
    assert "y" == body["trail"][1]["wouldBe"]
    assert "wouldBe" not in body["trail"][0]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ((Rule("one", gives("x")),), "→ one  applied"),
        ((Guard("door", refuses("Closed")),), "error    Closed"),
        ((Guard("door", needs("the release")),), "needs    the release"),
    ],
)
def test_the_text_form_points_at_what_decided(rules, expected):
    """A person finds the deciding line by its arrow."""
    assert expected in decision_text(decide(*rules), "image")
