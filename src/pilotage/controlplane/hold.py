"""May this cluster's image move at all? The owner of a cluster says so with `controlplane.pilotage.dev/cpo-image-source`.

    unset, auto   the rules as they are
    payload       neither an override nor the operator's image
    operator      while the switch stands at canary: this cluster takes part
    hold          keep the image that is recorded, until `controlplane.pilotage.dev/cpo-image-hold-until` (RFC 3339)

A value that is not in this list is an error: a typo must not roll a control plane. A hold that expired is reported once
while it still holds, and released on the next look.
"""

from __future__ import annotations

from datetime import UTC, datetime

from pilotage.api.pilotage import HOLD_UNTIL_ANNOTATION, IMAGE_SOURCE_ANNOTATION
from pilotage.controlplane.facts import ImageFacts
from pilotage.decision.findings import Finding, error, warning
from pilotage.decision.rules import Applies, Passes, Refuses, Verdict

__all__ = ["AUTO", "HOLD", "OPERATOR", "PAYLOAD", "is_expired", "keep_recorded", "known_source"]

AUTO, PAYLOAD, OPERATOR, HOLD = "auto", "payload", "operator", "hold"
_SOURCES = (AUTO, PAYLOAD, OPERATOR, HOLD)


def known_source(facts: ImageFacts) -> Verdict[str]:
    """The annotation `cpo-image-source` must hold a value that we know."""
    if facts.image_source is not None and facts.image_source not in _SOURCES:
        return Refuses(
            _invalid(
                facts,
                "InvalidImageSource",
                IMAGE_SOURCE_ANNOTATION,
                f'"{facts.image_source}" is not one of {", ".join(_SOURCES)}',
            )
        )
    if facts.image_source == HOLD and facts.hold_until is not None and _until(facts) is None:
        return Refuses(
            _invalid(
                facts,
                "InvalidHoldUntil",
                HOLD_UNTIL_ANNOTATION,
                f'"{facts.hold_until}" is not an RFC 3339 time such as 2026-05-20T12:00:00Z',
            )
        )
    return Passes(f"image source is {facts.image_source or AUTO}")


def keep_recorded(facts: ImageFacts) -> Verdict[str]:
    """A cluster on hold keeps the image that is recorded for it."""
    if facts.image_source != HOLD:
        return Passes("no hold")
    expired = is_expired(facts)
    if expired and facts.hold_expiry_reported:
        return Passes(f"the hold expired at {facts.hold_until}")
    if facts.recorded is None:
        return Refuses(
            error(
                "HeldImageUnknown",
                f"HostedCluster {facts.subject}: annotation {IMAGE_SOURCE_ANNOTATION} says hold, but no image is recorded"
                " that could be kept",
                subject=facts.subject,
                field=f"metadata.annotations[{IMAGE_SOURCE_ANNOTATION}]",
                hint="remove the annotation until an image was recorded, or pin the image by annotation",
            )
        )
    warnings = (_expiry(facts),) if expired else ()
    until = f" until {facts.hold_until}" if facts.hold_until else ""
    return Applies(
        facts.recorded.image,
        f"on hold{until}: the recorded image stays, chosen by {facts.recorded.rule}",
        {"recordedRule": facts.recorded.rule},
        warnings,
    )


def is_expired(facts: ImageFacts) -> bool:
    """Is there a hold whose time is over? False where the time is not known."""
    until = _until(facts)
    return facts.image_source == HOLD and until is not None and facts.now is not None and until <= facts.now


def _until(facts: ImageFacts) -> datetime | None:
    """None when there is no expiry, or when it is no time with a zone."""
    if facts.hold_until is None or "T" not in facts.hold_until.upper():
        return None
    try:
        moment = datetime.fromisoformat(facts.hold_until)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else None


def _expiry(facts: ImageFacts) -> Finding:
    return warning(
        "HoldExpired",
        f"the hold expired at {facts.hold_until}; the image is released on the next look",
        subject=facts.subject,
        hint=f"move {HOLD_UNTIL_ANNOTATION} to keep holding, or remove both annotations",
    )


def _invalid(facts: ImageFacts, code: str, key: str, why: str) -> Finding:
    return error(
        code,
        f"HostedCluster {facts.subject}: annotation {key}: {why}",
        subject=facts.subject,
        field=f"metadata.annotations[{key}]",
        hint="correct or remove the annotation; nothing was changed",
    )
