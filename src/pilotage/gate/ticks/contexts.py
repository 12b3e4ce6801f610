"""Does a scenario apply to a Snapshot, and is it required? As konflux-ci/integration-service decides it.

The contexts of an IntegrationTestScenario are an OR: one name that matches is enough, and `disabled` vetoes nothing, it only
never matches. The run label starts a scenario by name without a look at its contexts, which is how the gate starts a scenario
that is otherwise disabled. Whether it is *required* follows the contexts alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from pilotage.api import konflux
from pilotage.decision.findings import error
from pilotage.decision.rules import Applies, Decision, Passes, Rule, Verdict, first_match
from pilotage.gate.ticks.snapshots import is_push_event

__all__ = ["CONTEXT_RULES", "QUESTION", "RULES", "Occasion", "applies", "is_required", "matches"]

QUESTION: Final = "gate-scenario"
RUN_ALL: Final = "all"
_COMPONENT: Final = "component_"


class Occasion(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario and one Snapshot. `run_label` is None when nobody triggered by hand.

    `contexts` are the names as listed; an item without a name is empty and matches nothing.
    """

    scenario: str
    is_optional: bool = False
    contexts: tuple[str, ...] = ()
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    run_label: str | None = None


def applies(occasion: Occasion) -> Decision[bool]:
    """Would integration-service run the scenario on this Snapshot, and what every rule said."""
    return _walk(RULES, occasion)


def is_required(occasion: Occasion) -> bool:
    """Must it pass before the Snapshot does: it applies by its contexts, whoever triggered, and is not optional."""
    return not occasion.is_optional and _walk(CONTEXT_RULES, occasion).value is True


def matches(context: str, occasion: Occasion) -> bool:
    """Does one context name fit? A name that is not known never does, nor does a known one in other letters."""
    kind = occasion.labels.get(konflux.TYPE_LABEL)
    match context:
        case "application" | "all":
            return True
        case "component" | "group" | "override":
            return kind == context
        case "push":
            return is_push_event(occasion.labels, occasion.annotations)
        case "pull_request":
            return not is_push_event(occasion.labels, occasion.annotations)
    component = occasion.labels.get(konflux.COMPONENT_LABEL)
    return context.startswith(_COMPONENT) and component == context.removeprefix(_COMPONENT)


def run_by_name(occasion: Occasion) -> Verdict[bool]:
    """The run label names the scenario: it applies whatever its contexts are."""
    if occasion.run_label is not None and occasion.run_label == occasion.scenario:
        return Applies(True, "the run label names it")
    return Passes("the run label does not name it")


def run_of_another(occasion: Occasion) -> Verdict[bool]:
    """The run label names another scenario; `all` names none."""
    if occasion.run_label not in (None, RUN_ALL):
        return Applies(False, f'the run label is "{occasion.run_label}"')
    return Passes(f"the run label is {occasion.run_label or 'not set'}")


def without_contexts(occasion: Occasion) -> Verdict[bool]:
    """A scenario without contexts applies to everything."""
    return Passes("it has contexts") if occasion.contexts else Applies(True, "it has no contexts")


def by_context(occasion: Occasion) -> Verdict[bool]:
    """One of its contexts matches."""
    found = next((context for context in occasion.contexts if matches(context, occasion)), None)
    return Passes("no context matches") if found is None else Applies(True, f"context {found} matches")


def by_no_context(occasion: Occasion) -> Verdict[bool]:
    """None of its contexts matches."""
    return Applies(False, f"none of {', '.join(occasion.contexts)} matches")


CONTEXT_RULES: tuple[Rule[Occasion, bool], ...] = (
    Rule("no-contexts", without_contexts),
    Rule("context", by_context),
    Rule("no-match", by_no_context),
)
"""What decides when nothing was triggered by name, and always what is required."""

RULES: tuple[Rule[Occasion, bool], ...] = (
    Rule("run-label", run_by_name),
    Rule("other-run-label", run_of_another),
    *CONTEXT_RULES,
)


def _walk(rules: tuple[Rule[Occasion, bool], ...], occasion: Occasion) -> Decision[bool]:
    never = error("Undecided", "no rule decided", subject=occasion.scenario)
    return first_match(QUESTION, occasion.scenario, rules, occasion, otherwise=never)
