"""Which control plane operator image does this hosted cluster get?

`RULES` is the answer: a precedence, read from top to bottom; the first rule that applies gives the image, and a guard that
refuses ends the walk with an error. What each line says about a cluster is the function of that name in `verdicts`,
`hold` or `eligibility`. The same tuple drives the decision, `explain` and the reference page.
"""

from __future__ import annotations

from pilotage.controlplane import hold, verdicts
from pilotage.controlplane.facts import ImageFacts
from pilotage.decision.rules import Decision, Guard, Needs, Rule, first_match

__all__ = ["QUESTION", "RULES", "choose_image", "wanted"]

QUESTION = "cpo-image"

RULES: tuple[Rule[ImageFacts, str], ...] = (
    Rule("annotation", verdicts.annotation),  # the owner of the cluster pinned an image
    Guard("image-source", hold.known_source),  # ... or wrote something we do not know: nothing moves
    Guard("hold", hold.keep_recorded),  # ... or keeps what is recorded
    Guard("release", verdicts.readable_release),  # from here on the release payload must be readable
    Guard("version", verdicts.strict_version),  # ... and its version strict SemVer
    Rule("override", verdicts.override),  # the table pins this version on this platform
    Rule(
        "operator-image", verdicts.operator_image
    ),  # from 4.20 on: the operator's own image, if it can serve
    Rule("payload", verdicts.payload),  # component `hypershift` of the payload
    Guard("version-floor", verdicts.version_floor),  # below 4.9 there is nothing else
    Rule("operator-fallback", verdicts.operator_fallback),  # 4.9, 4.10, or an operator image with the binary
)
"""When nothing applied the answer is the error `NoControlPlaneOperatorImage`."""


def choose_image(facts: ImageFacts) -> Decision[str]:
    """The pull spec for one hosted cluster, the rule that gave it, and every rule considered with its reason.

    A decision that `needs` a fact which costs a request is asked again once that was looked at; so an annotation wins while
    every registry is down.
    """
    return first_match(QUESTION, facts.subject, RULES, facts, otherwise=verdicts.nothing_applied(facts))


def wanted(facts: ImageFacts) -> tuple[str, ...]:
    """Facts that some rule would still look at, in precedence order: what `explain` asks for beyond the decision."""
    judged = (rule.judge(facts) for rule in RULES)
    return tuple(dict.fromkeys(verdict.fact for verdict in judged if isinstance(verdict, Needs)))
